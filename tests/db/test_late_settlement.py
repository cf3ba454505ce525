"""Downtime settled late: REST could not be reached at the start, the feed went on, and the candles came afterwards.

What live trades have done meanwhile stands. Each process is a core begun from the committed rows of a real Postgres.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Engine

from actors.messages import (
    FeedUp,
    Filled,
    FundingPaid,
    Missed,
    OrderMoved,
    PositionClosed,
    ProductsListed,
    Snapshot,
)
from atlas.rules import ExitRules
from db.writer import Writer
from tests.actors.scene import BIP, Row, Scene, at, bars, forming, history, product
from tests.db.story import D
from tests.db.test_settlement import FAR, PLAIN, Restart, closed, ended, entered, flat, minutes, restart, told

__all__ = ["restart"]
THREE = at(180)
TRAILING = msgspec.structs.replace(PLAIN, exits=ExitRules(trail_after=D("0.2"), trail_distance=D("0.1")))


def live(before: Scene, restart: Restart, *prices: tuple[float, datetime], of: datetime = THREE) -> Scene:
    """A process begun at three in the afternoon without REST; the feed is up and has told of these trades."""
    scene = restart(before)
    scene.run(ProductsListed((product(BIP),)))
    for price, moment in prices:
        scene.trade(price, moment)
    scene.run(FeedUp(of))
    scene.run(Snapshot(BIP, of, None))
    return scene


def answer(scene: Scene, rows: Mapping[datetime, Row], until: datetime, **more: Any) -> None:
    """REST answers at last: the candles since the last input before the restart."""
    scene.run(Missed(at(5), at(6), until, {BIP: minutes(rows)}, **more))


def untouched(scene: Scene) -> bool:
    return not scene.events(PositionClosed) and not scene.events(OrderMoved)


def test_a_stop_that_was_hit_before_the_feed_came_is_settled_at_its_time(restart: Restart) -> None:
    scene = live(entered(), restart, (61550, at(180)), (61600, at(181)))
    assert untouched(scene)
    answer(scene, flat(61550, at(69)) | {at(70): (61500, 61600, 58800, 59200)} | flat(61550, at(71)), at(185))
    assert ended(scene) == ("stop", at(70.5), True, False)
    assert "Closed meanwhile: BIP-20DEC30-CDE 1h 2U-2D-2U long: stop" in told(scene)
    assert scene.undisturbed


def test_the_last_price_is_still_that_of_the_feed(restart: Restart) -> None:
    scene = live(entered(), restart, (61600, at(181)))
    answer(scene, flat(61550, at(69)), at(185))
    assert scene.kit.state("paper_broker").last[BIP].price == 61600
    assert scene.kit.state("risk_monitor").last == {BIP: 61600}


def test_what_live_trades_have_closed_stays_closed_as_it_was(restart: Restart) -> None:
    scene = live(entered(), restart, (63000.5, at(181)))
    assert closed(scene).exit_reason == "target"
    answer(scene, {at(70): (61500, 61600, 58800, 59200)}, at(185))
    assert ended(scene) == ("target", at(181), False, False)
    assert len(scene.events(Filled)) == 1
    assert "Nothing was closed meanwhile" in told(scene)


def test_a_stop_that_live_trades_have_moved_is_not_held_against_what_was_before(restart: Restart) -> None:
    scene = live(entered(TRAILING, FAR), restart, (64000, at(181)))
    assert scene.one(OrderMoved).price > 62000
    answer(scene, {at(70): (61500, 61600, 60500, 61200)}, at(185))
    assert not scene.events(PositionClosed)


def test_candles_move_no_stop_and_invalidate_nothing_any_more(restart: Restart) -> None:
    """What only ATLAS itself would have decided it decides by live trades; the market may be elsewhere by now."""
    scene = live(entered(TRAILING, FAR), restart, (61600, at(181)))
    answer(scene, {at(70): (61500, 64000, 61400, 61600)}, at(185))
    assert untouched(scene)
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    assert managed.position.best == 64000


def test_in_the_minute_of_the_first_live_trade_what_only_the_candle_reached_came_before(restart: Restart) -> None:
    scene = live(entered(), restart, (61550, at(180, 10)))
    answer(scene, {at(180): (61500, 61600, 58800, 61550)}, at(185))
    assert closed(scene).exit_reason == "stop"
    assert closed(scene).filled_while_down


def test_candles_of_later_minutes_are_the_feeds_to_tell(restart: Restart) -> None:
    scene = live(entered(), restart, (61550, at(180, 10)))
    answer(scene, {at(181): (61500, 61600, 58800, 61550)}, at(185))
    assert untouched(scene)
    assert "Nothing was closed meanwhile" in told(scene)
    assert told(scene).endswith("Still open: BIP-20DEC30-CDE 1h 2U-2D-2U long")


def test_trades_replayed_on_subscription_are_what_was_seen_first(restart: Restart) -> None:
    scene = restart(entered())
    scene.run(ProductsListed((product(BIP),)))
    scene.trade(61550, at(170), source="snapshot")
    answer(scene, {at(171): (61500, 61600, 58800, 61550)}, at(185))
    assert untouched(scene)


def test_without_any_trade_yet_all_candles_count(restart: Restart) -> None:
    scene = live(entered(), restart)
    answer(scene, {at(70): (61500, 63200, 61400, 63100)}, at(185))
    assert ended(scene) == ("target", at(70.5), True, False)


def test_funding_is_paid_at_the_marks_of_the_candles_and_only_until_the_exit(restart: Restart) -> None:
    scene = live(entered(), restart, (61550, at(190)))
    rows = flat(61600, at(59)) | flat(61700, at(119)) | {at(150): (61500, 61600, 58800, 59200)} | flat(59000, at(179))
    answer(scene, rows, at(200))
    assert closed(scene).exit_time == at(150.5)
    assert [(paid.at, paid.mark) for paid in scene.events(FundingPaid)] == [(at(60), 61600), (at(120), 61700)]


def test_funding_of_what_stays_open_is_paid_once_also_when_the_history_comes(restart: Restart) -> None:
    scene = live(entered(rows=FAR), restart, (61550, at(175)), (61560, at(179)), of=at(181))
    rows = flat(61600, at(59)) | flat(61700, at(119)) | flat(61550, at(175))
    answer(scene, rows, at(185))
    hourly = bars(((60000, 62000, 59400, 61000),) * 3, until=at(180))
    scene.run(history(at(186), {"1h": hourly}, {"1h": forming((61550, 61560, 61550, 61560), at(186))}))
    scene.trade(61570, at(241))
    paid = scene.events(FundingPaid)
    assert [one.at for one in paid] == [at(60), at(120), at(180), at(240)]
    assert [one.mark for one in paid][:2] == [61600, 61700]
    assert scene.undisturbed


def test_a_position_entered_since_is_not_settled(restart: Restart, engine: Engine, writer: Writer) -> None:
    before = entered()
    before.trade(63001, at(6))
    assert len(before.events(PositionClosed)) == 1
    scene = restart(before)
    assert scene.kit.state("paper_broker").unsettled is None
    assert scene.kit.state("risk_monitor").unsettled is None


def test_once_it_is_settled_nothing_of_it_is_remembered(restart: Restart) -> None:
    scene = live(entered(), restart, (61550, at(181)))
    answer(scene, flat(61550, at(69)), at(185))
    for actor in ("paper_broker", "risk_monitor"):
        assert scene.kit.state(actor).unsettled is None
    assert scene.kit.state("paper_broker").walked == {}
