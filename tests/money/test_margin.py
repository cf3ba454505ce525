"""Leverage, margin, liquidation and the deadline test."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import InternalError, UnknownProduct
from atlas.market.product import MarginRates, Product
from atlas.market.products import built_in
from atlas.money.book import Position
from atlas.money.margin import (
    closed_at_deadline,
    initial_margin,
    is_liquidated,
    leverage,
    liquidation_price,
    maintenance_rate,
    margin_at,
)
from atlas.rules import MarginRules
from atlas.strat.setup import Side

Build = Callable[..., Position]


def test_leverage_follows_side_and_tier(bip: Product) -> None:
    assert leverage(bip, "long", "intraday") == 10
    assert leverage(bip, "long", "overnight") == D("4.1")
    assert leverage(bip, "short", "overnight") == D("3.3")


def test_a_listed_rate_is_turned_into_leverage(bip: Product) -> None:
    rates = MarginRates(D("0.1000185"), D("0.1000008"), D("0.245625"), D("0.306375"))
    listed = msgspec.structs.replace(bip, margin=rates)
    assert leverage(listed, "long", "overnight") == D("4.07124682")


def test_lesson_74_leverage_is_never_below_one(bip: Product) -> None:
    dear = msgspec.structs.replace(bip, margin=MarginRates(D(2), D(2), D(2), D(2)))
    assert leverage(dear, "long", "overnight") == 1
    assert initial_margin(D(1000), D("0.5")) == 1000


def test_spot_is_not_leveraged(bitcoin: Product) -> None:
    assert leverage(bitcoin, "long", "intraday") == 1


@pytest.mark.parametrize("rates", [None, MarginRates(D(0), D(0), D(0), D(0))])
def test_lesson_56_a_contract_without_usable_rates_is_refused(bip: Product, rates: MarginRates | None) -> None:
    with pytest.raises(UnknownProduct, match="BIP-20DEC30-CDE"):
        leverage(msgspec.structs.replace(bip, margin=rates), "long", "overnight")


def test_maintenance_margin_of_sol_is_higher() -> None:
    rules = MarginRules()
    assert maintenance_rate(built_in("BIP-20DEC30-CDE"), rules) == D("0.05")
    assert maintenance_rate(built_in("SLP-20DEC30-CDE", D("0.01")), rules) == D("0.067")


def test_lesson_97_a_long_at_ten_times_is_liquidated_at_the_formula_price() -> None:
    liquidation = liquidation_price("long", D(100000), D(10), D("0.05"))
    assert liquidation == D("94736.84210526")
    assert is_liquidated("long", D("94736.84"), liquidation)
    assert not is_liquidated("long", D("94736.85"), liquidation)


def test_lesson_97_a_short_at_ten_times_is_liquidated_at_the_formula_price() -> None:
    liquidation = liquidation_price("short", D(100000), D(10), D("0.05"))
    assert liquidation == D("104761.9047619")
    assert is_liquidated("short", D("104761.91"), liquidation)
    assert not is_liquidated("short", D("104761.90"), liquidation)


def test_a_trade_exactly_at_the_liquidation_price_liquidates() -> None:
    assert is_liquidated("long", D(95), D(95))
    assert is_liquidated("short", D(105), D(105))


def test_a_long_without_leverage_is_never_liquidated() -> None:
    assert liquidation_price("long", D(100000), D(1), D("0.05")) is None
    assert is_liquidated("long", D("0.01"), None) is False


@pytest.mark.parametrize("side", ["long", "short"])
def test_for_liquidation_too_a_leverage_below_one_counts_as_one(side: Side) -> None:
    without, half = (liquidation_price(side, D(100000), D(lever), D("0.05")) for lever in ("1", "0.5"))
    assert half == without


@given(st.decimals("1.01", "15", places=2), st.decimals("1", "200000", places=2))
def test_at_the_liquidation_price_equity_of_the_position_is_its_maintenance_margin(lever: D, entry: D) -> None:
    maintenance = D("0.05")
    margin = entry / lever
    low = liquidation_price("long", entry, lever, maintenance)
    high = liquidation_price("short", entry, lever, maintenance)
    assert low is not None
    assert high is not None
    assert abs(margin + (low - entry) - low * maintenance) < D("0.0000001")
    assert abs(margin + (entry - high) - high * maintenance) < D("0.0000001")


def test_remargining_to_less_leverage_moves_the_liquidation_price_away() -> None:
    near, far = (liquidation_price("long", D(68000), D(lever), D("0.05")) for lever in ("10", "4.1"))
    assert near is not None
    assert far is not None
    assert far < near


def test_margin_at_a_tier_is_on_the_entry_notional(bip: Product, position: Build) -> None:
    assert margin_at(position(), bip, "intraday") == 680
    assert margin_at(position(), bip, "overnight") == D("1658.53658537")


def test_at_the_deadline_positions_take_what_is_available_in_the_order_of_opening(
    bip: Product, position: Build
) -> None:
    first = position(id="z")
    second = position(id="a", entry_time=first.entry_time + timedelta(hours=1))
    added = margin_at(first, bip, "overnight") - first.margin
    assert closed_at_deadline([second, first], {bip.id: bip}, added) == (second,)
    assert closed_at_deadline([second, first], {bip.id: bip}, 2 * added) == ()
    assert closed_at_deadline([second, first], {bip.id: bip}, D(0)) == (first, second)


def test_at_the_deadline_a_smaller_position_may_stay_where_a_larger_one_did_not_fit(
    bip: Product, position: Build
) -> None:
    large = position(id="large")
    small = position(id="small", contracts=D(1), margin=D(68), entry_time=large.entry_time + timedelta(hours=1))
    assert closed_at_deadline([large, small], {bip.id: bip}, D(100)) == (large,)


def test_positions_at_overnight_rates_are_not_tested_at_the_deadline(bip: Product, position: Build) -> None:
    assert closed_at_deadline([position(tier="overnight")], {bip.id: bip}, D(0)) == ()


def test_a_position_without_a_product_stops_the_deadline_test(position: Build) -> None:
    with pytest.raises(InternalError, match="has no product"):
        closed_at_deadline([position()], {}, D(0))


def test_at_the_deadline_a_closed_position_needs_nothing_even_of_an_account_that_owes(
    bip: Product, position: Build
) -> None:
    assert closed_at_deadline([position(contracts=D(0), margin=D(0))], {bip.id: bip}, D(-5)) == ()


def test_at_the_deadline_margin_reserved_already_is_neither_asked_again_nor_lent_to_others(
    bip: Product, position: Build
) -> None:
    rich = position(id="rich", margin=D(2000))
    next_one = position(id="next", entry_time=rich.entry_time + timedelta(hours=1))
    added = margin_at(next_one, bip, "overnight") - next_one.margin
    assert closed_at_deadline([rich], {bip.id: bip}, D(0)) == ()
    assert closed_at_deadline([rich, next_one], {bip.id: bip}, added) == ()
    assert closed_at_deadline([rich, next_one], {bip.id: bip}, added - D("0.5")) == (next_one,)
