"""Full timeframe continuity: each turn is an event; the owner is told of a side that has held and is news."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.messages import (
    ContinuityFlipped,
    ContinuityHeld,
    EntryTriggered,
    Gap,
    HoldDue,
    MarketTime,
    PositionOpened,
    Rejected,
    SetupsReplaced,
    Snapshot,
    decode,
    encode,
)
from actors.roles import CoreStates
from actors.scanner_frames import Remembered
from actors.scanner_full import FullWatch
from atlas.market.bar import Bar
from atlas.rules import AlertRules, Rules
from atlas.strat.continuity import FULL_FRAMES, FullContinuity, full_side
from atlas.strat.setup import Side
from tests.actors.scene import BIP, HOURLY, NOON, REVERSAL, RULES, Row, Scene, at, bars, forming, history

OPENS = {"1M": 60000, "1w": 60500, "1d": 61000}
"""Of the periods that are there at noon; the hour opens with its first trade."""
BEFORE = {"1h": bars(REVERSAL)}


def market(price: float, *, hour: Row, moment: datetime = NOON) -> dict[str, Bar]:
    """The forming bars of the four frames, the price where it is told."""
    rows: dict[str, Row] = {
        name: (opened, max(opened, price), min(opened, price), price) for name, opened in OPENS.items()
    }
    return {name: forming(row, moment, name) for name, row in (rows | {"1h": hour}).items()}


def scene(price: float = 60700, *, rules: Rules = RULES, states: CoreStates | None = None) -> Scene:
    """A market found at that price, between the opens unless told otherwise; the hour opened at 61200."""
    found = Scene(rules=rules, states=states, joined=False)
    row = (61200, max(61200, price), min(61200, price), price)
    found.run(history(NOON, BEFORE, market(price, hour=row)))
    found.run(Snapshot(BIP, NOON, None))
    return found


def turns(found: Scene) -> list[tuple[Side | None, str]]:
    return [(event.after, event.turn) for event in found.events(ContinuityFlipped)]


def told(found: Scene) -> list[tuple[Side, datetime]]:
    return [(event.side, event.at) for event in found.events(ContinuityHeld)]


# ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_price_beyond_all_four_opens_has_full_continuity_and_every_turn_is_told() -> None:
    found = scene()
    assert turns(found) == []
    for minute, price in enumerate((61200, 61201, 61300, 60999, 60500, 59999, 60000, 61500), start=1):
        found.trade(price, at(minute))
    assert turns(found) == [
        ("long", "gained"), (None, "lost"), ("short", "flipped"), (None, "lost"), ("long", "flipped")
    ]  # fmt: skip
    first = found.events(ContinuityFlipped)[0]
    assert (first.symbol, first.at, first.before, first.price, first.count) == (BIP, at(2), None, Decimal(61201), 1)


def test_a_new_hour_opens_at_its_first_trade_which_agrees_with_neither() -> None:
    found = scene()
    for moment, price in ((at(1), 61500), (at(60), 61500), (at(60, 1), 61600)):
        found.trade(price, moment)
    assert turns(found) == [("long", "gained"), (None, "lost"), ("long", "gained")]


def test_nothing_is_read_while_the_product_is_unverified() -> None:
    found = scene()
    found.run(Gap(BIP, at(1), "ids are missing"))
    found.trade(61500, at(2))
    assert turns(found) == []
    row = (61200, 61500, 61000, 61500)
    found.run(history(at(2), BEFORE, market(61500, hour=row, moment=at(2))))
    assert turns(found) == [("long", "gained")]


def test_a_month_that_is_not_known_from_its_open_on_leaves_it_unknown() -> None:
    found = scene()
    state = found.kit.state(f"scanner:{BIP}")
    state.frames["1M"].whole_from = at(60 * 24 * 30)
    found.trade(61500, at(60))
    found.trade(61600, at(61))
    assert turns(found) == []


def test_it_is_read_from_the_opens_also_where_continuity_is_by_types() -> None:
    found = scene(rules=Rules(strat=msgspec.structs.replace(HOURLY, continuity_mode="type")))
    found.trade(61500, at(1))
    assert turns(found) == [("long", "gained")]


def test_watched_or_not_the_setups_and_trades_are_the_same() -> None:
    happened = []
    for watched in (True, False):
        found = scene(rules=Rules(strat=HOURLY, alerts=AlertRules(full_continuity=watched)))
        for minute, price in enumerate((61201, 60999, 62100, 59999)):
            found.trade(price, at(minute))
        assert bool(found.events(ContinuityFlipped)) is watched
        happened.append([found.events(kind) for kind in (SetupsReplaced, EntryTriggered, Rejected, PositionOpened)])
    assert happened[0] == happened[1]
    assert happened[0][1]


def test_what_is_only_told_is_no_part_of_the_rules_fingerprint() -> None:
    assert Rules(alerts=AlertRules(full_continuity=False)).fingerprint() == Rules().fingerprint()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from((1, 40, 1500, 4000)), st.integers(-3, 3)), min_size=1, max_size=40))
def test_the_side_is_at_every_trade_that_of_the_four_frames(steps: list[tuple[int, int]]) -> None:
    found, moment, price = scene(), NOON, 60700
    for seconds, move in steps:
        moment, price = moment + timedelta(seconds=seconds), price + 250 * move
        found.trade(price, moment)
        state = found.kit.state(f"scanner:{BIP}")
        views = [state.frames[name].view(moment) for name in FULL_FRAMES]
        assert state.full.side == full_side(Decimal(price), views)
    assert found.undisturbed


# ── what the owner is told ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_side_that_has_held_for_a_minute_is_told_once() -> None:
    found = scene()
    found.trade(61500, at(1))
    found.run(MarketTime(at(1, 59.9)))
    assert told(found) == []
    found.run(MarketTime(at(2)))
    event = found.one(ContinuityHeld)
    assert (event.symbol, event.side, event.since, event.at, event.before) == (BIP, "long", at(1), at(2), None)
    found.run(MarketTime(at(50)))
    assert len(told(found)) == 1


def test_a_side_that_does_not_hold_is_not_told() -> None:
    found = scene()
    found.trade(61500, at(1))
    found.trade(60700, at(1, 59))
    found.run(MarketTime(at(30)))
    assert told(found) == []


def test_a_side_that_came_back_counts_from_then() -> None:
    found = scene()
    for moment, price in ((at(1), 61500), (at(1, 30), 60700), (at(1, 50), 61500)):
        found.trade(price, moment)
    found.run(MarketTime(at(20)))
    event = found.one(ContinuityHeld)
    assert (event.since, event.at) == (at(1, 50), at(2, 50))


def test_a_price_that_dances_on_an_open_tells_the_side_once_it_stays() -> None:
    found = scene()
    for second in range(200):
        found.trade(61201 + 100 * (second % 2) - 50, at(1, second * 10))
    assert len(turns(found)) == 199
    assert told(found) == []
    found.run(MarketTime(at(90)))
    assert [side for side, _ in told(found)] == ["long"]


def test_the_hourly_new_open_does_not_tell_the_side_again() -> None:
    found = scene()
    found.trade(61500, at(1))
    for hour in range(1, 6):
        found.trade(61500 + hour, at(60 * hour))
        found.trade(61510 + hour, at(60 * hour, 30))
    found.run(MarketTime(at(60 * 5 + 59)))
    assert [side for side, _ in told(found)] == ["long"]


def test_a_flip_is_told_with_the_side_before() -> None:
    found = scene()
    found.trade(61500, at(1))
    found.trade(59900, at(5))
    found.run(MarketTime(at(10)))
    assert told(found) == [("long", at(2)), ("short", at(6))]
    assert found.events(ContinuityHeld)[-1].before == "long"


def test_each_side_is_told_once_an_hour_and_then_if_it_still_holds() -> None:
    found = scene()
    for minute, price in ((1, 61500), (5, 59900), (10, 61500), (15, 59900), (20, 61500)):
        found.trade(price, at(minute))
    found.run(MarketTime(at(59)))
    assert told(found) == [("long", at(2)), ("short", at(6))]
    found.run(MarketTime(at(63)))
    assert told(found)[2:] == [("long", at(62))]


def test_a_side_regained_after_a_real_loss_is_told_again_but_not_within_the_hour() -> None:
    found = scene()
    found.trade(61500, at(1))
    found.trade(60700, at(10))
    found.trade(61500, at(20))
    found.run(MarketTime(at(55)))
    assert told(found) == [("long", at(2))]
    found.trade(61500, at(62, 10))
    found.trade(61600, at(62, 11))
    found.run(MarketTime(at(70)))
    assert told(found) == [("long", at(2))], "known since twenty past, and the new hour is no loss"
    found.trade(60700, at(71))
    found.trade(61600, at(130))
    found.trade(61700, at(131))
    found.run(MarketTime(at(140)))
    assert told(found)[1:] == [("long", at(132))]


def test_a_short_excursion_to_the_other_side_is_not_told_and_neither_is_the_return() -> None:
    found = scene()
    found.trade(61500, at(1))
    found.run(MarketTime(at(2)))
    found.trade(59900, at(80))
    found.trade(61700, at(80, 30))
    found.trade(61800, at(80, 31))
    found.run(MarketTime(at(100)))
    assert told(found) == [("long", at(2))]


def test_the_side_the_market_is_found_on_at_the_first_start_is_no_news() -> None:
    found = scene(61500)
    assert turns(found) == [("long", "gained")]
    assert found.one(ContinuityFlipped).first
    found.run(MarketTime(at(30)))
    assert told(found) == []
    found.trade(59900, at(31))
    found.run(MarketTime(at(33)))
    assert [side for side, _ in told(found)] == ["short"]


def test_no_second_timer_is_armed_while_one_is_on_its_way() -> None:
    found = scene()
    for second in range(50):
        found.trade(61500 if second % 2 else 60700, at(1, second))
    pending = [timer for timer in found.kit.core._timers.pending if isinstance(timer.message, HoldDue)]
    assert len(pending) == 1


# ── restarts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def remembered(side: Side | None, *, told: Side | None = "long") -> CoreStates:
    watch = FullWatch(
        FullContinuity(side, "long"), since=at(-90), turns=7, begun=True, told=told,
        told_at={} if told is None else {told: at(-80)}, left_at=None if side == told else at(-90),
    )  # fmt: skip
    return CoreStates(remembered={BIP: Remembered(full=watch)})


def test_after_a_restart_the_same_side_is_no_turn_and_is_not_told_again() -> None:
    found = scene(61500, states=remembered("long"))
    found.run(MarketTime(at(30)))
    assert (turns(found), told(found)) == ([], [])


def test_a_flip_while_atlas_was_down_is_told_when_it_has_held() -> None:
    found = scene(59900, states=remembered("long"))
    assert turns(found) == [("short", "flipped")]
    assert found.one(ContinuityFlipped).count == 8
    found.run(MarketTime(at(30)))
    assert told(found) == [("short", at(1))]


def test_a_side_not_told_before_the_restart_is_told_after_it() -> None:
    found = scene(61500, states=remembered("long", told="short"))
    assert turns(found) == []
    found.run(MarketTime(at(30)))
    assert [side for side, _ in told(found)] == ["long"]


@pytest.mark.parametrize("hold", [0.0, 600.0])
def test_how_long_it_has_to_hold_is_a_setting(hold: float) -> None:
    found = scene(rules=Rules(strat=HOURLY, alerts=AlertRules(full_continuity_hold_seconds=hold)))
    found.trade(61500, at(1))
    found.run(MarketTime(at(30)))
    assert found.one(ContinuityHeld).at - at(1) == timedelta(seconds=max(hold, 1e-6))


def test_the_events_have_keys_of_their_own_and_survive_being_written() -> None:
    found = scene()
    for minute, price in ((1, 61500), (5, 59900), (9, 61500)):
        found.trade(price, at(minute))
    found.run(MarketTime(at(30)))
    events = [*found.events(ContinuityFlipped), *found.events(ContinuityHeld)]
    assert len({event.key for event in events}) == len(events)
    assert [decode(encode(event)) for event in events] == events
