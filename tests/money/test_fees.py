"""Fees and slippage."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.market.product import Product
from atlas.money.fees import entry_deed, exit_deed, fee, notional, slippage, slipped
from atlas.rules import FeeRules

RULES = FeeRules()


@pytest.mark.parametrize(("value", "contracts", "paid"), [("1000", "1", "0.85"), ("50000", "5", "35.75")])
def test_lesson_79_a_fee_is_rate_times_notional_plus_flat_times_contracts(
    bip: Product, value: str, contracts: str, paid: str
) -> None:
    assert fee(D(value), D(contracts), bip, RULES, "taker") == D(paid)


def test_lesson_78_the_flat_fee_is_charged_for_each_contract(bip: Product) -> None:
    assert fee(D(0), D(11), bip, RULES, "taker") == D("1.65")


def test_a_maker_pays_less_than_a_taker(bip: Product) -> None:
    assert fee(D(1000), D(1), bip, RULES, "maker") == D("0.80")


def test_spot_has_its_own_rates_and_no_flat_fee(bitcoin: Product) -> None:
    assert fee(D(1000), D(2), bitcoin, RULES, "taker") == 12
    assert fee(D(1000), D(2), bitcoin, RULES, "maker") == 6


def test_a_liquidation_pays_a_tenth_of_a_percent_instead_of_the_taker_fee(bip: Product) -> None:
    assert fee(D(1000), D(1), bip, RULES, "liquidation") == 1


def test_notional_is_price_times_contracts_times_size() -> None:
    assert notional(D(68000), D(10), D("0.01")) == 6800


def test_slippage_is_half_the_spread_of_the_trade() -> None:
    assert slipped(D(68930), "buy", D(68925), D(68935), RULES) == 68935
    assert slipped(D(68930), "sell", D(68925), D(68935), RULES) == 68925


def test_half_of_a_spread_of_one_tick_is_not_rounded_to_a_whole_tick() -> None:
    assert slipped(D(68930), "buy", D(68930), D(68935), RULES) == D("68932.5")


def test_a_crossed_book_gives_no_negative_slippage() -> None:
    assert slippage(D(68930), D(68940), D(68930), RULES) == 0
    assert slipped(D(68930), "buy", D(68940), D(68930), RULES) == 68930


@pytest.mark.parametrize(("bid", "ask"), [(None, None), (D(68925), None), (None, D(68935))])
def test_without_both_bid_and_ask_slippage_is_a_twentieth_of_a_percent(bid: D | None, ask: D | None) -> None:
    assert slippage(D(68930), bid, ask, RULES) == D("34.465")


@given(st.decimals("1", "100000", places=2), st.none() | st.decimals("1", "100000", places=2))
def test_slippage_is_never_to_the_traders_advantage(price: D, ask: D | None) -> None:
    assert slipped(price, "buy", price, ask, RULES) >= price
    assert slipped(price, "sell", price, ask, RULES) <= price


def test_a_long_buys_to_open_and_sells_to_close() -> None:
    assert (entry_deed("long"), exit_deed("long")) == ("buy", "sell")
    assert (entry_deed("short"), exit_deed("short")) == ("sell", "buy")
