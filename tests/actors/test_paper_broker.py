"""The paper broker: what fills when and at which price, and what it does to the account."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

import pytest

from actors.messages import (
    AccountOpened,
    CancelOrder,
    FeedDown,
    FeedUp,
    Filled,
    FundingPaid,
    MarketTime,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    PlaceOrder,
    ProductsListed,
    Trades,
)
from actors.paper_broker import REMEMBERED, PaperBroker
from actors.route import route
from actors.runtime.kit import Kit
from atlas.market.bar import Tick
from atlas.money.book import Order
from atlas.money.ledger import balance
from atlas.rules import Rules
from tests.actors.scene import BIP, NOON, at, product

D = Decimal
M = TypeVar("M")
RULES = Rules()


class Venue:
    """A broker alone, with the feed up, an account and a first price of 60000."""

    def __init__(self, *, begin: datetime = NOON, price: float = 60000, **changes: Any) -> None:
        self.kit = Kit({"paper_broker": PaperBroker(RULES)}, route,
                       outside=["risk_monitor", "entry_monitor", f"scanner:{BIP}"])  # fmt: skip
        self.ids = 0
        self.kit.run(MarketTime(begin))
        self.kit.run(ProductsListed((product(**changes),)))
        self.kit.run(FeedUp(begin))
        self.trade(price, begin)

    def trade(self, price: float, moment: datetime, *, source: Any = "feed", bid: Any = None, ask: Any = None) -> None:
        self.ids += 1
        tick = Tick(self.ids, moment, D(str(price)), D(1), bid, ask)
        self.kit.run(Trades(BIP, (tick,), source))

    def place(self, order: Order) -> None:
        self.kit.run(PlaceOrder(order), to="paper_broker")

    def enter(self, contracts: float = 10, side: Literal["buy", "sell"] = "buy", leverage: float = 4.1) -> None:
        self.place(Order("p/entry", "p", BIP, side, "market", "entry", D(str(contracts)), leverage=D(str(leverage))))

    def leave(self, kind: Any, purpose: Any, price: float | None = None, *, side: Any = "sell", n: int = 10) -> None:
        told = None if price is None else D(str(price))
        self.place(Order(f"p/{purpose}", "p", BIP, side, kind, purpose, D(n), told))

    def told(self, kind: type[M]) -> list[M]:
        return [message for message in self.kit.to("risk_monitor") if isinstance(message, kind)]

    @property
    def fills(self) -> list[tuple[str, Decimal, Decimal]]:
        """Purpose, reference and price of every fill."""
        return [(each.fill.purpose, each.fill.reference, each.fill.price) for each in self.told(Filled)]

    @property
    def state(self) -> Any:
        return self.kit.state("paper_broker")


def long(stop: float = 59000, target: float = 62000, **options: Any) -> Venue:
    """A venue with 10 contracts long from 60000, slipped to 60030, a stop and a target beside them."""
    venue = Venue(**options)
    venue.enter()
    venue.leave("stop", "stop", stop)
    venue.leave("limit", "target", target)
    return venue


def short(stop: float = 61000, target: float = 58000) -> Venue:
    """The same, short from 59970."""
    venue = Venue()
    venue.enter(side="sell", leverage=3.3)
    venue.leave("stop", "stop", stop, side="buy")
    venue.leave("limit", "target", target, side="buy")
    return venue


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
    assert venue.told(OrderRejected) == []


def test_a_refused_entry_is_not_taken_when_it_comes_again() -> None:
    venue = Venue()
    for _ in range(2):
        venue.enter(contracts=100)
    assert len(venue.told(OrderRejected)) == 1


def test_the_memory_of_finished_orders_is_bounded() -> None:
    venue = Venue()
    for number in range(REMEMBERED + 10):
        venue.place(Order(f"{number}/entry", str(number), BIP, "buy", "market", "entry", D(10000)))
    assert len(venue.state.done) == REMEMBERED
    assert venue.state.done[-1] == f"{REMEMBERED + 9}/entry"


def test_exits_only_reduce() -> None:
    venue = Venue()
    venue.leave("market", "flatten")
    venue.enter(contracts=5)
    venue.leave("market", "invalidated", n=6)
    assert [event.reason for event in venue.told(OrderRejected)] == ["reduce_only", "reduce_only"]


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


# ── the feed and the session ────────────────────────────────────────────────────────────────────────────────────────


def test_a_market_exit_waits_while_the_feed_is_down_for_the_next_live_trade() -> None:
    venue = long()
    venue.kit.run(FeedDown("gone"))
    venue.leave("market", "flatten")
    assert venue.fills[1:] == []
    venue.trade(60500, at(5), source="snapshot")
    assert venue.fills[1:] == []
    venue.kit.run(FeedUp(at(5)))
    venue.trade(60400, at(6), bid=D(60400), ask=D(60400))
    assert venue.fills[1:] == [("flatten", D(60400), D(60400))]


def test_a_stop_comes_before_a_market_exit_that_waits() -> None:
    venue = long()
    venue.kit.run(FeedDown("gone"))
    venue.leave("market", "flatten")
    venue.trade(58000, at(5))
    assert [fill[0] for fill in venue.fills] == ["entry", "stop"]
    assert {event.order_id for event in venue.told(OrderCancelled)} == {"p/flatten", "p/target"}


def test_two_market_exits_that_wait_close_once() -> None:
    venue = long()
    venue.kit.run(FeedDown("gone"))
    venue.leave("market", "flatten")
    venue.leave("market", "invalidated")
    venue.trade(60400, at(5))
    assert [fill[0] for fill in venue.fills] == ["entry", "flatten"]
    assert venue.kit.core.failed is None


def test_a_replayed_trade_counts_for_a_position_opened_before_it() -> None:
    venue = long()
    venue.trade(58000, NOON - timedelta(seconds=1), source="snapshot")
    venue.trade(58000, NOON, source="snapshot")
    assert venue.fills[1:] == []
    venue.trade(58000, at(0, 1), source="snapshot")
    assert [fill[0] for fill in venue.fills] == ["entry", "stop"]


def test_nothing_is_left_before_it_was_entered() -> None:
    """Trades of several products come out of order by milliseconds: the exit is not stamped before the entry."""
    venue = long()
    venue.trade(58000, NOON - timedelta(milliseconds=40))
    assert venue.told(Filled)[1].fill.time == venue.told(Filled)[0].fill.time


FRIDAY_BREAK = datetime.fromisoformat("2026-03-06T22:00+00:00")
"""17:00 in New York in winter."""


def test_an_entry_in_the_break_is_refused() -> None:
    venue = Venue(begin=FRIDAY_BREAK - timedelta(minutes=1))
    venue.kit.run(MarketTime(FRIDAY_BREAK))
    venue.trade(60000, FRIDAY_BREAK)
    venue.enter()
    assert [event.reason for event in venue.told(OrderRejected)] == ["session_closed"]


def test_a_market_exit_in_the_break_waits_for_its_end() -> None:
    venue = long(begin=FRIDAY_BREAK - timedelta(minutes=1))
    venue.trade(60100, FRIDAY_BREAK)
    venue.leave("market", "flatten")
    assert venue.fills[1:] == []
    venue.trade(60200, FRIDAY_BREAK + timedelta(hours=1), bid=D(60200), ask=D(60200))
    assert venue.fills[1:] == [("flatten", D(60200), D(60200))]


# ── funding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_funding_is_paid_at_every_hour_crossed_on_the_last_price_at_or_before_it() -> None:
    venue = long(funding_rate=D("0.0001"))
    venue.trade(60500, at(59))
    venue.trade(60600, at(60))
    venue.trade(61000, at(60, 1))
    venue.kit.run(MarketTime(at(121)))
    paid = venue.told(FundingPaid)
    assert [(event.at, event.mark) for event in paid] == [(at(60), D(60600)), (at(120), D(61000))]
    assert paid[0].amount == 10 * D("0.01") * 60600 * D("0.0001")


def test_shorts_receive_what_longs_pay() -> None:
    venue = short()
    venue.kit.run(MarketTime(at(61)))
    assert [event.amount < 0 for event in venue.told(FundingPaid)] == [True]


def test_an_unknown_rate_is_ten_percent_a_year() -> None:
    venue = long()
    venue.kit.run(MarketTime(at(61)))
    event = venue.told(FundingPaid)[0]
    assert event.rate == D("0.10") / 8760
    assert event.amount == (10 * D("0.01") * 60000 * event.rate).quantize(D("1E-8"))


def test_a_position_opened_on_the_hour_has_not_crossed_it() -> None:
    venue = Venue()
    venue.enter(contracts=5)
    venue.trade(60000, at(60))
    venue.place(Order("q/entry", "q", BIP, "buy", "market", "entry", D(5), leverage=D("4.1")))
    venue.kit.run(MarketTime(at(61)))
    assert [event.position_id for event in venue.told(FundingPaid)] == ["p"]
    venue.kit.run(MarketTime(at(121)))
    assert [event.position_id for event in venue.told(FundingPaid)] == ["p", "p", "q"]


def test_a_position_closed_on_the_hour_pays_it_once() -> None:
    venue = long()
    venue.trade(58000, at(60))
    venue.kit.run(MarketTime(at(61)))
    assert [(event.at, event.mark) for event in venue.told(FundingPaid)] == [(at(60), D(58000))]
    order = [type(message).__name__ for message in venue.kit.to("risk_monitor")]
    assert order.index("FundingPaid") < len(order) - 1 - order[::-1].index("Filled")


def test_no_funding_after_an_hour_inside_the_break_and_none_on_spot() -> None:
    venue = long(begin=FRIDAY_BREAK - timedelta(minutes=30))
    venue.kit.run(MarketTime(FRIDAY_BREAK + timedelta(hours=2, minutes=1)))
    assert [event.at for event in venue.told(FundingPaid)] == [FRIDAY_BREAK, FRIDAY_BREAK + timedelta(hours=2)]
    spot = long(kind="spot", margin=None)
    spot.kit.run(MarketTime(at(121)))
    assert spot.told(FundingPaid) == []


def test_after_a_restart_every_hour_missed_is_paid() -> None:
    state = long().state
    state.funding_armed = True
    kit = Kit({"paper_broker": PaperBroker(RULES, state)}, route, outside=["risk_monitor"], market_time=at(60))
    kit.run(MarketTime(at(181)), to=None)
    paid = [message for message in kit.to("risk_monitor") if isinstance(message, FundingPaid)]
    assert [event.at for event in paid] == [at(60), at(120), at(180)]


# ── the ledger ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_movement_balances_and_cash_is_their_sum() -> None:
    venue = long()
    venue.kit.run(MarketTime(at(61)))
    venue.trade(58000, at(62))
    events: list[Any] = [*venue.told(AccountOpened), *venue.told(Filled), *venue.told(FundingPaid)]
    legs = [leg for event in events for leg in event.legs]
    assert sum(leg.amount for leg in legs) == 0
    assert balance(legs, "cash") == venue.state.account.cash
    assert balance(legs, "margin_reserved") == venue.state.account.reserved == 0
    stopped = venue.told(Filled)[-1]
    assert stopped.gross == (stopped.fill.price - D(60030)) * 10 * D("0.01")
