"""Latency: what is ordered now is at the market so much market time later, at the first trade stamped then."""

from datetime import timedelta

import pytest

from actors.messages import (
    FeedDown,
    Filled,
    MarketTime,
    MoveOrder,
    OrderAccepted,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    PositionOpened,
    Rejected,
    StopReached,
)
from actors.paper_broker import PaperBroker
from actors.route import route
from actors.runtime.kit import Kit
from atlas.money.book import Order
from atlas.rules import FillRules, Rules
from tests.actors.scene import BIP, NOON, REVERSAL, Scene, at, rules_with
from tests.actors.venue import D, Venue

SLOW = Rules(fills=FillRules(latency_ms=500))


def entered() -> Venue:
    """The usual long position, by a broker half a second from the market."""
    venue = Venue(rules=SLOW)
    venue.enter()
    venue.trade(60000, at(0, 0.5))
    venue.leave("stop", "stop", 59000)
    venue.leave("limit", "target", 62000)
    assert venue.fills == [("entry", D(60000), D(60030))]
    return venue


@pytest.mark.parametrize(("after", "fills"), [(0.499, False), (0.5, True), (30, True)])
def test_an_entry_fills_at_the_first_trade_stamped_the_latency_later(after: float, fills: bool) -> None:
    venue = Venue(rules=SLOW)
    venue.enter()
    assert venue.fills == []
    venue.trade(60200, at(0, after), bid=D(60200), ask=D(60200))
    assert venue.fills == ([("entry", D(60200), D(60200))] if fills else [])


def test_latency_counts_from_market_time_and_not_from_the_last_trade() -> None:
    venue = Venue(rules=SLOW)
    venue.kit.run(MarketTime(at(1)))
    venue.enter()
    venue.trade(60100, at(1, 0.4))
    assert venue.fills == []


def test_a_stop_that_is_reached_becomes_a_market_order_with_the_latency() -> None:
    venue = entered()
    venue.trade(59000, at(1))
    assert venue.parts[1:] == []
    venue.trade(59800, at(1, 0.2))
    venue.trade(59700, at(1, 0.5), bid=D(59700), ask=D(59700))
    assert venue.fills[1:] == [("stop", D(59700), D(59700))]
    assert [event.due for event in venue.kit.to("journal") if isinstance(event, StopReached)] == [at(1, 0.5)]


def test_a_stop_on_its_way_cannot_be_moved() -> None:
    venue = entered()
    venue.trade(59000, at(1))
    venue.kit.run(MoveOrder("p/stop", D(58000)), to="paper_broker")
    assert venue.told(OrderMoved) == []
    venue.trade(60500, at(2))
    assert [fill[0] for fill in venue.fills] == ["entry", "stop"]


def test_a_target_that_rests_has_no_latency() -> None:
    venue = entered()
    venue.trade(62001, at(1))
    assert venue.fills[1:] == [("target", D(62000), D(62000))]


def test_liquidation_is_the_venues_own_and_has_no_latency() -> None:
    venue = entered()
    venue.trade(40000, at(1))
    assert [fill[0] for fill in venue.fills] == ["entry", "liquidated"]


def test_a_market_exit_fills_the_latency_later() -> None:
    venue = entered()
    venue.leave("market", "flatten")
    venue.trade(60300, at(0, 0.9))
    assert venue.parts[1:] == []
    venue.trade(60400, at(0, 1), bid=D(60400), ask=D(60400))
    assert venue.fills[1:] == [("flatten", D(60400), D(60400))]


def test_an_exit_under_way_when_the_feed_goes_down_was_filled_by_a_trade_that_is_replayed() -> None:
    venue = entered()
    venue.leave("market", "flatten")
    venue.kit.run(FeedDown("gone"))
    venue.trade(60400, at(0, 2), source="snapshot", bid=D(60400), ask=D(60400))
    assert venue.fills[1:] == [("flatten", D(60400), D(60400))]


def test_an_entry_that_the_account_cannot_carry_any_more_is_refused_at_the_market() -> None:
    venue = Venue(rules=SLOW)
    venue.enter(contracts=68)  # 9948 of margin and 38 of fee at 60000, in an account of 10000.
    assert [type(event) for event in venue.kit.to("journal") if isinstance(event, OrderAccepted)] == [OrderAccepted]
    venue.trade(60600, at(1))
    assert [event.reason for event in venue.told(OrderRejected)] == ["margin"]
    assert (venue.state.orders, venue.state.account.reserved) == ({}, 0)


def entry(minutes: float) -> Order:
    return Order("p/entry", "p", BIP, "buy", "market", "entry", D(1), leverage=D(4), good_until=at(minutes))


def test_an_entry_not_filled_in_its_entry_bar_expires() -> None:
    venue = Venue(rules=SLOW)
    venue.place(entry(1))
    venue.kit.run(MarketTime(at(1)))
    assert [(event.order_id, event.at) for event in venue.told(OrderExpired)] == [("p/entry", at(1))]
    venue.trade(60000, at(1))
    venue.place(entry(5))
    venue.trade(60000, at(2))
    assert venue.fills == []


def test_a_trade_at_the_end_of_the_entry_bar_is_too_late() -> None:
    venue = Venue(rules=SLOW)
    venue.place(entry(1))
    venue.trade(60000, at(1))
    assert len(venue.told(OrderExpired)) == 1
    assert venue.fills == []


def test_an_entry_filled_in_time_does_not_expire() -> None:
    venue = Venue(rules=SLOW)
    venue.place(entry(1))
    venue.trade(60000, at(0, 59))
    venue.kit.run(MarketTime(at(2)))
    assert venue.told(OrderExpired) == []


def test_an_entry_under_way_expires_at_a_restart() -> None:
    venue = Venue(rules=SLOW)
    venue.place(entry(5))
    kit = Kit({"paper_broker": PaperBroker(SLOW, venue.state)}, route, outside=["risk_monitor"], market_time=at(1))
    told = [message for message in kit.to("risk_monitor") if isinstance(message, OrderExpired)]
    assert [(event.order_id, event.at) for event in told] == [("p/entry", at(1))]
    assert kit.state("paper_broker").orders == {}


# ── the whole core ──────────────────────────────────────────────────────────────────────────────────────────────────


def slow_core(latency_ms: int) -> Scene:
    rules = rules_with()
    slow = Rules(strat=rules.strat, gates=rules.gates, fills=FillRules(latency_ms=latency_ms))
    scene = Scene(REVERSAL, slow)
    scene.trade(61000, at(1))
    return scene


def test_a_trigger_whose_entry_expires_ends_as_missed() -> None:
    scene = slow_core(60_000)
    scene.trade(61600, at(59, 30))
    scene.trade(61650, at(60, 40))
    rejected = scene.one(Rejected)
    assert (rejected.gate, rejected.value) == ("missed", "not filled before its entry bar ended")
    assert scene.events(PositionOpened) == []
    assert scene.kit.state("risk_monitor").entering == {}
    assert scene.undisturbed


def test_a_trigger_whose_entry_is_filled_later_is_one_trade() -> None:
    scene = slow_core(1000)
    scene.trade(61600, at(5))
    assert scene.events(PositionOpened) == []
    scene.trade(61700, at(5) + timedelta(seconds=1))
    opened = scene.one(PositionOpened).position
    assert (opened.entry_reference, opened.entry_time) == (D(61700), at(5, 1))
    assert scene.events(Rejected) == []
    assert NOON < opened.entry_time == scene.events(Filled)[0].fill.time
