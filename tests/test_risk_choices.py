"""What decides about an entry where a setting was changed: gates switched off, the policy `flip`, a new listing."""

from decimal import Decimal as D

import msgspec
import pytest

from atlas.risk import SWITCHABLE, judge
from atlas.rules import GateRules, Rules, SizingRules
from atlas.strat.setup import ContinuityReading
from tests.test_risk import approval, context, held, reading, rejection

replace = msgspec.structs.replace

WITHOUT_CONTINUITY = Rules(gates=GateRules(off=("continuity",)))


def test_the_gates_that_may_be_switched_off_are_these() -> None:
    assert set(SWITCHABLE) == {
        "magnitude", "reward_risk", "continuity", "position_policy", "max_open_positions", "total_risk", "daily_loss",
        "fees",
    }  # fmt: skip


def test_with_continuity_off_full_agreement_is_full_size() -> None:
    assert approval(context(rules=WITHOUT_CONTINUITY)).multiplier == 1


def test_with_continuity_off_the_other_sides_agreement_is_none() -> None:
    found = approval(context(rules=WITHOUT_CONTINUITY, continuity=reading(side="short")))
    assert found.multiplier == D("0.5")


def test_with_continuity_off_agreement_of_no_frames_is_none() -> None:
    empty = ContinuityReading("long", "open", (), (), (), (), 0)
    assert approval(context(rules=WITHOUT_CONTINUITY, continuity=empty)).multiplier == D("0.5")


def test_a_flip_closes_opposite_positions_of_its_own_product_only() -> None:
    short = held(side="short", stop=D(69000), contracts=D(1), entry_contracts=D(1))
    elsewhere = replace(short, id="elsewhere", symbol="ETP-20DEC30-CDE")
    given = context(rules=Rules(sizing=SizingRules(position_policy="flip")), positions=(short, elsewhere))
    assert approval(given).closes == ("held",)
    assert given.kept == (elsewhere,)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"contract_size": D("0.1")}, "listing: contract size 0.01, that of held 0.1"),
        ({"tick": D(10)}, "listing: tick 5, that of held 10"),
    ],
)
def test_no_entry_is_made_beside_a_position_of_the_product_as_it_was_listed_before(
    changes: dict[str, D], found: str
) -> None:
    rules = Rules(sizing=SizingRules(position_policy="unlimited"))
    refused = rejection(context(rules=rules, positions=(held(**changes),)))
    assert (refused.gate, refused.value) == ("halted", found)
    elsewhere = held(**changes, contracts=D(1), symbol="ETP-20DEC30-CDE")
    assert judge(context(rules=rules, positions=(elsewhere,))).approved
    assert rejection(context(rules=rules, positions=(elsewhere, held(**changes)))).gate == "halted"


@pytest.mark.parametrize("tick", [None, D(5)])
def test_a_position_listed_as_the_product_is_now_stops_nothing(tick: D | None) -> None:
    rules = Rules(sizing=SizingRules(position_policy="unlimited"))
    assert judge(context(rules=rules, positions=(held(tick=tick),))).approved
