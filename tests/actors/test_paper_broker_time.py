"""The paper broker over time: feed down, breaks, funding, and the ledger it leaves."""

from datetime import datetime, timedelta
from typing import Any

from actors.messages import (
    AccountOpened,
    FeedDown,
    FeedUp,
    Filled,
    FrameBars,
    FundingPaid,
    History,
    MarketTime,
    OrderCancelled,
    OrderRejected,
    Trades,
)
from actors.paper_broker import BrokerState, PaperBroker
from actors.route import route
from actors.runtime.kit import Kit
from atlas.market.bar import Tick
from atlas.money.book import Order
from atlas.money.ledger import balance
from tests.actors.scene import BIP, NOON, at, bars
from tests.actors.venue import RULES, D, Venue, long, short

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


def restarted(state: BrokerState, moment: datetime) -> Kit:
    outside = ["risk_monitor", "entry_monitor", f"scanner:{BIP}"]
    return Kit({"paper_broker": PaperBroker(RULES, state)}, route, outside=outside, market_time=moment)


def paid(kit: Kit) -> list[FundingPaid]:
    return [message for message in kit.to("risk_monitor") if isinstance(message, FundingPaid)]


def hours(first: datetime, *closes: float) -> History:
    """One hour's candle after another, with these closes; what REST knows of the time meanwhile."""
    rows = [(close, close, close, close) for close in closes]
    until = first + timedelta(hours=len(rows))
    return History(BIP, until, (FrameBars("1h", bars(rows, until), None),))


def test_after_a_restart_every_hour_missed_is_paid_on_the_candles_of_the_time_between() -> None:
    kit = restarted(long().state, at(1))
    kit.run(MarketTime(at(181)))
    assert paid(kit) == []
    kit.run(hours(NOON, 60100, 60200, 60300))
    assert [(event.at, event.mark) for event in paid(kit)] == [(at(60), 60100), (at(120), 60200), (at(180), 60300)]
    kit.run(MarketTime(at(241)))
    assert [event.at for event in paid(kit)][3:] == [at(240)]


def test_an_hour_paid_before_the_restart_is_not_paid_again() -> None:
    venue = long()
    venue.kit.run(MarketTime(at(61)))
    kit = restarted(venue.state, at(60))
    kit.run(MarketTime(at(121)))
    kit.run(hours(NOON, 60100, 60200))
    assert [event.at for event in paid(kit)] == [at(120)]


def test_what_is_closed_before_the_candles_come_still_pays_for_its_hours() -> None:
    kit = restarted(long().state, at(1))
    kit.run(Trades(BIP, (Tick(9, at(70), D(58000), D(1)),)))
    assert [(event.at, event.mark) for event in paid(kit)] == [(at(60), 60030)]


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
