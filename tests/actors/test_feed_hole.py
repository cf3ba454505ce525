"""A hole in the feed while something is open: funding waits for what traded in it to be told, and exits are marked."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import pytest

from actors.messages import FeedDown, FeedUp, Filled, FundingPaid, Gap, MarketTime, PositionClosed, Snapshot
from tests.actors.scene import BIP, Row, Scene, at, rules_with

D = Decimal
FAR: Sequence[Row] = ((60000, 61500, 59000, 60500), (61000, 70000, 59500, 62000), (61000, 61500, 59000, 60500))
"""`2U-2D-?` long: trigger 61500, stop 59000, target 70000."""


def lost() -> Scene:
    """A long at 61600 of 12:05, stop 59000, target 70000; at 12:58 the line breaks, when 61700 was paid, trade 3."""
    scene = Scene(FAR, rules_with())
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    scene.trade(61700, at(58))
    scene.run(FeedDown("connection reset"))
    scene.run(Gap(BIP, at(58), "connection reset", reconnect=True))
    return scene


def back(scene: Scene, moment: datetime) -> None:
    scene.run(FeedUp(moment))
    scene.run(Snapshot(BIP, moment, moment))


def funded(scene: Scene) -> list[tuple[datetime, Decimal]]:
    return [(paid.at, paid.mark) for paid in scene.events(FundingPaid)]


def exits(scene: Scene) -> list[tuple[datetime, bool]]:
    return [(event.fill.time, event.fill.after_hole) for event in scene.events(Filled)[1:]]


@pytest.mark.parametrize("source", ["snapshot", "rest"])
def test_an_hour_after_an_exit_found_later_is_not_funded(source: str) -> None:
    scene = lost()
    scene.run(MarketTime(at(61)))
    scene.trade(58000, at(59), source=source)
    back(scene, at(62))
    scene.trade(58100, at(63))
    scene.run(MarketTime(at(125)))
    assert scene.one(PositionClosed).position.exit_time == at(59)
    assert funded(scene) == []
    assert scene.undisturbed


def test_an_hour_within_a_hole_is_funded_at_the_last_trade_before_it_told_later() -> None:
    scene = lost()
    scene.run(MarketTime(at(61)))
    assert funded(scene) == []
    for price, moment in ((61800, at(59)), (61900, at(60)), (62000, at(60, 1))):
        scene.trade(price, moment, source="snapshot")
    assert funded(scene) == [(at(60), D(61900))]
    back(scene, at(62))
    scene.trade(62100, at(63))
    scene.run(MarketTime(at(121)))
    assert funded(scene) == [(at(60), D(61900)), (at(120), D(62100))]


def test_an_hour_within_a_hole_of_which_nobody_tells_is_funded_when_the_feed_trades_again() -> None:
    scene = lost()
    back(scene, at(62))
    scene.run(MarketTime(at(62)))
    assert funded(scene) == []
    scene.trade(62100, at(63))
    assert funded(scene) == [(at(60), D(61700))]


def test_an_exit_told_again_without_quotes_is_marked() -> None:
    scene = lost()
    scene.trade(58000, at(59), source="snapshot", bid=None, ask=None)
    back(scene, at(62))
    assert exits(scene) == [(at(59), True)]
    assert scene.one(PositionClosed).position.after_hole


def test_an_exit_after_a_hole_whose_trades_were_all_told_is_as_any_other() -> None:
    scene = lost()
    scene.trade(61800, at(59), source="snapshot", bid=None, ask=None)
    back(scene, at(62))
    scene.trade(61800, at(63))
    scene.trade(58000, at(64))
    assert exits(scene) == [(at(64), False)]
    assert not scene.one(PositionClosed).position.after_hole


def test_an_exit_of_a_position_some_of_whose_trades_stayed_unknown_is_marked() -> None:
    scene = lost()
    scene.trade(61800, at(61), source="snapshot", bid=None, ask=None, trade_id=9)
    back(scene, at(62))
    scene.trade(61800, at(63), trade_id=10)
    scene.trade(58000, at(90), trade_id=11)
    assert exits(scene) == [(at(90), True)]


def test_the_first_trades_of_the_feed_end_the_hole_when_they_have_quotes_again() -> None:
    scene = lost()
    back(scene, at(62))
    scene.trade(61800, at(63), bid=None, ask=None)
    scene.trade(58000, at(64), bid=None, ask=None)
    assert exits(scene) == [(at(64), True)]
