"""Worked examples of trading.md, Account, as the broker carries them out: fees, profit, funding, liquidation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.messages import Filled, FundingPaid, MarketTime
from atlas.money.ledger import balance
from tests.actors.scene import at
from tests.actors.venue import D, Venue

FIVE = (
    # Product, price it is bought at, price it is sold at, and what one contract earns: change × contract size.
    ("BIP-20DEC30-CDE", 60000, 60500, "5"),
    ("ETP-20DEC30-CDE", 2000, 2100, "10"),
    ("SLP-20DEC30-CDE", 150, 151, "5"),
    ("XPP-20DEC30-CDE", 2, "2.1", "50"),
    ("ADP-20DEC30-CDE", "0.5", "0.6", "100"),
)


def traded(symbol: str, entry: Any, leave: Any, contracts: float, *, leverage: float = 2, **options: Any) -> Venue:
    """A long position, in and out by market orders at exactly these prices."""
    venue = Venue(symbol, price=entry, **options)
    venue.trade(entry, at(0, 1), bid=D(str(entry)), ask=D(str(entry)))
    venue.enter(contracts, leverage=leverage)
    venue.trade(leave, at(1), bid=D(str(leave)), ask=D(str(leave)))
    venue.leave("market", "flatten", n=contracts)
    assert [fill[0] for fill in venue.fills] == ["entry", "flatten"]
    return venue


# ── profit and fees ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("symbol", "entry", "leave", "earned"), FIVE)
def test_profit_is_by_the_contract_size_of_each_product(symbol: str, entry: Any, leave: Any, earned: str) -> None:
    venue = traded(symbol, entry, leave, 3)
    assert venue.told(Filled)[1].gross == 3 * D(earned)
    paid = sum((event.fill.fee for event in venue.told(Filled)), D(0))
    assert venue.state.account.cash == 10000 + 3 * D(earned) - paid


@pytest.mark.parametrize(("price", "contracts", "fee"), [(100_000, 1, "0.85"), (1_000_000, 5, "35.75")])
def test_a_fill_pays_the_fee_of_the_example(price: int, contracts: int, fee: str) -> None:
    """$1000 in 1 contract, $50 000 in 5."""
    venue = traded("BIP-20DEC30-CDE", price, price, contracts, leverage=10)
    assert [event.fill.fee for event in venue.told(Filled)] == [D(fee), D(fee)]
    assert venue.state.account.cash == 10000 - 2 * D(fee)


def test_a_limit_order_pays_the_maker_rate_and_the_flat_fee() -> None:
    venue = Venue(price=100_000)
    venue.enter(contracts=1)
    venue.leave("limit", "target", 110_000, n=1)
    venue.trade(110_001, at(1))
    assert venue.told(Filled)[1].fill.fee == D("0.00065") * 1100 + D("0.15")


def test_spot_pays_its_own_rates_and_nothing_by_the_contract() -> None:
    venue = traded("BTC-USD", 50_000, 50_000, 0.1, leverage=1)
    assert [event.fill.fee for event in venue.told(Filled)] == [D(60), D(60)]
    venue = Venue("BTC-USD", price=50_000)
    venue.trade(50_000, at(0, 1), bid=D(50_000), ask=D(50_000))
    venue.enter(contracts=0.1, leverage=1)
    venue.leave("limit", "target", 60_000, n=0.1)
    venue.trade(60_001, at(1))
    assert venue.told(Filled)[1].fill.fee == D("0.006") * 6000


# ── funding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("friday", "free"),
    [("2026-01-16", "2026-01-16T23:00"), ("2026-07-17", "2026-07-17T22:00")],
    ids=["winter", "summer"],
)
def test_over_a_weekend_every_hour_but_that_of_the_break_is_paid(friday: str, free: str) -> None:
    """Friday 12:30 to Monday 12:30 UTC crosses 72 hours; CDE pauses from 17:00 to 18:00 in New York."""
    begin = datetime.fromisoformat(f"{friday}T12:30").replace(tzinfo=UTC)
    venue = Venue(begin=begin, funding_rate=D("0.000013"))
    venue.enter(contracts=10)
    venue.kit.run(MarketTime(begin + timedelta(days=3)))
    paid = venue.told(FundingPaid)
    crossed = [begin + timedelta(minutes=30 + 60 * hour) for hour in range(72)]
    assert [event.at for event in paid] == [
        hour for hour in crossed if hour != datetime.fromisoformat(free).replace(tzinfo=UTC)
    ]
    assert {event.amount for event in paid} == {10 * D("0.01") * 60000 * D("0.000013")}
    legs = [leg for event in paid for leg in event.legs]
    assert balance(legs, "cash") == -71 * D("0.078")


def test_a_part_closed_pays_no_more_funding() -> None:
    venue = Venue(funding_rate=D("0.0001"))
    venue.enter(contracts=10)
    venue.kit.run(MarketTime(at(61)))
    venue.place_exit("p/1", 4)
    venue.kit.run(MarketTime(at(121)))
    assert [event.amount for event in venue.told(FundingPaid)] == [D("0.6"), D("0.36")]


def test_a_negative_rate_is_paid_to_longs() -> None:
    venue = Venue(funding_rate=D("-0.0001"))
    venue.enter(contracts=10)
    before = venue.state.account.cash
    venue.kit.run(MarketTime(at(61)))
    assert venue.state.account.cash == before + D("0.6")


# ── liquidation ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "leverage", "level"),
    [("buy", 10, "56842.10526316"), ("sell", 10, "62857.14285714"), ("buy", 4, "47368.42105263")],
)
def test_liquidation_is_at_the_formula_price(side: Any, leverage: int, level: str) -> None:
    """Long: 60000 × (1 − 1/L) ÷ 0.95; short: 60000 × (1 + 1/L) ÷ 1.05."""
    venue = Venue()
    venue.trade(60000, at(0, 1), bid=D(60000), ask=D(60000))
    venue.enter(10, side, leverage)
    assert venue.told(Filled)[0].liquidation == D(level)
    near = D("0.01") if side == "buy" else D("-0.01")
    venue.trade(float(D(level) + near), at(1))
    assert len(venue.fills) == 1
    beyond = D(level) - near
    venue.trade(float(beyond), at(2), bid=beyond - 5, ask=beyond + 5)
    closed = venue.told(Filled)[1].fill
    assert (closed.purpose, closed.contracts, closed.reference) == ("liquidated", 10, beyond)
    assert closed.price == beyond + (-5 if side == "buy" else 5)
    assert closed.fee == (D("0.0010") * closed.price * 10 * D("0.01")).quantize(D("1E-8"))


def test_spot_is_never_liquidated() -> None:
    venue = Venue("BTC-USD", price=50_000)
    venue.enter(contracts=0.1, leverage=1)
    assert venue.told(Filled)[0].liquidation is None
    venue.trade(1, at(1))
    assert len(venue.fills) == 1
