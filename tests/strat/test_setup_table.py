"""The table of setups is written in its own words, and every setting it may be read under is accepted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import msgspec
import pytest

from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.setup import FAMILIES
from atlas.strat.setups import TABLE, Row, setups_at, validate


def test_every_row_says_only_what_a_row_may_say() -> None:
    assert msgspec.convert(msgspec.to_builtins(TABLE), tuple[Row, ...]) == TABLE
    assert {row.family for row in TABLE} == set(FAMILIES)


def test_only_the_name_of_an_outside_bar_leaves_out_the_bar_before_it() -> None:
    assert [row.family for row in TABLE if not row.named] == ["3-2"]


@pytest.mark.parametrize(
    ("stop", "target"), list(product(("structure", "setup_bar"), ("nearer", "risk", "percent")))
)
def test_every_stop_and_every_target_of_the_spec_is_a_valid_setting(stop: str, target: str) -> None:
    validate(StratRules(stop=stop, outside_target=target, families=FAMILIES))


@pytest.mark.parametrize("c1_type", ["1", "2U", "2D", "3"])
def test_without_a_bar_before_it_no_type_gives_a_setup(c1_type: str) -> None:
    opened = datetime(2026, 1, 1, tzinfo=UTC)
    prices = (Decimal(100), Decimal(110), Decimal(90), Decimal(100))
    bar = Bar("1h", opened, opened + timedelta(hours=1), *prices, Decimal(1))
    assert setups_at("X", bar, c1_type, None, None, 0, StratRules()) == ()
