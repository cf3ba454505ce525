"""Rounding of levels, sizes and money."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import InternalError
from atlas.money.rounding import (
    dollars,
    fixed,
    percent,
    ratio,
    shown,
    stop_on_tick,
    target_on_tick,
    to_increment,
    to_tick,
    trigger_on_tick,
)
from atlas.strat.setup import Side

PRICES = st.decimals("0.0001", "200000", places=6)
TICKS = st.sampled_from([D("5"), D("0.5"), D("0.01"), D("0.0001"), D("0.05"), D("25")])


@given(PRICES, TICKS)
def test_a_level_on_the_tick_is_a_whole_multiple_within_one_tick(price: D, tick: D) -> None:
    up, down = to_tick(price, tick, "up"), to_tick(price, tick, "down")
    assert up % tick == 0
    assert down % tick == 0
    assert down <= price <= up
    assert up - down == (0 if price % tick == 0 else tick)


def test_a_price_on_the_tick_stays_and_takes_the_form_of_the_tick() -> None:
    assert str(to_tick(D("68930.000"), D("5"), "up")) == "68930"
    assert str(to_tick(D("100"), D("0.5"), "down")) == "100.0"


def test_a_price_below_zero_is_rounded_downwards_not_towards_zero() -> None:
    assert to_tick(D("-7"), D("5"), "down") == -10
    assert to_tick(D("-7"), D("5"), "up") == -5
    assert to_tick(D("-0.5"), D("5"), "down") == -5


def test_a_tick_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InternalError, match="a tick of 0 is not positive"):
        to_tick(D("1"), D("0"), "up")


@pytest.mark.parametrize(
    ("side", "stop", "target", "trigger"), [("long", 68920, 68920, 68925), ("short", 68925, 68925, 68920)]
)
def test_stops_go_away_from_the_entry_targets_towards_it_triggers_outward(
    side: Side, stop: int, target: int, trigger: int
) -> None:
    level, tick = D("68922.5"), D("5")
    assert stop_on_tick(level, side, tick) == stop
    assert target_on_tick(level, side, tick) == target
    assert trigger_on_tick(level, side, tick) == trigger


def test_sizes_never_grow_and_never_go_below_zero() -> None:
    assert to_increment(D("5.56"), D("1")) == 5
    assert to_increment(D("0.123456789"), D("0.00000001")) == D("0.12345678")
    assert to_increment(D("-0.5"), D("1")) == 0


def test_money_is_held_at_eight_decimals_half_to_even_and_never_minus_zero() -> None:
    assert str(fixed(D("1.000000005"))) == "1.00000000"
    assert str(fixed(D("1.000000015"))) == "1.00000002"
    assert not fixed(D("-0.000000001")).is_signed()


def test_a_ratio_has_twelve_significant_digits_however_large() -> None:
    assert ratio(D(1) / D(3)) == D("0.333333333333")
    assert ratio(D(2) ** 365) == D("7.51533626488E+109")


def test_a_ratio_halfway_goes_to_the_even_digit() -> None:
    assert ratio(D("0.1234567890125")) == D("0.123456789012")
    assert ratio(D("0.1234567890135")) == D("0.123456789014")


def test_text_for_people_never_flatters() -> None:
    assert percent(D("0.00499999999"), "down") == "0.4999 %"
    assert percent(D("0.2000000001"), "up") == "20.0001 %"
    assert percent(D("0.005"), "down") == "0.5 %"
    assert shown(D("100"), 4, "down") == "100"
    assert shown(D("-0.00001"), 4, "up") == "0"
    assert dollars(D("35.751"), "up") == "$35.76"
    assert dollars(D("-4.2"), "down") == "-$4.20"
    assert dollars(D("35.759"), "down") == "$35.75"


def test_dollars_have_a_minus_below_zero_only() -> None:
    assert dollars(D("0.5"), "down") == "$0.50"
    assert dollars(D("0"), "down") == "$0.00"
    assert dollars(D("-0.5"), "down") == "-$0.50"
    assert dollars(D("-0.001"), "up") == "$0.00"
