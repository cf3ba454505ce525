"""What the gates say of an entry they let through: what was found, and what it is held against. Nothing flatters."""

from decimal import Decimal as D

import msgspec

from atlas.money.entry import EntryContext
from atlas.risk import GATES, judge
from atlas.rules import FeeRules, GateRules, Rules, SizingRules
from tests.test_risk import SPOT, context, held, reading, rejection, setup

replace = msgspec.structs.replace

CHEAP = FeeRules(spot_taker=D("0.0001"), spot_maker=D("0.0001"))


def said(given: EntryContext) -> dict[str, tuple[str, str]]:
    """Gate → value and threshold, of an entry that every gate lets through."""
    verdict = judge(given)
    assert verdict.approved
    return {check.gate: (check.value, check.threshold) for check in verdict.checks}


def test_every_gate_says_what_it_found_and_what_it_is_held_against() -> None:
    # more digits everywhere than are shown: minima are rounded up and maxima down, what is found the other way
    gates = GateRules(
        min_magnitude=D("0.012345612"), min_reward_risk=D("0.500012"), max_fee_share=D("0.23456789"),
        max_divergence=D("0.012345678"),
    )  # fmt: skip
    rules = Rules(gates=gates, sizing=SizingRules(max_total_risk=D("0.061234567"), daily_loss=D("0.051234567")))
    translated = context(
        rules=rules, setup=setup(symbol="BTC-USD", target=D(70001)), ratio=D("1.00012345"), reference=D(68002),
        equity=D("10000.123"), available=D("9000.129"), day_start_equity=D("10007.77"),
    )  # fmt: skip
    found = said(translated)
    assert tuple(found) == GATES
    assert found == {
        "halted": ("no halt", "no halt"),
        "session_closed": ("open", "open"),
        "data_unverified": ("verified", "verified"),
        "already_triggered": ("first trigger", "first trigger"),
        "missed": ("seen", "seen"),
        "not_traded": ("2-1 long", "one of 3-1, 2-1, 2-2, 3-2-2, 3-2"),
        "divergence": ("0.0124 %", "≤ 1.2345 %"),
        "price_past_stop": ("68002", "above the stop 67005"),
        "price_past_target": ("68002", "below the target 70005"),
        "magnitude": ("2.9455 %", "≥ 1.2346 %"),
        "reward_risk": ("2.009", "≥ 0.5001"),
        "continuity": ("4/4", "≥ 2/4"),
        "position_policy": ("none in the way", "one_per_product"),
        "max_open_positions": ("1 with this one", "≤ 5"),
        "total_risk": ("$169.92 with this one", "≤ $612.35 (6.1234 % of equity)"),
        "daily_loss": ("0.0765 % lost today", "< 5.1234 %"),
        "size_zero": ("17 from a budget of $200.00 at $11.27 a contract", "≥ 1"),
        "fees": ("6.1461 %", "≤ 23.4567 % of the profit at target"),
        "margin": ("needs $2830.77 for 17", "≤ $9000.12 available"),
    }


def test_a_short_is_told_below_its_stop_and_above_its_target() -> None:
    short = setup(side="short", stop=D(69000), target=D(66000))
    found = said(context(setup=short, reference=D(67995), continuity=reading(side="short")))
    assert found["price_past_stop"] == ("67995", "below the stop 69000")
    assert found["price_past_target"] == ("67995", "above the target 66000")


def test_what_is_found_is_never_rounded_to_where_it_would_pass() -> None:
    third = setup(stop=D(67000), target=D(68670))
    rules = Rules(gates=GateRules(max_fee_share=D(1), min_reward_risk=D("0.67")))
    found = rejection(context(setup=third, reference=D("68001.25"), rules=rules))
    assert (found.gate, found.value, found.threshold) == ("reward_risk", "0.6679", "≥ 0.67")


def in_fractions(**changes: D) -> EntryContext:
    """Half a leverage-sized entry on a spot product whose sizes have ten decimals."""
    product = replace(SPOT, size_increment=D("1E-10"), min_size=D("0.0000000015"))
    given = context(
        setup=setup(symbol=SPOT.id, target=D(75000)), product=product, continuity=reading(3),
        rules=Rules(sizing=SizingRules(mode="leverage"), fees=CHEAP),
    )  # fmt: skip
    return replace(given, **changes)


def test_sizes_are_shown_at_eight_decimals_rounded_down_and_the_smallest_order_up() -> None:
    found = said(in_fractions(available=D("10000.4")))
    assert found["size_zero"] == ("0.07351418 from 0.14702837 × 0.5", "≥ 0.00000001")
    assert found["margin"] == ("needs $5000.20 for 0.07351418", "≤ $10000.40 available")


def test_the_margin_gate_names_what_the_smallest_order_would_need() -> None:
    product = replace(SPOT, min_size=D("0.01"))
    found = rejection(replace(in_fractions(available=D(100)), product=product))
    assert (found.gate, found.value, found.threshold) == ("margin", "needs $680.17 for 0.01", "≤ $100.00 available")


def test_continuity_that_could_not_be_computed_is_held_against_its_being_known() -> None:
    found = rejection(context(continuity=None))
    assert (found.value, found.threshold) == ("could not be computed", "known")


def test_held_is_told_by_name() -> None:
    found = rejection(context(positions=(held(),)))
    assert found.value == "held: held"
