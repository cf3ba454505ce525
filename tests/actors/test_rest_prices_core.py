"""REST prices in the core: while the feed is down they close what is open, enter nothing, and count each trade once."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.messages import (
    Alert,
    EntryTriggered,
    FeedDown,
    FeedUp,
    Filled,
    LateTrade,
    MarketTime,
    OrderMoved,
    PositionClosed,
    Rejected,
    Snapshot,
    Trades,
    WatchPrices,
)
from actors.route import route
from actors.runtime.kit import Kit
from atlas.market.bar import Tick
from atlas.money.book import Position
from atlas.rules import ExitRules, Rules
from tests.actors.scene import BIP, Scene, at, rules_with
from tests.actors.test_risk_windows import all_in, utc

D = Decimal
PLAIN = rules_with()


def down(rules: Rules = PLAIN) -> Scene:
    """A long at 61600 of 12:05, stop 59000, target 63000; the feed is gone at 12:10, when 61700 was paid."""
    scene = Scene(rules=rules)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    scene.trade(61700, at(10))
    scene.run(FeedDown("connection lost"))
    return scene


def closed(scene: Scene) -> Position:
    return scene.one(PositionClosed).position


def rules_with_exits(**exits: Any) -> Rules:
    return msgspec.structs.replace(PLAIN, exits=ExitRules(**exits))


def extremes(scene: Scene) -> tuple[Decimal, Decimal]:
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    return managed.position.worst, managed.position.best


def watched(scene: Scene) -> list[dict[str, datetime | None]]:
    return [message.since for message in scene.sent("rest_prices", WatchPrices)]


@pytest.mark.parametrize(("price", "reason"), [(58990, "stop"), (63000.5, "target"), (49000, "liquidated")])
def test_a_rest_price_closes_a_position_while_the_feed_is_down_and_the_exit_says_so(price: float, reason: str) -> None:
    scene = down()
    scene.trade(price, at(11), source="rest")
    position = closed(scene)
    assert (position.exit_reason, position.exit_time, position.rest) == (reason, at(11), True)
    assert [fill.fill.rest for fill in scene.events(Filled)] == [False, True]
    assert scene.undisturbed


def test_nothing_is_entered_from_rest_prices() -> None:
    scene = Scene(rules=PLAIN)
    scene.trade(61000, at(1))
    scene.run(FeedDown("connection lost"))
    scene.trade(61600, at(5), source="rest")
    assert not scene.events(EntryTriggered)
    assert not scene.events(Filled)
    assert not scene.events(LateTrade)


def test_a_break_told_by_rest_is_not_traded_when_the_feed_is_back_either() -> None:
    scene = Scene(rules=PLAIN)
    scene.trade(61000, at(1))
    scene.run(FeedDown("connection lost"))
    scene.trade(61600, at(5), source="rest", trade_id=50)
    scene.trade(61600, at(5), source="snapshot", trade_id=50)
    scene.run(Snapshot(BIP, at(6), at(5)))
    scene.run(FeedUp(at(6)))
    assert [event.gate for event in scene.events(Rejected)] == ["halted"]
    assert scene.one(EntryTriggered).missed
    assert not scene.events(Filled)


def test_what_rest_told_is_not_counted_again_from_the_snapshot() -> None:
    """A stop that has trailed since would be hit by the older trade, were it looked at twice."""
    scene = down(rules_with_exits(trail_after=D("0.2"), trail_distance=D("0.1")))
    scene.trade(61650, at(11), source="rest", trade_id=70)
    scene.trade(62900, at(12), source="rest", trade_id=71)
    assert scene.events(OrderMoved)[-1].price > 61650
    for trade_id, price, minute in ((70, 61650, 11), (71, 62900, 12)):
        scene.trade(price, at(minute), source="snapshot", trade_id=trade_id)
    scene.run(FeedUp(at(13)))
    assert not scene.events(PositionClosed)
    scene.trade(62900, at(12), source="feed", trade_id=71)
    assert not scene.events(PositionClosed)
    scene.trade(62880, at(14))
    assert not scene.kit.state("paper_broker").told
    assert not scene.kit.state("risk_monitor").told
    assert scene.undisturbed


def test_a_trade_the_snapshot_has_and_rest_had_not_counts_once_the_feed_is_back() -> None:
    scene = down()
    scene.trade(61650, at(11), source="rest", trade_id=70)
    scene.trade(58900, at(12), source="snapshot", trade_id=71)
    position = closed(scene)
    assert (position.exit_reason, position.rest) == ("stop", False)


def test_a_trade_of_before_the_outage_told_by_rest_changes_nothing() -> None:
    scene = down()
    before = extremes(scene)
    scene.trade(58000, at(9), source="rest")
    scene.trade(58000, at(10), source="rest")
    assert not scene.events(PositionClosed)
    assert extremes(scene) == before


def test_trades_of_one_instant_are_all_looked_at() -> None:
    scene = down()
    sweep = tuple(Tick(80 + place, at(11), D(price), D(1)) for place, price in enumerate((61500, 60000, 58900)))
    scene.run(Trades(BIP, sweep, "rest"))
    assert closed(scene).exit_reason == "stop"


def test_rest_s_last_word_that_comes_when_the_feed_is_up_again_is_not_heard() -> None:
    scene = down()
    scene.run(FeedUp(at(11)))
    scene.trade(58000, at(12), source="rest")
    assert not scene.events(PositionClosed)


def test_the_deadline_comes_by_rest_prices() -> None:
    scene = all_in()
    scene.run(FeedDown("connection lost"))
    scene.trade(61610, utc(20, 50), source="rest")
    scene.run(MarketTime(utc(20, 55)))
    assert not scene.events(PositionClosed)
    scene.trade(61620, utc(20, 56), source="rest")
    position = closed(scene)
    assert (position.exit_reason, position.exit_time, position.rest) == ("deadline", utc(20, 56), True)
    assert not scene.events(Alert)


def test_prices_are_asked_for_from_the_outage_on_until_nothing_is_open() -> None:
    scene = down()
    assert watched(scene) == [{BIP: at(10)}]
    scene.run(FeedDown("refused"))
    assert watched(scene)[-1] == {BIP: at(10)}
    scene.trade(58000, at(11), source="rest")
    assert watched(scene)[-1] == {}
    told = len(watched(scene))
    scene.run(FeedUp(at(12)))
    assert len(watched(scene)) == told


def test_prices_are_called_off_when_the_feed_is_back() -> None:
    scene = down()
    scene.run(FeedUp(at(12)))
    assert watched(scene) == [{BIP: at(10)}, {}]


def test_nobody_is_asked_while_nothing_is_open() -> None:
    scene = Scene(rules=PLAIN)
    scene.run(FeedDown("connection lost"))
    scene.run(FeedUp(at(1)))
    assert watched(scene) == []


def test_an_outage_played_again_decides_the_same() -> None:
    scene = down()
    for message in (
        Trades(BIP, (Tick(70, at(11), D(61650), D(1)), Tick(71, at(11), D(58900), D(1))), "rest"),
        MarketTime(at(12)),
        Trades(BIP, (Tick(71, at(11), D(58900), D(1)), Tick(72, at(13), D(58950), D(1))), "snapshot"),
        Snapshot(BIP, at(13), at(11)),
        FeedUp(at(13)),
    ):
        scene.run(message)
    again = Kit(Scene.roles(PLAIN), route, outside=["history", "rest_prices"])
    for message in scene.inputs:
        again.run(message)
    assert again.batches == scene.kit.batches
    assert closed(scene).exit_reason == "stop"
