"""Context labels by name: what holds is named once, what is unknown or does not hold is not."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from atlas.strat.context import Context
from atlas.strat.label_names import LABELS, label_names

PLAIN = Context(
    color="green", in_force=False, failed_two=False, shape=None, machine_gun=None, lower_highs=4, higher_lows=0,
    mother_time=None, mother_high=None, mother_low=None, fifty="invalid", first_side=None, ladder=(),
)  # fmt: skip
EACH = {
    "in-force": {"in_force": True},
    "failed-2": {"failed_two": True},
    "hammer": {"shape": "hammer"},
    "shooter": {"shape": "shooter"},
    "machine-gun-long": {"machine_gun": "long"},
    "machine-gun-short": {"machine_gun": "short"},
    "inside-mother": {"mother_time": datetime(2026, 3, 4, tzinfo=UTC)},
    "fifty-standby": {"fifty": "standby"},
    "fifty-active": {"fifty": "active"},
    "fifty-complete": {"fifty": "complete"},
    "first-long": {"first_side": "long"},
    "first-short": {"first_side": "short"},
    "ladder": {"ladder": (Decimal(1),)},
}


def test_every_name_has_something_it_names() -> None:
    assert tuple(EACH) == LABELS


@pytest.mark.parametrize("name", LABELS)
def test_what_holds_is_named(name: str) -> None:
    assert label_names(replace(PLAIN, **EACH[name])) == (name,)


@pytest.mark.parametrize("unknown", [{}, {"fifty": "unknown"}, {"fifty": None, "in_force": None, "failed_two": None}])
def test_what_is_unknown_or_does_not_hold_has_no_name(unknown: dict[str, object]) -> None:
    assert label_names(replace(PLAIN, **unknown)) == ()


def test_several_come_in_the_order_they_are_shown() -> None:
    several = replace(PLAIN, ladder=(Decimal(1),), shape="hammer", first_side="short", failed_two=True)
    assert label_names(several) == ("failed-2", "hammer", "first-short", "ladder")
