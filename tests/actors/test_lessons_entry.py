"""Lessons 1–52 where they are about a live market: one core on trades, from the closed bars to the order.

The numbers are those of docs/lessons.md, which says what each stands for and how its test was seen to fail.
"""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from actors.messages import (
    BarClosed,
    EntryTriggered,
    Gap,
    Invalidated,
    OrderAccepted,
    PlaceOrder,
    PositionClosed,
    PositionOpened,
    Rejected,
    SetupsReplaced,
)
from actors.route import BROKER
from actors.scanner import frames_needed
from atlas.market.timeframes import period
from atlas.rules import CONTINUITY_FRAMES, Rules, StratRules
from atlas.strat.setup import Setup, Side
from db.notices import entry_notice
from tests.actors.scene import (
    BIP,
    INSIDE,
    NOON,
    REVERSAL,
    FrameBars,
    Row,
    Scene,
    at,
    bars,
    forming,
    history,
    rules_with,
)

MIDNIGHT = NOON.replace(hour=0)
OUTSIDE: tuple[Row, ...] = ((60000, 61000, 59000, 60500), (60500, 61500, 58900, 61000))
"""A 3: long 61500, stop 58900, target 61500 + 1.5 % = 62422.5; short 58900, stop 61500, target 58016.5."""
RISING: tuple[Row, ...] = ((60000, 61000, 59000, 60500), (60500, 62000, 59500, 61500), (61500, 62500, 60000, 62000))
FALLING: tuple[Row, ...] = ((60000, 61000, 59000, 59500), (59500, 60500, 58000, 58500), (58500, 60000, 57500, 58000))
AFTER_A_3: tuple[Row, ...] = (*OUTSIDE, (61000, 62000, 59000, 61800))


def waiting(scene: Scene, timeframe: str = "1h") -> list[Setup]:
    """The setups the entry monitor waits for."""
    return [one.setup for one in scene.kit.state("entry_monitor").waiting[BIP][timeframe]]


def continuity_on(*frames: str, needed: int, mode: str = "open") -> Rules:
    """Rules that detect on 1h and look at `frames`."""
    return rules_with(strat=StratRules(timeframes=("1h",), continuity={"1h": (frames, needed)}, continuity_mode=mode))


# ── setups ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("beyond", "side"), [(61600, "long"), (58800, "short")])
def test_lesson_05_a_live_3_triggers_once_at_its_break_and_is_gone(beyond: float, side: Side) -> None:
    scene = Scene(OUTSIDE, rules_with())
    scene.trade(61000, at(1))
    assert [setup.name for setup in waiting(scene)] == ["3-?", "3-?"]
    for minute, price in enumerate((beyond, 61000, beyond), start=2):
        scene.trade(price, at(minute))
    assert scene.one(EntryTriggered).setup.side == side
    assert waiting(scene) == []


def test_lesson_06_07_a_rev_strat_that_breaks_is_never_a_2_2_and_not_traded_by_default() -> None:
    scene = Scene((*OUTSIDE, (61000, 61400, 59500, 60000), (60000, 61000, 59200, 59400)))
    scene.trade(60000, at(1))
    scene.trade(61001, at(2))
    assert (scene.one(EntryTriggered).name, scene.one(EntryTriggered).setup.family) == ("1-2D-2U", "rev-strat")
    assert scene.one(Rejected).gate == "not_traded"


def test_lesson_14_an_inside_bar_is_no_setup_until_it_closes() -> None:
    scene = Scene(INSIDE[:2])
    for minute, price in enumerate((61000, 61900, 60000, 61000), start=1):
        scene.trade(price, at(minute))
        assert waiting(scene) == []
    scene.trade(61000, at(60))
    assert [(setup.name, setup.setup_time) for setup in waiting(scene)] == [("2U-1-?", NOON)] * 2


def test_lesson_15_a_forming_2d_or_3_is_nobodys_setup_bar() -> None:
    scene = Scene(INSIDE)
    for minute, price in enumerate((61000, 59900, 62100, 61000), start=1):
        scene.trade(price, at(minute))
        assert all(setup.valid_from <= NOON for setup in waiting(scene))
    assert [trigger.setup.name for trigger in scene.events(EntryTriggered)] == ["2U-1-?"]
    scene.trade(61000, at(60))
    assert {setup.name for setup in waiting(scene)} == {"3-?"}


def test_lesson_19_the_target_of_a_3_is_the_same_from_the_setup_to_the_resting_order() -> None:
    scene = Scene(OUTSIDE, rules_with())
    scene.trade(61000, at(1))
    scene.trade(61600, at(2))
    (resting,) = (order.order for order in scene.sent(BROKER, PlaceOrder) if order.order.purpose == "target")
    targets = [
        scene.one(SetupsReplaced).setups[0].target,
        scene.one(EntryTriggered).setup.target,
        scene.one(PositionOpened).position.target,
        resting.price,
    ]
    assert targets == [Decimal("62422.5")] * 4


def flipped() -> Scene:
    """`2U-1-?`, whose bar before pointed up, breaks down."""
    scene = Scene(INSIDE, rules_with())
    scene.trade(61000, at(1))
    scene.trade(59900, at(2))
    return scene


def test_lesson_21_22_the_side_that_breaks_is_traded_with_its_own_stop_and_target() -> None:
    position = flipped().one(PositionOpened).position
    assert position.side == "short"
    assert (position.stop, position.target) == (Decimal(62000), Decimal(59500))
    assert position.target < position.entry_price < position.stop


def test_lesson_23_trigger_order_record_and_alert_name_the_side_that_broke() -> None:
    scene = flipped()
    opened = scene.one(PositionOpened)
    (entry,) = (event.order for event in scene.events(OrderAccepted) if event.order.purpose == "entry")
    notice = entry_notice(opened.position)
    assert (scene.one(EntryTriggered).setup.side, scene.one(EntryTriggered).name) == ("short", "2U-1-2D")
    assert (opened.position.side, opened.position.setup) == ("short", "2U-1-2D")
    assert entry.side == "sell"
    assert (notice["side"], notice["setup"]) == ("short", "2U-1-2D")


@pytest.mark.parametrize(
    ("rows", "on"),
    [
        (RISING, 62600),
        (FALLING, 57400),
        ((*AFTER_A_3, (61800, 62500, 60000, 62400)), 62600),
        ((*OUTSIDE, (60000, 61000, 58500, 58700), (58700, 60500, 58000, 58200)), 57900),
    ],
    ids=["2U-2U", "2D-2D", "3-2U-2U", "3-2D-2D"],
)
def test_lesson_28_the_break_that_continues_a_2_opens_no_trade(rows: tuple[Row, ...], on: float) -> None:
    scene = Scene(rows, rules_with())
    assert len(waiting(scene)) == 1
    scene.trade(rows[-1][3], at(1))
    scene.trade(on, at(2))
    assert scene.events(EntryTriggered) == []
    assert scene.one(Invalidated).reason == "opposite_broke"


def test_lesson_31_a_setup_traded_live_is_not_traded_again_as_a_completed_pattern() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    scene.run(Gap(BIP, at(5), "ids are missing"))
    scene.run(history(at(15), {"1h": bars(REVERSAL)}, {"1h": forming((61000, 61700, 60900, 61300), NOON)}))
    scene.trade(61700, at(16))
    scene.trade(61700, at(60))
    scene.trade(61900, at(61))
    assert len(scene.events(EntryTriggered)) == 1
    assert len(scene.events(PositionOpened)) == 1


def test_lesson_35_a_week_has_both_its_times_and_its_setups_count_from_the_close() -> None:
    rules = Rules(strat=StratRules(timeframes=("1w",), continuity={"1w": (("1w",), 1)}))
    monday = NOON.replace(day=2, hour=0)
    scene = Scene(rules=rules, closed={"1w": bars(REVERSAL, until=monday, timeframe="1w")})
    scene.trade(60000, at(1))
    scene.trade(60000, monday + timedelta(days=7))
    (week,) = [event.bar for event in scene.events(BarClosed) if event.bar.timeframe == "1w"]
    assert (week.open_time, week.close_time) == (monday, monday + timedelta(days=7))
    for setup in waiting(scene, "1w"):
        assert (setup.setup_time, setup.valid_from) == (monday, monday + timedelta(days=7))
        assert setup.valid_until == monday + timedelta(days=14)


def test_lesson_39_every_timeframe_has_its_setups_at_the_trade_that_closes_its_bar() -> None:
    names = ("1h", "4h", "1d", "1w")
    rules = Rules(strat=StratRules(timeframes=names, continuity={name: ((name,), 1) for name in names}))
    scene = Scene(
        rules=rules,
        closed={name: bars(REVERSAL, until=period(name, NOON)[0], timeframe=name) for name in names},
    )
    monday = NOON.replace(day=9, hour=0)
    for moment in (at(1), monday - timedelta(seconds=1), monday):
        scene.trade(60000, moment)
    replaced = [event for event in scene.kit.batches[-1].events if isinstance(event, SetupsReplaced)]
    assert [(event.timeframe, event.closed_at) for event in replaced] == [(name, monday) for name in names]
    assert {setup.name for event in replaced[-2:] for setup in event.setups} >= {"2D-1-?"}


@pytest.mark.parametrize(
    ("rows", "prices", "found"),
    [
        (INSIDE, (61000, 61900), ("magnitude", "0.1615 %", "≥ 0.5 %")),
        (INSIDE, (61000, 59900), ("reward_risk", "0.1904", "≥ 0.5")),
        (REVERSAL, (61600,), ("continuity", "0/1", "≥ 1/1")),
    ],
)
def test_lesson_40_a_rejection_says_its_rule_its_value_and_its_threshold(
    rows: tuple[Row, ...], prices: tuple[float, ...], found: tuple[str, str, str]
) -> None:
    scene = Scene(rows)
    for minute, price in enumerate(prices):
        scene.trade(price, at(minute))
    rejected = scene.one(Rejected)
    assert (rejected.gate, rejected.value, rejected.threshold) == found


# ── continuity ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_41_every_signal_carries_a_score_and_nothing_agreeing_is_0_of_4() -> None:
    scene = Scene(REVERSAL, Rules(strat=StratRules(timeframes=("1h",))))
    scene.trade(61600, at(1))
    assert {side: told.score for side, told in scene.one(SetupsReplaced).continuity.items()} == {
        "long": "0/4",
        "short": "0/4",
    }
    trigger = scene.one(EntryTriggered)
    assert trigger.at_trigger is not None
    assert (trigger.detection.score, trigger.at_trigger.score) == ("0/4", "0/4"), "the first trade is every open"
    assert (scene.one(Rejected).gate, scene.one(Rejected).value) == ("continuity", "0/4")


def day(yesterday: Row, today: Row) -> FrameBars:
    """The daily frame at noon."""
    return FrameBars("1d", bars([yesterday], until=MIDNIGHT, timeframe="1d"), forming(today, NOON, "1d"))


def test_lesson_44_a_day_that_broke_yesterdays_low_this_morning_counts_as_2d() -> None:
    told = (FrameBars("1h", bars(INSIDE), None), day((60000, 62500, 58500, 61000), (61000, 61900, 58000, 61200)))
    scene = Scene(rules=continuity_on("1d", "1h", needed=2, mode="type"), frames=told)
    scene.trade(61000, at(1))
    scene.trade(59900, at(2))
    trigger = scene.one(EntryTriggered)
    assert trigger.detection.agree == ("1d",)
    assert trigger.at_trigger is not None
    assert (trigger.at_trigger.side, trigger.at_trigger.agree) == ("short", ("1d", "1h"))


def test_lesson_46_every_frame_continuity_looks_at_is_fetched_and_known() -> None:
    rules = Rules(strat=StratRules(timeframes=tuple(CONTINUITY_FRAMES)))
    asked = {frame for frames, _ in rules.strat.continuity.values() for frame in frames}
    assert asked <= set(frames_needed(rules.strat))
    closed = {name: bars(REVERSAL, until=period(name, NOON)[0], timeframe=name) for name in asked}
    scene = Scene(rules=rules, closed=closed)
    readings = [reading for event in scene.events(SetupsReplaced) for reading in event.continuity.values()]
    assert len(readings) == 2 * len(CONTINUITY_FRAMES)
    assert [reading.unknown for reading in readings] == [()] * len(readings)


@pytest.mark.parametrize("timeframe", CONTINUITY_FRAMES)
def test_lesson_47_with_all_frames_aligned_a_trade_opens_on_each_timeframe(timeframe: str) -> None:
    rules = Rules(strat=StratRules(timeframes=(timeframe,)))
    told = tuple(
        FrameBars(name, (), forming((60000, 61000, 60000, 60900), NOON, name))
        if name != timeframe
        else FrameBars(name, bars(REVERSAL, until=period(name, NOON)[0], timeframe=name), None)
        for name in frames_needed(rules.strat)
    )
    scene = Scene(rules=rules, frames=told)
    scene.trade(61000, at(1))
    scene.trade(61600, at(2))
    position = scene.one(PositionOpened).position
    assert position.timeframe == timeframe
    assert position.at_trigger.frames == CONTINUITY_FRAMES[timeframe][0]
    assert position.at_trigger.full


def test_lesson_48_an_alignment_lost_between_detection_and_break_rejects_the_entry() -> None:
    """The day was a 2U at noon; by the break it has taken yesterday's low too and is a red 3."""
    told = (FrameBars("1h", bars(REVERSAL), None), day((61000, 61200, 60200, 61000), (61800, 61900, 61000, 61400)))
    rules = continuity_on("1d", "1h", needed=2, mode="type")
    scene = Scene(rules=Rules(strat=rules.strat), frames=told)
    for minute, price in enumerate((61000, 60100, 61600), start=1):
        scene.trade(price, at(minute))
    trigger = scene.one(EntryTriggered)
    assert trigger.detection.agree == ("1d",)
    assert trigger.at_trigger is not None
    assert trigger.at_trigger.agree == ("1h",)
    assert (scene.one(Rejected).gate, scene.one(Rejected).value) == ("continuity", "1/2")
    assert scene.events(PositionOpened) == []


@pytest.mark.parametrize("mode", ["open", "type"])
@pytest.mark.parametrize(("price", "side"), [(61900, "long"), (59900, "short")])
def test_lesson_51_the_frame_detected_on_agrees_at_the_trigger(price: float, side: Side, mode: str) -> None:
    scene = Scene(INSIDE, continuity_on("1h", needed=1, mode=mode))
    scene.trade(61000, at(1))
    scene.trade(price, at(2))
    trigger = scene.one(EntryTriggered)
    assert trigger.detection.agree == ()
    assert trigger.at_trigger is not None
    assert (trigger.at_trigger.side, trigger.at_trigger.agree) == (side, ("1h",))


def test_lesson_52_a_trade_keeps_its_continuity_at_detection_and_at_entry() -> None:
    scene = Scene(REVERSAL)
    for minute, price in enumerate((61000, 61600, 58900), start=1):
        scene.trade(price, at(minute))
    for event in (scene.one(PositionOpened), scene.one(PositionClosed)):
        stored = msgspec.json.decode(msgspec.json.encode(event), type=type(event)).position
        assert (stored.detection.score, stored.at_trigger.score) == ("0/1", "1/1")
        assert stored.at_trigger.agree == ("1h",)
