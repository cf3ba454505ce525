"""What the display is told of the current periods: when, what, and that nothing is decided by it."""

from datetime import timedelta
from decimal import Decimal

from actors.messages import Event, Forming, FrameBars, FrameNow, MarketTime
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.kit import Kit
from tests.actors.scene import BIP, INSIDE, NOON, REVERSAL, RULES, Scene, at, bars

OUTSIDE = ["history", "rest_prices"]


def shown_scene(**changes: object) -> Scene:
    kit = Kit(core_roles(Decider(RULES, (BIP,), "1"), shows=True), route, outside=OUTSIDE)
    return Scene(kit=kit, **changes)


def told(scene: Scene) -> list[Forming]:
    return [message for batch in scene.kit.batches for message in batch.events if isinstance(message, Forming)]


def hour(scene: Scene) -> FrameNow:
    (found,) = [frame for frame in told(scene)[-1].frames if frame.timeframe == "1h"]
    return found


def test_what_is_shown_decides_nothing() -> None:
    plain, shown = Scene(), shown_scene()
    for scene in (plain, shown):
        for hours, row in enumerate(REVERSAL):
            scene.bar(row, NOON + timedelta(hours=hours))
        scene.run(MarketTime(at(60 * len(REVERSAL) + 1)))
        assert scene.undisturbed
    decided = [scene.events(Event) for scene in (plain, shown)]
    assert decided[0] == decided[1]
    assert decided[0]
    assert told(plain) == []
    assert told(shown)


def test_a_period_is_told_when_it_begins_and_then_once_a_second_of_market_time() -> None:
    scene = shown_scene()
    before = len(told(scene))
    scene.trade(60000, at(0, 10))
    assert len(told(scene)) == before + 1
    assert hour(scene).bar == bars([(60000, 60000, 60000, 60000)], at(60))[0]
    scene.trade(60100, at(0, 10.9))
    assert len(told(scene)) == before + 1
    scene.trade(59900, at(0, 11))
    assert len(told(scene)) == before + 2
    bar = hour(scene).bar
    assert bar is not None
    assert (bar.open, bar.high, bar.low, bar.close) == (60000, 60100, 59900, 59900)
    scene.trade(60050, at(0, 11.5))
    scene.trade(60060, at(60, 0))  # The next hour: told at once, however soon.
    assert len(told(scene)) == before + 3
    assert (hour(scene).open_time, hour(scene).prior_high) == (at(60), Decimal(60100))


def test_a_period_without_a_trade_has_no_bar() -> None:
    scene = shown_scene()
    scene.trade(60000, at(30))
    scene.run(MarketTime(at(61)))
    frame = hour(scene)
    assert (frame.open_time, frame.close_time, frame.bar, frame.known) == (at(60), at(120), None, True)
    assert frame.prior_high == Decimal(60000)


def test_a_period_whose_open_is_not_known_is_marked() -> None:
    frames = tuple(FrameBars(name, bars(INSIDE, timeframe=name), None, whole=name != "1h") for name in ("1h", "1d"))
    scene = shown_scene(frames=frames)
    scene.trade(60000, at(30))
    assert not hour(scene).known
