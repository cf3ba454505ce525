"""The scanner and its history: joining the feed at the start, holes and their repair, what nobody saw."""

from datetime import timedelta
from decimal import Decimal

import pytest

from actors.messages import (
    BarClosed,
    DataVerified,
    EntryTriggered,
    Gap,
    HistoryFailed,
    Invalidated,
    LoadHistory,
    MarketTime,
    Rejected,
    SetupsReplaced,
    Snapshot,
)
from atlas.rules import Rules, StratRules
from tests.actors.scene import BIP, INSIDE, NOON, REVERSAL, Scene, at, bars, forming, history

BEFORE = {"1h": bars(REVERSAL)}


def verified(scene: Scene) -> list[bool]:
    return [message.verified for message in scene.sent("entry_monitor", DataVerified)]


def asked(scene: Scene) -> list[str]:
    return [message.reason for message in scene.sent("history", LoadHistory)]


def reconnect(scene: Scene, lost: float, back: float) -> None:
    """Lose the connection and have it again, minutes after noon."""
    scene.run(MarketTime(at(lost)))
    scene.run(Gap(BIP, None, "the line is dead", reconnect=True))
    scene.run(Snapshot(BIP, at(back), None))


# ── the start ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_setup_is_handed_out_before_history_and_feed_have_met() -> None:
    scene = Scene(joined=False)
    assert scene.sent("entry_monitor", SetupsReplaced) == []
    scene.run(Snapshot(BIP, NOON, None))
    assert [setup.name for setup in scene.one(SetupsReplaced).setups] == ["2U-2D-?"]
    assert scene.one(SetupsReplaced).verified


@pytest.mark.parametrize(
    ("taken", "oldest", "meets"),
    [(5, None, True), (0, None, False), (0, -2, True), (0, -1.9, False), (4.9, 4, False), (4.9, 2.9, True)],
)
def test_a_start_is_whole_when_the_replayed_trades_reach_back_before_the_history(
    taken: float, oldest: float | None, meets: bool
) -> None:
    """Snapshot at 5 s; the history is as of `taken`, the replayed trades begin at `oldest`, all in seconds."""
    scene = Scene(joined=False)
    scene.run(history(at(0, taken), BEFORE))
    scene.run(Snapshot(BIP, at(0, 5), None if oldest is None else at(0, oldest)))
    assert verified(scene) == [meets]
    assert asked(scene) == ([] if meets else ["partial start"])


def test_a_partial_start_is_repaired_by_the_next_history() -> None:
    scene = Scene(joined=False)
    scene.run(Snapshot(BIP, at(0, 30), None))
    scene.trade(61600, at(0, 31))
    scene.run(history(at(0, 35), BEFORE, {"1h": forming((61000, 61600, 61000, 61600), NOON)}))
    assert verified(scene) == [False, True]
    assert scene.one(EntryTriggered).missed
    assert scene.one(Rejected).gate == "missed"


def test_a_connection_lost_before_the_first_snapshot_leaves_nothing_open() -> None:
    scene = Scene(joined=False)
    scene.run(Gap(BIP, None, "lost at once", reconnect=True))
    scene.run(Snapshot(BIP, at(0, 40), None))
    assert asked(scene) == ["partial start"]
    scene.run(history(at(0, 41), BEFORE))
    assert verified(scene)[-1] is True


def test_a_later_history_before_the_feed_replaces_the_first() -> None:
    scene = Scene(INSIDE, joined=False)
    scene.run(history(NOON, BEFORE))
    scene.run(Snapshot(BIP, NOON, None))
    assert [setup.name for setup in scene.one(SetupsReplaced).setups] == ["2U-2D-?"]


def test_the_same_history_twice_changes_nothing() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    before = len(scene.kit.batches)
    scene.run(history(NOON, BEFORE))
    scene.run(history(at(2), BEFORE, {"1h": forming((1, 1, 1, 1), NOON)}))
    assert len(scene.kit.batches) == before
    assert scene.kit.state(f"scanner:{BIP}").frames["1h"].forming.open == Decimal(60000)


def test_what_the_history_has_counted_is_not_counted_again() -> None:
    scene = Scene(joined=False)
    scene.run(history(at(1), BEFORE, {"1h": forming((60000, 60100, 59900, 60000), NOON)}))
    scene.trade(60000, at(0, 59), source="snapshot", size=Decimal(7))
    scene.trade(60000, at(1, 1), source="snapshot", size=Decimal(5))
    scene.run(Snapshot(BIP, at(1, 2), at(0, 58)))
    scene.run(MarketTime(at(62)))
    assert scene.one(BarClosed).bar.volume == Decimal(6)


# ── holes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gap_leaves_the_product_unverified_until_a_history_taken_after_it() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "ids 7 to 9 are missing"))
    assert (verified(scene), asked(scene)) == ([True, False], ["ids 7 to 9 are missing"])
    scene.run(history(at(0, 59), BEFORE))
    assert verified(scene) == [True, False]
    assert asked(scene)[-1] == "the candles were older than the hole"
    scene.run(history(at(1), BEFORE))
    assert verified(scene) == [True, False, True]


def test_a_gap_lasts_until_the_trade_that_showed_it() -> None:
    """What was lost printed before that trade, maybe after the market time at which the gap was noticed."""
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "ids are missing"))
    scene.trade(60000, at(1, 10))
    scene.run(history(at(1, 5), BEFORE))
    assert verified(scene)[-1] is False
    scene.run(history(at(1, 10), BEFORE))
    assert verified(scene)[-1] is True


def test_a_lost_connection_is_a_hole_until_the_next_snapshot() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "the line is dead", reconnect=True))
    assert asked(scene) == []
    scene.run(history(at(3), BEFORE))
    assert verified(scene)[-1] is False
    scene.run(Snapshot(BIP, at(5), None))
    assert asked(scene) == ["reconnected"]
    scene.run(history(at(4, 59), BEFORE))
    assert verified(scene)[-1] is False
    scene.run(history(at(5), BEFORE))
    assert verified(scene)[-1] is True


def test_lost_ids_in_the_first_frame_after_a_reconnect_do_not_end_the_hole() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "the line is dead", reconnect=True))
    scene.run(Gap(BIP, at(1), "ids are missing"))
    assert asked(scene) == []
    scene.run(history(at(2), BEFORE))
    assert verified(scene)[-1] is False
    scene.run(Snapshot(BIP, at(5), None))
    scene.run(history(at(5), BEFORE))
    assert verified(scene)[-1] is True


def test_a_history_that_cannot_be_had_leaves_the_product_unverified() -> None:
    scene = Scene()
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.run(HistoryFailed(BIP, "503"))
    assert verified(scene)[-1] is False
    assert scene.undisturbed


def test_an_entry_inside_a_hole_is_rejected() -> None:
    scene = Scene()
    scene.trade(61000, at(1))
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.trade(61600, at(2))
    assert scene.one(Rejected).gate == "data_unverified"


def test_setups_of_a_bar_with_a_hole_are_unverified_until_they_are_derived_again() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.trade(60500, at(60))
    assert not scene.events(SetupsReplaced)[-1].verified
    whole = bars([*REVERSAL, (60000, 61200, 59800, 60400)], until=at(60))
    scene.run(history(at(61), {"1h": whole}, {"1h": forming((60500, 60500, 60500, 60500), at(60))}))
    last = scene.events(SetupsReplaced)[-1]
    assert (last.verified, last.closed_at, last.revision) == (True, at(60), 1)
    assert last.setups[0].trigger == Decimal(61200)


def test_a_bar_replaced_by_the_repair_is_told_again_with_a_key_of_its_own() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.trade(60500, at(60))
    for high in (61200, 61300):
        whole = bars([*REVERSAL, (60000, high, 59800, 60400)], until=at(60))
        scene.run(history(at(61), {"1h": whole}, {"1h": forming((60500, 60500, 60500, 60500), at(60))}))
        scene.run(Gap(BIP, None, "again"))
    told = scene.events(BarClosed)
    assert [(event.bar.high, event.verified) for event in told] == [
        (Decimal(60000), False), (Decimal(61200), True), (Decimal(61300), True)
    ]  # fmt: skip
    assert len({event.key for event in told}) == 3


def test_a_bar_found_right_by_the_repair_is_told_again_as_verified() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.trade(60500, at(60))
    closed = scene.one(BarClosed).bar
    assert not scene.one(BarClosed).verified
    scene.run(history(at(61), {"1h": (*BEFORE["1h"], closed)}))
    assert [(event.bar, event.verified) for event in scene.events(BarClosed)] == [(closed, False), (closed, True)]


def test_a_bar_that_closed_inside_the_hole_is_listed_by_the_repair() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    reconnect(scene, lost=30, back=130)
    filled = bars([*REVERSAL, (60000, 61000, 59100, 60400), (60400, 61200, 59200, 61000)], until=at(120))
    scene.run(history(at(131), {"1h": filled}, {"1h": forming((61000, 61000, 61000, 61000), at(120))}))
    assert [(event.bar.close_time, event.type, event.verified) for event in scene.events(BarClosed)] == [
        (at(60), "1", False), (at(60), "1", True), (at(120), "2U", True)
    ]  # fmt: skip
    assert {setup.name for setup in scene.events(SetupsReplaced)[-1].setups} == {"1-2U-?"}


def test_trades_seen_after_the_candles_were_taken_are_joined_to_them() -> None:
    """A bar closes between the history's time and its arrival: both its halves are in it."""
    scene = Scene()
    scene.trade(60000, at(50))
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.trade(60100, at(59, 58))
    scene.trade(59900, at(59, 59.5))
    scene.trade(60050, at(60, 0.5))
    told = history(at(59, 59), BEFORE, {"1h": forming((60000, 60900, 59700, 60100), at(59))})
    scene.run(told)
    bar = scene.events(BarClosed)[-1].bar
    assert (bar.open, bar.high, bar.low, bar.close) == tuple(map(Decimal, (60000, 60900, 59700, 59900)))
    assert (bar.open_time, bar.close_time, bar.volume) == (NOON, at(60), Decimal(3))
    state = scene.kit.state(f"scanner:{BIP}").frames["1h"]
    assert (state.forming.open_time, state.forming.open) == (at(60), Decimal(60050))


def test_a_forming_bar_whose_period_is_over_when_it_arrives_closes_at_once() -> None:
    scene = Scene()
    scene.trade(60000, at(50))
    scene.run(Gap(BIP, None, "ids are missing"))
    scene.run(MarketTime(at(60, 3)))
    scene.run(history(at(59, 59), BEFORE, {"1h": forming((60000, 60900, 59700, 60100), at(59))}))
    assert scene.events(BarClosed)[-1].bar.high == Decimal(60900)
    assert scene.events(SetupsReplaced)[-1].closed_at == at(60)


# ── what nobody saw ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_29_a_break_before_the_start_is_recorded_as_missed_and_never_traded() -> None:
    scene = Scene(joined=False)
    scene.run(history(at(20), BEFORE, {"1h": forming((60000, 61600, 59900, 61000), NOON)}))
    scene.run(Snapshot(BIP, at(20), None))
    assert scene.one(EntryTriggered).missed
    assert scene.one(Rejected).gate == "missed"
    scene.trade(61700, at(21))
    assert len(scene.events(EntryTriggered)) == 1


def test_a_one_sided_setup_whose_opposite_broke_first_unseen_is_invalidated() -> None:
    scene = Scene(joined=False)
    scene.run(history(at(20), BEFORE, {"1h": forming((60000, 61600, 58900, 61000), NOON)}))
    scene.run(Snapshot(BIP, at(20), None))
    assert scene.one(Invalidated).reason == "opposite_broke"
    assert scene.events(EntryTriggered) == []


@pytest.mark.parametrize(("close", "first"), [(61000, "short"), (60500, "long")])
def test_of_two_unseen_breaks_the_candle_path_tells_which_came_first(close: float, first: str) -> None:
    """Close at or above the open: low before high."""
    scene = Scene(INSIDE, joined=False)
    seen = {"1h": forming((60800, 61900, 59900, close), NOON)}
    scene.run(history(at(20), {"1h": bars(INSIDE)}, seen))
    scene.run(Snapshot(BIP, at(20), None))
    assert scene.one(EntryTriggered).setup.side == first
    assert scene.one(Invalidated).reason == "sibling_triggered"


def test_a_break_in_a_reconnect_is_missed_and_one_seen_before_it_is_not_recorded_again() -> None:
    scene = Scene(INSIDE)
    scene.trade(61000, at(1))
    reconnect(scene, lost=2, back=10)
    scene.run(history(at(11), {"1h": bars(INSIDE)}, {"1h": forming((61000, 61900, 60900, 61000), NOON)}))
    assert scene.one(EntryTriggered).missed
    reconnect(scene, lost=12, back=20)
    scene.run(history(at(21), {"1h": bars(INSIDE)}, {"1h": forming((61000, 61900, 59000, 61000), NOON)}))
    assert len(scene.events(EntryTriggered)) == 1


def test_replayed_trades_beyond_a_trigger_are_never_traded() -> None:
    scene = Scene()
    scene.trade(61000, at(1))
    scene.run(Gap(BIP, at(1), "the line is dead", reconnect=True))
    scene.trade(61600, at(2), source="snapshot")
    scene.run(Snapshot(BIP, at(3), at(2)))
    assert scene.one(EntryTriggered).missed
    assert scene.one(Rejected).gate == "data_unverified"


def test_setups_that_lapsed_with_an_empty_period_are_not_missed_in_a_later_one() -> None:
    """Started at 13:20; nothing traded from noon to one, and the bar after that is nobody's entry bar."""
    scene = Scene(joined=False)
    scene.run(history(at(80), BEFORE, {"1h": forming((60000, 61600, 59900, 61000), at(60))}))
    scene.run(Snapshot(BIP, at(80), None))
    assert scene.one(SetupsReplaced).setups[0].valid_until == at(60)
    assert scene.one(SetupsReplaced).unseen is None
    assert scene.events(EntryTriggered) == []
    scene.trade(61700, at(81))
    assert scene.events(EntryTriggered) == []


def test_lesson_1_a_weekly_setup_waits_until_its_week_is_over() -> None:
    rules = Rules(strat=StratRules(timeframes=("1w",), continuity={"1w": (("1w",), 1)}))
    monday = NOON.replace(day=2, hour=0)
    weekly = {"1w": bars(REVERSAL, until=monday, timeframe="1w")}
    scene = Scene(rules=rules, closed=weekly)
    scene.trade(61600, monday + timedelta(days=6, hours=23, minutes=59))
    assert scene.one(EntryTriggered).setup.setup_time == monday - timedelta(days=7)
