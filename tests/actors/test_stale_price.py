"""A product in which a position is open and that has no price: the owner is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from actors.messages import Alert, FeedDown, FeedUp, MarketTime, PositionClosed, ReadListing
from actors.risk_monitor_stale import watch
from actors.risk_monitor_state import Managed, RiskState
from atlas.rules import AlertRules, Rules
from tests.actors.positions import BOTH, SAME_SIZE, closed, entered
from tests.actors.scene import BIP, Scene, at, product, rules_with

ETP = BOTH[1]
FRIDAY = datetime(2026, 7, 17, 20, 50, tzinfo=UTC)
"""Ten minutes before the break, in summer."""


def told(scene: Scene) -> list[str]:
    return [alert.text for alert in scene.events(Alert) if alert.kind == "stale_price"]


def pass_by(scene: Scene, first: float, last: float, *, heard: str | None = None) -> None:
    """Let market time go on minute by minute, while another product trades."""
    minute = first
    while minute <= last:
        scene.run(MarketTime(at(minute)))
        if heard is not None:
            scene.trade(61000, at(minute), symbol=heard)
        minute += 1


def test_lesson_69_a_position_without_a_price_for_a_quarter_of_an_hour_is_told_once() -> None:
    scene = entered(symbols=BOTH, products=SAME_SIZE)
    pass_by(scene, 6, 21, heard=ETP)
    assert told(scene) == []
    pass_by(scene, 22, 50, heard=ETP)
    assert told(scene) == [
        f"{BIP} has had no trade for 16 min while a position in it is open: its stop sees no price"
    ]
    assert [alert.critical for alert in scene.events(Alert) if alert.kind == "stale_price"] == [True]


def test_with_the_alert_the_listing_is_read_which_may_say_why() -> None:
    scene = entered()
    pass_by(scene, 6, 50)
    assert len(told(scene)) == 1
    assert scene.sent("history", ReadListing) == [ReadListing()]


def test_lesson_69_that_it_trades_again_is_told_and_a_new_silence_again() -> None:
    scene = entered()
    pass_by(scene, 6, 30)
    scene.trade(61600, at(31))
    assert told(scene)[1:] == [f"{BIP} trades again"]
    pass_by(scene, 32, 50)
    assert len(told(scene)) == 3


def test_a_product_nothing_is_held_in_may_be_silent() -> None:
    scene = entered()
    scene.trade(58900, at(6))
    assert closed(scene).exit_reason == "stop"
    pass_by(scene, 7, 58)
    assert told(scene) == []
    assert len(scene.events(PositionClosed)) == 1


def test_after_an_outage_of_the_feed_the_silence_counts_anew() -> None:
    scene = entered()
    scene.run(FeedDown("gone"))
    scene.run(FeedUp(at(40)))
    pass_by(scene, 40, 54)
    assert told(scene) == []
    pass_by(scene, 55, 58)
    assert len(told(scene)) == 1


def silent_since(begin: datetime, minutes: int, **listed: Any) -> list[tuple[int, str]]:
    """Minute by minute from `begin`: when the alarm comes, and what it says."""
    position = held_position()
    state = RiskState(positions={position.id: Managed(position)}, products={BIP: product(**listed)})
    found = []
    for minute in range(minutes + 1):
        for effect in watch(state, Rules(), begin + timedelta(minutes=minute)):
            if isinstance(effect.message, Alert):
                found.append((minute, effect.message.text))
    return found


def held_position() -> Any:
    return entered().kit.state("risk_monitor").positions.popitem()[1].position


def test_a_break_does_not_count() -> None:
    """Ten minutes before the break of an hour, and a quarter of an hour after it."""
    ((minute, text),) = silent_since(FRIDAY, 120)
    assert minute == 10 + 60 + 16
    assert "for 16 min" in text


def test_a_session_listed_as_closed_does_not_count() -> None:
    assert silent_since(at(0), 50, session_open=False) == []
    assert len(silent_since(at(0), 50)) == 1


@pytest.mark.parametrize(("seconds", "minute"), [(60.0, 2), (1800.0, 31)])
def test_how_long_is_a_setting(seconds: float, minute: int) -> None:
    rules = msgspec.structs.replace(rules_with(), alerts=AlertRules(stale_price_seconds=seconds))
    scene = entered(rules=rules)
    pass_by(scene, 6, 5 + minute)
    assert told(scene) == []
    pass_by(scene, 6 + minute, 6 + minute)
    assert len(told(scene)) == 1
