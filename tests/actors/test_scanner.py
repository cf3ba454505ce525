"""The scanner: when bars close, what late trades change, what setups and readings come of a close."""

from datetime import timedelta
from decimal import Decimal

import pytest

from actors.messages import (
    BarClosed,
    EntryTriggered,
    FrameBars,
    LateTrade,
    MarketTime,
    SetupsReplaced,
)
from atlas.rules import Rules, StratRules
from tests.actors.scene import BIP, INSIDE, NOON, REVERSAL, Scene, at, bars

TWO_FRAMES = Rules(strat=StratRules(timeframes=("15m", "1h"), continuity={"15m": (("1h", "15m"), 2),
                                                                          "1h": (("1h",), 1)}))  # fmt: skip


BEGUN_LATE = (FrameBars("15m", bars(INSIDE, timeframe="15m"), None), FrameBars("1h", (), None, whole=False))
"""A history that begins after the current hour opened."""


def closes(scene: Scene, timeframe: str = "1h") -> list[BarClosed]:
    return [event for event in scene.events(BarClosed) if event.bar.timeframe == timeframe]


def latest(scene: Scene, timeframe: str = "1h") -> SetupsReplaced:
    return [event for event in scene.events(SetupsReplaced) if event.timeframe == timeframe][-1]


# ── bars ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bar_closes_at_the_first_trade_stamped_at_its_end() -> None:
    scene = Scene()
    scene.trade(60000, at(59, 59.9))
    assert closes(scene) == []
    scene.trade(60100, at(60))
    bar = scene.one(BarClosed).bar
    assert (bar.open_time, bar.close_time, bar.close) == (NOON, at(60), Decimal(60000))


def test_without_a_trade_a_bar_closes_when_market_time_is_the_grace_past_its_end() -> None:
    scene = Scene()
    scene.trade(60000, at(30))
    scene.run(MarketTime(at(60, 1.999999)))
    assert closes(scene) == []
    scene.run(MarketTime(at(60, 2)))
    assert scene.one(BarClosed).bar.close_time == at(60)


def test_a_period_without_a_trade_has_no_bar_and_bars_across_it_are_neighbours() -> None:
    scene = Scene()
    scene.trade(60000, at(30))
    scene.trade(60000, at(150))
    scene.run(MarketTime(at(190)))
    assert [(event.bar.open_time, event.type) for event in closes(scene)] == [(NOON, "1"), (at(120), "1")]


def test_a_forming_bar_is_never_a_setup_bar() -> None:
    scene = Scene(INSIDE)
    before = len(scene.events(SetupsReplaced))
    for minute, price in enumerate((61000, 62500, 58000, 61000)):
        scene.trade(price, at(minute))
    assert len(scene.events(SetupsReplaced)) == before


@pytest.mark.parametrize(
    ("prices", "kind"),
    [((60000, 60500), "1"), ((60000, 61500), "1"), ((60000, 61500.5), "2U"), ((60000, 59000), "1"),
     ((60000, 58999.5), "2D"), ((61501, 58999), "3")],
)  # fmt: skip
def test_an_equal_extreme_is_not_a_break(prices: tuple[float, ...], kind: str) -> None:
    scene = Scene(REVERSAL)
    for minute, price in enumerate(prices):
        scene.trade(price, at(minute))
    scene.run(MarketTime(at(61)))
    assert scene.one(BarClosed).type == kind


def test_every_close_replaces_all_setups_of_its_timeframe() -> None:
    scene = Scene(REVERSAL)
    assert [setup.name for setup in latest(scene).setups] == ["2U-2D-?"]
    scene.bar((59500, 61000, 59200, 60500), at(0))
    scene.trade(60500, at(60))
    assert [(setup.name, setup.side) for setup in latest(scene).setups] == [("2D-1-?", "long"), ("2D-1-?", "short")]
    assert latest(scene).closed_at == at(60)
    assert latest(scene).setups[0].valid_until == at(120)


def test_lesson_16_the_newest_closed_bar_makes_setups_at_its_close() -> None:
    scene = Scene(REVERSAL)
    scene.bar((60000, 62500, 58500, 62000), at(0))
    scene.trade(62000, at(60))
    assert {setup.name for setup in latest(scene).setups} == {"3-?"}


def test_the_bars_close_before_the_setups_of_any_timeframe_are_handed_out() -> None:
    """A continuity reading at detection never sees a frame that should have closed."""
    scene = Scene(rules=TWO_FRAMES)
    scene.trade(60000, at(50))
    scene.trade(60000, at(60))
    names = [type(event).__name__ for event in scene.kit.batches[-1].events]
    assert names == ["BarClosed", "BarClosed", "SetupsReplaced", "SetupsReplaced"]


# ── late trades ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_trade_older_than_a_closed_bar_is_stored_as_late() -> None:
    scene = Scene()
    scene.trade(60000, at(30))
    scene.trade(60100, at(60))
    late = scene.trade(59000, at(59, 59))
    assert scene.one(LateTrade).tick == late
    scene.run(MarketTime(at(125)))
    assert [event.bar.low for event in closes(scene)] == [Decimal(60000), Decimal(60100)]


def test_a_late_trade_changes_no_type_on_any_timeframe() -> None:
    """The hour still forms when its first quarter has closed; it stays the aggregate of its quarters."""
    scene = Scene(rules=TWO_FRAMES)
    scene.trade(60000, at(5))
    scene.trade(60100, at(15))
    scene.trade(63000, at(14, 59))
    scene.run(MarketTime(at(61, 30)))
    quarters = [event.bar for event in closes(scene, "15m")]
    hour = closes(scene)[0]
    assert (hour.bar.high, hour.type) == (max(bar.high for bar in quarters), "1")
    assert hour.bar.volume == sum(bar.volume for bar in quarters)


def test_a_late_trade_triggers_nothing() -> None:
    scene = Scene(rules=TWO_FRAMES, closed={"1h": bars(REVERSAL)})
    scene.trade(60000, at(5))
    scene.trade(60100, at(15))
    scene.trade(61600, at(14, 59))
    assert scene.events(EntryTriggered) == []
    scene.trade(61600, at(16))
    assert scene.one(EntryTriggered).tick.time == at(16)


def test_a_trade_older_than_the_forming_bar_neither_closes_it_nor_opens_another() -> None:
    """Out of order after a period without trades: there is no closed bar it would be older than."""
    scene = Scene()
    scene.trade(60000, at(30))
    scene.trade(60100, at(120, 0.1))
    late = scene.trade(59000, at(119, 59.9))
    scene.trade(60200, at(120, 1))
    assert scene.events(LateTrade)[0].tick == late
    scene.run(MarketTime(at(183)))
    assert [(event.bar.open_time, event.bar.low, event.bar.high) for event in closes(scene)] == [
        (NOON, Decimal(60000), Decimal(60000)),
        (at(120), Decimal(60100), Decimal(60200)),
    ]
    assert scene.undisturbed


def test_a_replayed_trade_older_than_a_bar_is_not_stored_as_late() -> None:
    scene = Scene()
    scene.trade(60000, at(30))
    scene.trade(60000, at(60))
    scene.trade(61600, at(59), source="snapshot")
    assert scene.events(LateTrade) == []
    assert scene.events(EntryTriggered) == []


# ── continuity ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_continuity_is_measured_at_detection_for_both_sides() -> None:
    scene = Scene(rules=TWO_FRAMES, closed={"15m": bars(INSIDE, timeframe="15m"), "1h": bars(INSIDE)})
    scene.trade(61000, at(0))
    scene.trade(61500, at(10))
    scene.trade(61500, at(15))
    readings = latest(scene, "15m").continuity
    assert (readings["long"].score, readings["long"].agree) == ("1/2", ("1h",))
    assert (readings["short"].score, readings["short"].agree) == ("0/2", ())


def test_continuity_at_the_trigger_counts_the_triggering_trade() -> None:
    scene = Scene(INSIDE)
    scene.trade(61500, at(1))
    scene.trade(61900, at(2))
    trigger = scene.one(EntryTriggered)
    assert trigger.detection.score == "0/1"
    assert trigger.at_trigger is not None
    assert trigger.at_trigger.agree == ("1h",)


def test_lesson_49_the_reading_is_for_the_side_that_broke() -> None:
    scene = Scene(INSIDE)
    scene.trade(61500, at(1))
    scene.trade(59900, at(2))
    trigger = scene.one(EntryTriggered)
    assert trigger.at_trigger is not None
    assert (trigger.at_trigger.side, trigger.at_trigger.score) == ("short", "1/1")


def test_a_frame_whose_history_does_not_reach_its_open_is_unknown() -> None:
    scene = Scene(rules=TWO_FRAMES, frames=BEGUN_LATE)
    scene.trade(61000, at(1))
    scene.trade(61900, at(2))
    trigger = scene.one(EntryTriggered)
    assert trigger.at_trigger is not None
    assert (trigger.at_trigger.unknown, trigger.at_trigger.score) == (("1h",), "1/2")


def test_a_period_that_began_before_the_data_is_not_listed_and_is_no_neighbour() -> None:
    scene = Scene(rules=TWO_FRAMES, frames=BEGUN_LATE)
    for hour in range(3):
        scene.bar((61000, 61500 + hour, 60500, 61200), at(60 * hour))
    scene.run(MarketTime(at(185)))
    assert [(event.bar.open_time, event.type) for event in closes(scene)] == [(at(60), None), (at(120), "2U")]


def test_a_frame_in_which_nothing_has_traded_yet_agrees_with_neither_and_is_known() -> None:
    """The 1h has closed by its grace; a 15m trigger before its next trade cannot be, so detection shows it."""
    scene = Scene(rules=TWO_FRAMES, closed={"15m": bars(INSIDE, timeframe="15m"), "1h": bars(INSIDE)})
    scene.trade(61000, at(50))
    scene.run(MarketTime(at(60, 2)))
    reading = latest(scene, "15m").continuity["long"]
    assert (reading.disagree, reading.unknown) == (("1h", "15m"), ())


def test_a_frame_that_no_history_spoke_of_is_unknown_until_its_next_period() -> None:
    scene = Scene(rules=TWO_FRAMES, frames=BEGUN_LATE[:1])
    scene.trade(61000, at(1))
    scene.trade(61000, at(15))
    assert latest(scene, "15m").continuity["long"].unknown == ("1h",)
    scene.trade(61000, at(60))
    scene.trade(61000, at(75))
    assert latest(scene, "15m").continuity["long"].unknown == ()


def test_a_month_ends_by_the_calendar() -> None:
    rules = Rules(strat=StratRules(timeframes=("1h",), continuity={"1h": (("1M", "1h"), 1)}))
    scene = Scene(rules=rules)
    scene.trade(60000, at(1))
    scene.trade(60500, NOON + timedelta(days=27, hours=11, minutes=59))
    assert closes(scene, "1M") == []
    scene.trade(60600, NOON + timedelta(days=27, hours=12))
    month = closes(scene, "1M")[0].bar
    assert (month.open_time.day, month.open_time.month, month.close_time.day, month.close_time.month) == (1, 3, 1, 4)


def test_history_is_taken_whole_before_the_first_trade() -> None:
    scene = Scene(REVERSAL, joined=False)
    assert scene.kit.state(f"scanner:{BIP}").frames["1h"].series.types[:2] == ("2D", "2U")
    assert scene.events(BarClosed) == []  # Bars of before the start are history, not news.
