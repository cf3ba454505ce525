"""The paper broker: what fills when and at which price, what is refused, and what comes twice."""

import pytest

from actors.messages import (
    AccountOpened,
    CancelOrder,
    Filled,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    ProductsListed,
    Trades,
)
from actors.paper_broker import REMEMBERED
from atlas.market.bar import Tick
from atlas.money.book import Order
from atlas.money.ledger import balance
from tests.actors.scene import BIP, at, product
from tests.actors.venue import D, Venue, long, short

# ── fills ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_market_order_fills_at_the_last_trade_worse_by_slippage() -> None:
    venue = Venue()
    venue.enter()
    assert venue.fills == [("entry", D(60000), D(60030))]
    assert venue.told(Filled)[0].fill.slippage == D(3)


def test_slippage_is_half_the_spread_as_of_that_trade_when_it_is_known() -> None:
    venue = Venue()
    venue.trade(60000, at(1), bid=D(59996), ask=D(60000))
    venue.enter()
    assert venue.fills == [("entry", D(60000), D(60002))]


@pytest.mark.parametrize(("price", "fills"), [(59000.5, False), (59000, True), (58500, True)])
def test_a_long_stop_fills_at_or_beyond_it_at_that_trades_price(price: float, fills: bool) -> None:
    venue = long()
    venue.trade(price, at(1), bid=D(str(price)), ask=D(str(price)) + 1)
    told = D(str(price))
    assert venue.fills[1:] == ([("stop", told, told - D("0.5"))] if fills else [])


@pytest.mark.parametrize(("price", "fills"), [(60999.5, False), (61000, True), (61400, True)])
def test_a_short_stop_mirrors_it(price: float, fills: bool) -> None:
    venue = short()
    venue.trade(price, at(1), bid=D(str(price)), ask=D(str(price)) + 1)
    told = D(str(price))
    assert venue.fills[1:] == ([("stop", told, told + D("0.5"))] if fills else [])


@pytest.mark.parametrize(("price", "fills"), [(62000, False), (62000.5, True), (63000, True)])
def test_a_target_fills_at_its_price_only_when_a_trade_prints_strictly_beyond(price: float, fills: bool) -> None:
    venue = long()
    venue.trade(price, at(1), bid=D(1), ask=D(90000))
    assert venue.fills[1:] == ([("target", D(62000), D(62000))] if fills else [])


@pytest.mark.parametrize(("price", "fills"), [(58000, False), (57999.5, True)])
def test_a_short_target_mirrors_it(price: float, fills: bool) -> None:
    venue = short()
    venue.trade(price, at(1))
    assert venue.fills[1:] == ([("target", D(58000), D(58000))] if fills else [])


def test_a_target_pays_the_maker_fee_and_no_slippage() -> None:
    venue = long()
    venue.trade(62001, at(1))
    fill = venue.told(Filled)[1].fill
    assert (fill.fee, fill.slippage) == (D("0.00065") * 6200 + D("1.5"), D(0))


def test_what_is_left_beside_a_closed_position_is_cancelled() -> None:
    venue = long()
    venue.trade(62001, at(1))
    assert [event.order_id for event in venue.told(OrderCancelled)] == ["p/stop"]
    assert (venue.state.orders, venue.state.holdings) == ({}, {})


def test_a_cancelled_order_never_fills() -> None:
    venue = long()
    venue.kit.run(CancelOrder("p/stop"), to="paper_broker")
    venue.trade(58000, at(1))
    assert venue.fills[1:] == []


def test_a_trade_of_another_product_fills_nothing() -> None:
    venue = long()
    venue.kit.run(Trades("ETP-20DEC30-CDE", (Tick(1, at(1), D(1), D(1)),)))
    assert venue.fills[1:] == []


# ── liquidation ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_97_the_first_trade_at_the_liquidation_price_closes_the_whole_position_before_its_stop() -> None:
    venue = long(stop=45000)
    level = venue.told(Filled)[0].liquidation
    assert level == ((D(60030) * (1 - 1 / D("4.1"))) / D("0.95")).quantize(D("1E-8"))
    venue.trade(float(level) + 0.5, at(1))
    assert venue.fills[1:] == []
    venue.trade(44000, at(2), bid=D(43999), ask=D(44001))
    closed = venue.told(Filled)[1]
    assert (closed.fill.purpose, closed.fill.reference, closed.fill.price) == ("liquidated", D(44000), D(43999))
    assert closed.fill.fee == D("0.0010") * 10 * D("0.01") * 43999
    assert closed.account.reserved == 0


def test_a_loss_beyond_the_margin_is_taken_from_cash() -> None:
    venue = long(stop=1)
    margin = venue.told(Filled)[0].margin
    venue.trade(40000, at(1))
    assert venue.told(Filled)[1].gross < -margin
    assert venue.state.account.cash < D(10000) - margin


# ── what is refused, and what comes twice ───────────────────────────────────────────────────────────────────────────


def test_lesson_73_an_entry_that_the_account_cannot_carry_is_refused_and_reserves_nothing() -> None:
    venue = Venue()
    venue.enter(contracts=100, leverage=4.1)
    refused = venue.told(OrderRejected)
    assert [event.reason for event in refused] == ["margin"]
    assert (venue.state.account.reserved, venue.state.account.cash) == (0, D(10000))


def test_open_losses_count_against_a_new_entry() -> None:
    venue = Venue()
    venue.enter(contracts=40)  # 24012 of notional: 5857 of margin, so about 4120 is left.
    venue.trade(55000, at(1))
    venue.place(Order("q/entry", "q", BIP, "buy", "market", "entry", D(20), leverage=D("4.1")))
    assert [event.order.id for event in venue.told(OrderRejected)] == ["q/entry"]


def test_lesson_71_the_same_order_twice_is_one_order() -> None:
    venue = long()
    venue.enter()
    venue.leave("stop", "stop", 59000)
    accepted = [message.order.id for message in venue.kit.to("journal") if isinstance(message, OrderAccepted)]
    assert accepted == ["p/entry", "p/stop", "p/target"]
    venue.trade(58000, at(1))
    venue.leave("stop", "stop", 59000)
    venue.enter()
    assert [fill[0] for fill in venue.fills] == ["entry", "stop"]


def test_an_order_that_is_finished_is_answered_when_it_comes_again_and_changes_nothing() -> None:
    venue = long()
    venue.enter()
    assert [(event.order.id, event.reason) for event in venue.told(OrderRejected)] == [("p/entry", "duplicate")]
    assert [event for event in venue.kit.to("journal") if isinstance(event, OrderRejected)] == []
    venue.leave("stop", "stop", 59000)
    assert len(venue.told(OrderRejected)) == 1, "one that works will be answered by what becomes of it"
    assert venue.working == {"stop": 10, "target": 10}


def test_a_refused_entry_is_not_taken_when_it_comes_again() -> None:
    venue = Venue()
    for _ in range(2):
        venue.enter(contracts=100)
    assert [event.reason for event in venue.told(OrderRejected)] == ["margin", "duplicate"]
    assert venue.fills == []


def test_the_memory_of_finished_orders_is_bounded() -> None:
    venue = Venue()
    for number in range(REMEMBERED + 10):
        venue.place(Order(f"{number}/entry", str(number), BIP, "buy", "market", "entry", D(10000)))
    assert len(venue.state.done) == REMEMBERED
    assert venue.state.done[-1] == f"{REMEMBERED + 9}/entry"


def test_exits_only_reduce() -> None:
    venue = Venue()
    venue.leave("market", "flatten")
    assert [event.reason for event in venue.told(OrderRejected)] == ["reduce_only"]
    venue.enter(contracts=5)
    venue.leave("market", "invalidated", n=6)
    assert [(fill.purpose, fill.contracts) for fill in (each.fill for each in venue.told(Filled))] == [
        ("entry", 5), ("invalidated", 5)
    ]  # fmt: skip
    assert venue.state.holdings == {}


def test_the_account_is_opened_once() -> None:
    venue = Venue()
    venue.kit.run(ProductsListed((product(),)))
    opened = venue.told(AccountOpened)
    assert [event.account.cash for event in opened] == [D(10000)]
    assert balance(opened[0].legs, "cash") == D(10000)


def test_a_product_that_is_not_listed_again_can_still_be_closed() -> None:
    venue = long()
    venue.kit.run(ProductsListed((product("BTC-USD"),)))
    venue.trade(58000, at(1))
    assert venue.fills[1][0] == "stop"
