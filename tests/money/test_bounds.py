"""The bounds an entry is filled between: the gates measure the trade, the broker once more the trade that fills it."""

from decimal import Decimal as D

import pytest

from atlas.money.bounds import (
    EntryBounds,
    bar_is_no_3,
    is_invalidated,
    past_stop,
    past_target,
    refused_at,
    reward_risk,
)
from atlas.strat.setup import Side

LONG = EntryBounds("long", stop=D(95), target=D(110), invalidation=D(97))
SHORT = EntryBounds("short", stop=D(105), target=D(90), invalidation=D(103))
OF = {"long": LONG, "short": SHORT}


@pytest.mark.parametrize(
    ("side", "price", "passed"),
    [("long", 96, True), ("long", 95, False), ("long", 94, False),
     ("short", 104, True), ("short", 105, False), ("short", 106, False)],
)  # fmt: skip
def test_at_the_stop_is_past_it(side: Side, price: int, *, passed: bool) -> None:
    assert past_stop(side, D(price), OF[side].stop)[0] is passed


@pytest.mark.parametrize(
    ("side", "price", "passed"),
    [("long", 109, True), ("long", 110, False), ("long", 111, False),
     ("short", 91, True), ("short", 90, False), ("short", 89, False)],
)  # fmt: skip
def test_at_the_target_is_past_it(side: Side, price: int, *, passed: bool) -> None:
    assert past_target(side, D(price), OF[side].target)[0] is passed


def test_what_was_found_and_wanted_is_told_with_its_side() -> None:
    assert past_stop("long", D(95), D(95))[1:] == ("95", "above the stop 95")
    assert past_stop("short", D(105), D(105))[1:] == ("105", "below the stop 105")
    assert past_target("long", D(110), D(110))[1:] == ("110", "below the target 110")
    assert past_target("short", D(90), D(90))[1:] == ("90", "above the target 90")


def test_reward_is_measured_against_risk_from_the_same_price() -> None:
    assert reward_risk(D(100), D(95), D(110), D(2)) == (True, "2", "≥ 2")
    assert reward_risk(D(101), D(95), D(110), D(2)) == (False, "1.5", "≥ 2")
    assert reward_risk(D(100), D(105), D(90), D("2.1"))[0] is False


def test_what_fails_a_minimum_is_never_shown_as_the_minimum() -> None:
    passed, found, least = reward_risk(D("1.00005"), D(0), D("1.5"), D("0.5"))
    assert (passed, found, least) == (False, "0.4999", "≥ 0.5")
    assert reward_risk(D(100), D(97), D(102), D("0.66667"))[2] == "≥ 0.6667"


@pytest.mark.parametrize(
    ("side", "price", "a_3"),
    [("long", 98, False), ("long", 97, False), ("long", 96, True),
     ("short", 102, False), ("short", 103, False), ("short", 104, True)],
)  # fmt: skip
def test_a_bar_is_a_3_only_beyond_the_other_side_of_its_setup_bar(side: Side, price: int, *, a_3: bool) -> None:
    assert is_invalidated(side, D(price), OF[side].invalidation) is a_3
    passed, found, wanted = bar_is_no_3(OF[side], D(price))
    assert passed is not a_3
    assert found == f"{price}, before the entry was filled"
    assert wanted == f"an entry bar that has not become a 3 beyond {OF[side].invalidation}"


@pytest.mark.parametrize("side", ["long", "short"])
def test_between_its_levels_an_entry_is_filled(side: Side) -> None:
    assert refused_at(OF[side], D(100), D(100)) is None


@pytest.mark.parametrize(
    ("side", "reference", "fill", "gate", "value"),
    [
        ("long", 95, 96, "price_past_stop", "95"),
        ("long", 100, 95, "price_past_stop", "95"),
        ("short", 105, 104, "price_past_stop", "105"),
        ("short", 100, 105, "price_past_stop", "105"),
        ("long", 110, 100, "price_past_target", "110"),
        ("short", 90, 100, "price_past_target", "90"),
        ("long", 96, 100, "missed", "96, before the entry was filled"),
        ("short", 104, 100, "missed", "104, before the entry was filled"),
    ],
)
def test_the_gate_that_fails_at_the_fill_refuses_the_entry(
    side: Side, reference: int, fill: int, gate: str, value: str
) -> None:
    refused = refused_at(OF[side], D(reference), D(fill))
    assert refused is not None
    assert refused[:2] == (gate, value)


@pytest.mark.parametrize(("side", "fill"), [("long", 112), ("short", 88)])
def test_only_the_trade_is_held_against_the_target_not_the_fill(side: Side, fill: int) -> None:
    assert refused_at(OF[side], D(100), D(fill)) is None


@pytest.mark.parametrize(("side", "fill"), [("long", 96), ("short", 104)])
def test_only_the_trade_makes_the_bar_a_3_not_the_fill(side: Side, fill: int) -> None:
    assert refused_at(OF[side], D(100), D(fill)) is None


def test_reward_and_risk_are_measured_again_at_the_trade_unless_the_gate_is_off() -> None:
    asking = EntryBounds("long", D(95), D(110), D(97), min_reward_risk=D(2))
    assert refused_at(asking, D(100), D(99)) is None
    assert refused_at(asking, D(101), D(99)) == ("reward_risk", "1.5", "≥ 2")
    assert refused_at(LONG, D(109), D(109)) is None


def test_the_first_gate_that_fails_names_the_refusal() -> None:
    crossed = EntryBounds("long", stop=D(100), target=D(90), invalidation=D(120), min_reward_risk=D(9))
    assert [refused_at(one, D(95), D(95))[0] for one in (  # type: ignore[index]  # each of these is refused
        crossed,
        EntryBounds("long", D(80), D(90), D(120), D(9)),
        EntryBounds("long", D(80), D(99), D(120), D(9)),
        EntryBounds("long", D(80), D(99), D(70), D(9)),
    )] == ["price_past_stop", "price_past_target", "missed", "reward_risk"]  # fmt: skip
