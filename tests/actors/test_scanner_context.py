"""The scanner: labels of setups, how a bar went, independent opens, bars in a break; none of it makes a trade."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages import (
    BarClosed,
    EntryTriggered,
    FrameBars,
    Gap,
    History,
    Invalidated,
    MarketTime,
    PositionOpened,
    ProductsListed,
    Rejected,
    SetupsReplaced,
    Snapshot,
)
from actors.roles import CoreStates
from actors.scanner_frames import Detection, Remembered
from atlas.market.bar import Bar
from atlas.rules import AlertRules, Rules, StratRules
from atlas.strat.label_names import label_names
from atlas.strat.setup import ContinuityReading
from tests.actors.scene import BIP, HOURLY, INSIDE, NOON, REVERSAL, Row, Scene, at, bars, forming, history, product

QUIET = AlertRules(full_continuity=False)
QUARTERS = Rules(strat=StratRules(timeframes=("1h",), continuity={"1h": (("1h", "15m"), 1)}), alerts=QUIET)
HOURS = Rules(strat=HOURLY, alerts=QUIET)


def closes(scene: Scene, timeframe: str = "1h") -> list[BarClosed]:
    return [event for event in scene.events(BarClosed) if event.bar.timeframe == timeframe]


def latest(scene: Scene, timeframe: str = "1h") -> SetupsReplaced:
    return [event for event in scene.events(SetupsReplaced) if event.timeframe == timeframe][-1]


def outside(scene: Scene, first: str) -> None:
    """An hour that takes both sides of the bar before it: REVERSAL's last, 59000 to 61500."""
    beyond = (61600, 58900) if first == "long" else (58900, 61600)
    for minute, price in enumerate((60000, *beyond, 60100)):
        scene.trade(price, at(minute))


# ── first side of a 3, 50 % rule ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", ["long", "short"])
def test_the_first_side_of_a_3_is_told_by_its_trades(first: str) -> None:
    scene = Scene(REVERSAL, HOURS)
    outside(scene, first)
    scene.trade(60100, at(60))
    closed = scene.one(BarClosed)
    assert (closed.type, closed.first_side) == ("3", first)
    assert {context.first_side for context in latest(scene).contexts.values()} == {first}


def test_a_bar_that_is_no_3_has_no_first_side() -> None:
    scene = Scene(REVERSAL, HOURS)
    for minute, price in ((1, 60000), (2, 61600), (60, 60000)):
        scene.trade(price, at(minute))
    assert (scene.one(BarClosed).type, scene.one(BarClosed).first_side) == ("2U", None)


def test_the_first_trade_of_a_bar_may_be_the_first_side() -> None:
    scene = Scene(REVERSAL, HOURS)
    for minute, price in ((1, 61600), (2, 58900), (60, 60000)):
        scene.trade(price, at(minute))
    assert scene.one(BarClosed).first_side == "long"


def test_the_first_side_is_unknown_of_a_bar_with_a_hole() -> None:
    scene = Scene(REVERSAL, HOURS)
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "ids are missing"))
    outside(scene, "long")
    scene.trade(60100, at(60))
    assert (scene.one(BarClosed).type, scene.one(BarClosed).first_side) == ("3", None)


def test_the_first_side_is_unknown_while_the_bar_before_has_a_hole() -> None:
    """Which levels it broke is not known for certain, so neither is which came first."""
    scene = Scene(REVERSAL, HOURS)
    scene.trade(60000, at(30))
    scene.run(Gap(BIP, at(30), "ids are missing"))
    for minute, price in ((60, 60000), (61, 60100), (62, 59900), (120, 60000)):
        scene.trade(price, at(minute))
    last = closes(scene)[-1]
    assert (last.type, last.verified, last.first_side) == ("3", False, None)


def test_a_side_taken_before_the_history_came_was_the_first() -> None:
    """REST says the hour has taken the low only: whatever comes now, that was first."""
    scene = Scene(joined=False, rules=HOURS)
    told = {"1h": forming((60000, 60500, 58900, 59500), NOON)}
    scene.run(history(at(20), {"1h": bars(REVERSAL)}, told, rules=HOURS))
    scene.run(Snapshot(BIP, at(20), None))
    scene.trade(61600, at(21))
    scene.trade(61600, at(60))
    assert scene.one(BarClosed).first_side == "short"


def quarter(number: int, row: Row) -> Bar:
    return forming(row, at(15 * number), "15m")


@pytest.mark.parametrize(
    ("quarters", "first"),
    [
        (((60000, 61600, 59500, 61000), (61000, 61200, 58900, 59000)), "long"),
        (((60000, 61000, 58900, 60500), (60500, 61600, 60000, 61000)), "short"),
        (((60000, 61600, 58900, 60000), (60000, 61000, 59500, 60000)), None),
    ],
)
def test_of_a_bar_from_rest_a_lower_frame_tells_the_first_side(quarters: tuple[Row, ...], first: str | None) -> None:
    found = [quarter(number, row) for number, row in enumerate(quarters)]
    whole = forming((60000, 61600, 58900, float(found[-1].close)), NOON)
    before = bars([(60000, 60100, 59900, 60000)], timeframe="15m")
    scene = Scene(rules=QUARTERS, frames=(FrameBars("1h", bars(REVERSAL), None), FrameBars("15m", before, None)))
    scene.run(MarketTime(at(1)))
    scene.run(Gap(BIP, None, "the line is dead"))
    told = history(at(31), {"1h": bars(REVERSAL), "15m": (*before, *found)}, {"1h": whole}, rules=QUARTERS)
    scene.run(told)
    scene.trade(60000, at(60))
    hour = closes(scene)[-1]
    assert (hour.type, hour.first_side) == ("3", first)


def test_candles_that_contradict_one_another_tell_no_first_side() -> None:
    within = [quarter(0, (60000, 61600, 59500, 61000)), quarter(1, (61000, 61200, 59100, 59200))]
    before = bars([(60000, 60100, 59900, 60000)], timeframe="15m")
    scene = Scene(rules=QUARTERS, joined=False)
    hour = {"1h": forming((60000, 61600, 58900, 59200), NOON)}
    scene.run(history(at(31), {"1h": bars(REVERSAL), "15m": (*before, *within)}, hour, rules=QUARTERS))
    assert scene.kit.state(f"scanner:{BIP}").frames["1h"].path.first_side is None


def test_the_50_percent_rule_of_the_entry_bar_is_told_at_the_trigger() -> None:
    """The trade that triggers is the first to take a side of the setup bar."""
    scene = Scene(INSIDE, HOURS)
    scene.trade(61000, at(1))
    scene.trade(61900, at(2))
    assert scene.one(EntryTriggered).fifty == "standby"


def test_the_50_percent_rule_moves_with_the_trades() -> None:
    """The bar before, REVERSAL's last, goes from 59000 to 61500: its middle is 60250."""
    scene = Scene(REVERSAL, HOURS)
    frame = scene.kit.state(f"scanner:{BIP}").frames["1h"]
    assert frame.fifty is None
    found = []
    for second, price in enumerate((60000, 59000, 58900, 60000, 60250, 60300, 61500, 61501)):
        scene.trade(price, at(1, second))
        found.append(frame.fifty)
    assert found == ["invalid", "invalid", "standby", "standby", "active", "active", "active", "complete"]


def test_after_a_hole_the_50_percent_rule_of_the_forming_bar_is_unknown() -> None:
    scene = Scene(REVERSAL, HOURS)
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, None, "ids are missing"))
    assert scene.kit.state(f"scanner:{BIP}").frames["1h"].fifty == "unknown"
    row = (60000, 60100, 58900, 59000)
    scene.run(history(at(2), {"1h": bars(REVERSAL)}, {"1h": forming(row, at(2))}, rules=HOURS))
    assert scene.kit.state(f"scanner:{BIP}").frames["1h"].fifty == "standby"


def test_an_unseen_break_of_both_sides_is_settled_by_the_quarters_where_they_know() -> None:
    """The candle path of a green hour is low first; its quarters say that the high came first."""
    quarters = (quarter(0, (61000, 61900, 60500, 61800)), quarter(1, (61800, 61800, 59900, 61300)))
    before = bars([(61000, 61100, 60900, 61000)], timeframe="15m")
    scene = Scene(rules=QUARTERS, joined=False)
    told = (
        FrameBars("1h", bars(INSIDE), forming((61000, 61900, 59900, 61300), NOON)),
        FrameBars("15m", (*before, *quarters), None),
    )
    scene.run(History(BIP, at(31), told))
    scene.run(Snapshot(BIP, at(31), None))
    assert scene.one(EntryTriggered).setup.side == "long"
    assert scene.one(Invalidated).reason == "sibling_triggered"


# ── labels of setups ────────────────────────────────────────────────────────────────────────────────────────────────

HAMMER: tuple[Row, ...] = (*REVERSAL[:2], (61300, 61500, 59000, 61400))
"""A 2D that closes green at its high: failed, and a hammer."""


def test_a_setup_carries_the_labels_of_its_bar_to_the_trigger() -> None:
    scene = Scene(HAMMER, HOURS)
    told = latest(scene).contexts["long"]
    assert {"failed-2", "hammer"} <= set(label_names(told))
    scene.trade(61450, at(1))
    scene.trade(61600, at(2))
    assert scene.one(EntryTriggered).context == told


def test_each_side_has_the_ladder_beyond_its_own_target() -> None:
    rows: tuple[Row, ...] = ((60000, 64000, 57000, 60000), *INSIDE)
    contexts = latest(Scene(rows, HOURS)).contexts
    assert contexts["long"].ladder == (Decimal(64000),)
    assert contexts["short"].ladder == (Decimal(59000), Decimal(57000))


def test_no_label_creates_or_blocks_a_trade() -> None:
    """The same levels with and without labels; all that happens is the same."""
    happened = []
    for rows in (HAMMER, (*HAMMER[:2], (59300, 61500, 59000, 59200))):
        scene = Scene(rows, HOURS)
        for minute, price in ((1, 61000), (2, 61600), (3, 61700)):
            scene.trade(price, at(minute))
        triggers, positions = scene.events(EntryTriggered), [event.position for event in scene.events(PositionOpened)]
        happened.append(([event.setup for event in triggers], scene.events(Rejected), positions))
    assert happened[0] == happened[1]
    assert len(happened[0][2]) == 1


def test_labels_are_those_of_the_setting_in_use() -> None:
    """A 2D that closes red above the low it took: failed by `reclaim`, not by its color."""
    rows: tuple[Row, ...] = (*REVERSAL[:2], (61000, 61500, 59000, 60000))
    for failed, expected in (("color", False), ("reclaim", True)):
        rules = replace(HOURS, strat=replace(HOURLY, failed=failed))
        assert latest(Scene(rows, rules)).contexts["long"].failed_two is expected


# ── what was told first stands ──────────────────────────────────────────────────────────────────────────────────────


def test_a_repair_leaves_continuity_at_detection_as_it_was_told() -> None:
    rules = Rules(strat=StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1h"), 1)}), alerts=QUIET)
    day = FrameBars("1d", (), forming((60000, 61000, 59000, 60500), NOON, "1d"))
    scene = Scene(rules=rules, frames=(FrameBars("1h", bars(REVERSAL), None), day))
    scene.trade(60500, at(1))
    scene.bar((60500, 60900, 60200, 60800), at(2))
    scene.trade(60700, at(60))
    first = latest(scene)
    assert first.continuity["long"].agree == ("1d",)
    scene.run(Gap(BIP, at(60), "ids are missing"))
    scene.trade(59000, at(61))
    hour = (*bars(REVERSAL), closes(scene)[-1].bar)
    today, this_hour = (60000, 61000, 59000, 59000), (60700, 60700, 59000, 59000)
    now = {"1d": forming(today, at(61), "1d"), "1h": forming(this_hour, at(61))}
    scene.run(history(at(61), {"1h": hour}, now, rules=rules))
    again = latest(scene)
    assert (again.revision, again.verified) == (1, True)
    for setup in again.setups:
        assert again.continuity[setup.side] == first.continuity[setup.side]
        assert again.contexts[setup.side] == first.contexts[setup.side]


def test_a_setup_known_from_before_the_restart_keeps_its_first_reading_and_labels() -> None:
    first = latest(Scene(HAMMER, HOURS))
    (setup,) = first.setups
    stored = ContinuityReading("long", "open", ("1h",), ("1h",), (), (), 1, 1)
    labels = replace(first.contexts["long"], fifty="active", first_side="short")
    known = Remembered(detected={"1h": {setup.id: Detection(stored, labels, True)}})
    again = Scene(HAMMER, HOURS, states=CoreStates(remembered={BIP: known}))
    assert latest(again).continuity["long"] == stored
    assert latest(again).contexts["long"] == labels
    again.trade(61600, at(1))
    assert (again.one(EntryTriggered).detection, again.one(EntryTriggered).context) == (stored, labels)


def test_labels_read_from_a_bar_with_a_hole_are_read_anew() -> None:
    first = latest(Scene(HAMMER, HOURS))
    wrong = replace(first.contexts["long"], shape="shooter")
    reading = replace(first.continuity["long"], agree=("1h",), disagree=())
    known = Remembered(detected={"1h": {first.setups[0].id: Detection(reading, wrong, False)}})
    again = Scene(HAMMER, HOURS, states=CoreStates(remembered={BIP: known}))
    assert latest(again).contexts["long"].shape == "hammer"
    assert latest(again).continuity["long"] == reading, "what continuity was then, it was"


def test_bars_that_closed_while_atlas_was_down_are_told_once() -> None:
    known = Remembered(stored_until={"1h": NOON - timedelta(hours=2)})
    scene = Scene(HAMMER, HOURS, states=CoreStates(remembered={BIP: known}))
    assert [(event.bar.close_time, event.verified, event.revision) for event in closes(scene)] == [
        (NOON - timedelta(hours=1), True, 0), (NOON, True, 0)
    ]  # fmt: skip
    scene.trade(61450, at(1))
    scene.run(Gap(BIP, at(1), "ids are missing"))
    scene.run(history(at(2), {"1h": bars(HAMMER)}, {"1h": forming((61450, 61450, 61450, 61450), at(1))}, rules=HOURS))
    assert len(closes(scene)) == 2


# ── independent opens ───────────────────────────────────────────────────────────────────────────────────────────────

FOUR = Rules(strat=StratRules(timeframes=("1h",)))


def test_frames_that_opened_on_the_same_print_count_once() -> None:
    """Nothing has traded before: month, week, day and hour all open on the first trade."""
    scene = Scene(REVERSAL, FOUR)
    scene.trade(61600, at(1))
    assert scene.one(EntryTriggered).detection.opens == 0
    trigger = scene.one(EntryTriggered).at_trigger
    assert trigger is not None
    assert trigger.opens == 1
    scene.trade(61600, at(60))
    assert {reading.opens for reading in latest(scene).continuity.values()} == {2}


def test_the_candles_of_lower_frames_tell_when_the_periods_began() -> None:
    """The week's first candle is of Tuesday, where the day before yesterday and the week began with one print."""
    days = bars([(60000, 61000, 59000, 60000)], until=NOON.replace(hour=0), timeframe="1d")
    months = FrameBars("1M", bars([(60000, 61000, 59000, 60000)], until=NOON.replace(day=1, hour=0), timeframe="1M"),
                       forming((60000, 61000, 59000, 60000), NOON, "1M"))  # fmt: skip
    week = FrameBars("1w", (), forming((60000, 61000, 59000, 60000), NOON, "1w"))
    day = FrameBars("1d", (*bars([(1, 1, 1, 1)], until=NOON.replace(day=1, hour=0), timeframe="1d"), *days),
                    forming((60000, 61000, 59000, 60000), NOON, "1d"))  # fmt: skip
    scene = Scene(rules=FOUR, frames=(FrameBars("1h", bars(REVERSAL), None), day, week, months))
    scene.trade(61600, at(1))
    reading = scene.one(EntryTriggered).at_trigger
    assert reading is not None
    assert reading.opens == 3  # month and week on Tuesday's first print; the day; the hour


# ── breaks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

FRIDAY = datetime(2026, 3, 6, 21, tzinfo=UTC)
"""Three hours before midnight UTC; the break of a 24/7 contract is 17:00 to 18:00 in New York, 22:00 to 23:00 UTC."""


def closed_hours(scene: Scene, start: datetime, hours: int) -> dict[int, bool]:
    for hour in range(hours + 1):
        scene.trade(60000, start + timedelta(hours=hour))
    return {event.bar.open_time.hour: event.in_break for event in closes(scene) if event.bar.open_time >= start}


def test_a_bar_that_overlaps_a_break_is_marked_half_open() -> None:
    assert closed_hours(Scene(rules=HOURS), FRIDAY, 2) == {21: False, 22: True}


def test_a_maintenance_in_a_later_listing_is_a_break_and_spot_has_none_of_the_calendar() -> None:
    scene = Scene(rules=HOURS)
    scene.run(ProductsListed((product(maintenance=(at(30), at(90))),)))
    assert closed_hours(scene, NOON, 3) == {12: True, 13: True, 14: False}
    spot = Scene(rules=HOURS, symbols=("BTC-USD",), products=[product("BTC-USD")])
    for hour in range(3):
        spot.trade(60000, FRIDAY + timedelta(hours=hour), symbol="BTC-USD")
    assert [event.in_break for event in closes(spot)] == [False, False]
    assert spot.undisturbed
