"""Completeness of bars on the core: confirmed or contradicted by the exchange, and what hole and doubt forbid."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from actors.messages import (
    BarClosed,
    BarConfirmed,
    BarContradicted,
    ConfirmBars,
    DataVerified,
    EntryTriggered,
    ExchangeCandles,
    FrameBars,
    Gap,
    HoleFound,
    HoleRepaired,
    LoadHistory,
    MarketTime,
    OrderCancelled,
    PositionClosed,
    PositionDoubted,
    PositionOpened,
    Rejected,
    SetupsReplaced,
    SetupsRevised,
    Snapshot,
    decode,
    encode,
)
from actors.route import route
from actors.runtime.kit import Kit
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.recording import read
from actors.runtime.replay import replay
from atlas.market.bar import Bar
from atlas.rules import FillRules, Rules
from tests.actors.random_market import BEFORE, RULES, markets
from tests.actors.scene import BIP, NOON, REVERSAL, Row, Scene, at, bars, forming, history, rules_with

CLOSED = bars(REVERSAL)
HIGHER: Row = (61000, 62500, 59000, 59500)
"""C1 of REVERSAL as the exchange has it later: its high, the trigger, is 62500 and no 61500."""


def candles(*frames: tuple[Bar, ...]) -> ExchangeCandles:
    return ExchangeCandles(BIP, tuple(FrameBars(each[0].timeframe, each, None) for each in frames))


def revised(row: Row, place: int = -1) -> tuple[Bar, ...]:
    """The bars before noon, one of them as in `row`."""
    rows = list(REVERSAL)
    rows[place] = row
    return bars(rows)


def verified(scene: Scene) -> list[bool]:
    return [message.verified for message in scene.sent("entry_monitor", DataVerified)]


def asked(scene: Scene) -> list[str]:
    return [message.reason for message in scene.sent("history", LoadHistory)]


def entered() -> Scene:
    """A long by `2U-2D-?` is open; its trigger was 61500."""
    scene = Scene(rules=rules_with())
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert scene.one(PositionOpened).position.setup == "2U-2D-2U"
    return scene


# ── confirmed ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_at_its_close_a_bar_is_to_be_confirmed_with_the_two_before_it() -> None:
    scene = Scene()
    scene.bar((60000, 60500, 59500, 60200), NOON)
    assert scene.sent("history", ConfirmBars) == []
    scene.trade(60200, at(60))
    wanted = [message for message in scene.sent("history", ConfirmBars) if message.bars[0].timeframe == "1h"]
    assert [bar.open_time for bar in wanted[0].bars] == [at(-120), at(-60), NOON]
    assert wanted[0].bars[-1].close == Decimal(60200)


def test_a_bar_that_closes_in_a_hole_is_not_asked_for_before_it_is_repaired() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "ids are missing", reconnect=True))
    scene.run(MarketTime(at(61)))
    assert scene.sent("history", ConfirmBars) == []


def test_equal_candles_confirm_each_bar_once() -> None:
    scene = Scene()
    scene.run(MarketTime(at(1, 30)))
    scene.run(candles(CLOSED))
    scene.run(candles(CLOSED))
    told = scene.events(BarConfirmed)
    assert [(one.timeframe, one.open_time, one.at) for one in told] == [
        ("1h", bar.open_time, at(1, 30)) for bar in CLOSED
    ]
    assert verified(scene) == [True]


def test_volume_is_no_contradiction() -> None:
    scene = Scene()
    scene.run(candles(tuple(msgspec.structs.replace(bar, volume=Decimal(7)) for bar in CLOSED)))
    assert len(scene.events(BarConfirmed)) == len(CLOSED)


def test_a_bar_the_exchange_does_not_tell_of_stays_unconfirmed_and_stops_nobody() -> None:
    scene = Scene(rules=rules_with())
    scene.run(candles(CLOSED[:1]))
    assert [event.open_time for event in scene.events(BarConfirmed)] == [CLOSED[0].open_time]
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert len(scene.events(PositionOpened)) == 1


# ── contradicted ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
def test_any_other_price_contradicts(field: str) -> None:
    scene = Scene()
    other = msgspec.structs.replace(CLOSED[1], **{field: getattr(CLOSED[1], field) + Decimal("0.5")})
    scene.run(candles((CLOSED[0], other, CLOSED[2])))
    doubted = scene.one(BarContradicted)
    assert (doubted.ours, doubted.theirs, doubted.following) == (CLOSED[1], other, (CLOSED[2].open_time,))
    assert len(scene.events(BarConfirmed)) == 2


def test_a_contradicted_bar_voids_its_setups_until_the_exchanges_has_replaced_it() -> None:
    scene = Scene(rules=rules_with())
    setup = scene.one(SetupsReplaced).setups[0]
    scene.trade(61000, at(1))
    scene.run(candles(revised(HIGHER)))
    assert scene.one(BarContradicted).void == (setup.id,)
    assert (verified(scene), asked(scene)) == ([True, False], ["contradicted: 1h"])
    again = scene.events(SetupsReplaced)[-1]
    assert (again.verified, again.revision, again.setups) == (False, 1, (setup,))
    scene.trade(61600, at(2))
    assert scene.one(EntryTriggered).setup.id == setup.id
    assert scene.one(Rejected).gate == "data_unverified"
    assert scene.events(PositionOpened) == []


def test_its_repair_takes_the_exchanges_bar_and_tells_what_that_has_changed() -> None:
    scene = Scene(rules=rules_with())
    scene.trade(61000, at(1))
    scene.run(candles(revised(HIGHER)))
    scene.run(history(at(2), {"1h": revised(HIGHER)}, {"1h": forming((61000, 61000, 61000, 61000), NOON)}))
    closed = scene.one(BarClosed)
    assert (closed.bar, closed.repaired, closed.verified) == (revised(HIGHER)[-1], True, True)
    assert closed.revision > 0
    told = scene.one(SetupsRevised)
    assert (told.closed_at, told.at) == (NOON, at(2))
    assert [(setup.name, setup.trigger) for setup in told.before] == [("2U-2D-?", Decimal(61500))]
    assert [setup.trigger for setup in told.after] == [Decimal(62500)]
    assert verified(scene) == [True, False, True]
    scene.trade(61600, at(3))
    assert scene.events(EntryTriggered) == []


def test_a_revised_bar_whose_trigger_is_long_broken_is_missed_and_that_is_recorded() -> None:
    """What the late candle would have changed: a trigger there was, at a level ATLAS did not know."""
    lower: Row = (61000, 61200, 59000, 59500)
    scene = Scene(rules=rules_with())
    scene.trade(61000, at(1))
    scene.trade(61300, at(2))
    assert scene.events(EntryTriggered) == []
    scene.run(candles(revised(lower)))
    scene.run(history(at(3), {"1h": revised(lower)}, {"1h": forming((61000, 61300, 61000, 61300), NOON)}))
    assert scene.one(SetupsRevised).after[0].trigger == Decimal(61200)
    assert scene.one(EntryTriggered).missed
    assert scene.one(Rejected).gate == "missed"


def test_a_contradiction_that_repair_does_not_bear_out_ends_all_the_same() -> None:
    scene = Scene(rules=rules_with())
    scene.run(candles(revised(HIGHER)))
    scene.run(history(at(1), {"1h": CLOSED}))
    assert (scene.one(BarClosed).bar, scene.one(BarClosed).repaired) == (CLOSED[-1], True)
    told = scene.one(SetupsRevised)
    assert told.before == told.after
    scene.trade(61000, at(2))
    scene.trade(61600, at(3))
    assert len(scene.events(PositionOpened)) == 1


def test_a_bar_in_doubt_is_not_contradicted_once_more() -> None:
    scene = Scene()
    scene.run(candles(revised(HIGHER)))
    scene.run(candles(revised(HIGHER)))
    assert len(scene.events(BarContradicted)) == 1


def test_a_candle_where_no_trade_was_seen_is_a_contradiction() -> None:
    scene = Scene(closed={"1h": (CLOSED[0], CLOSED[2])})
    scene.run(candles(CLOSED))
    doubted = scene.one(BarContradicted)
    assert (doubted.ours, doubted.theirs) == (None, CLOSED[1])
    scene.run(history(at(1), {"1h": CLOSED}))
    assert [(event.bar, event.repaired) for event in scene.events(BarClosed)] == [(CLOSED[1], True)]


def test_bars_older_than_those_kept_are_passed_over() -> None:
    scene = Scene()
    scene.run(candles(bars(REVERSAL, until=at(-60 * 24))))
    assert scene.events(BarConfirmed) == scene.events(BarContradicted) == []


# ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", [-1, -2, -3], ids=["C1", "C2", "the bar that types C2"])
def test_a_position_entered_on_a_contradicted_bar_is_flagged_and_told_once(place: int) -> None:
    scene = entered()
    row = list(REVERSAL[place])
    row[3] += 100
    scene.run(candles(revised(row, place)))
    scene.run(history(at(6), {"1h": CLOSED}, {"1h": forming((61000, 61600, 61000, 61600), NOON)}))
    scene.run(candles(revised(row, place)))
    told = {event.key for event in scene.events(PositionDoubted)}
    assert told == {f"doubted:{scene.one(PositionOpened).position.id}"}
    doubted = scene.events(PositionDoubted)[0]
    assert doubted.open_time == CLOSED[place].open_time
    assert f"{CLOSED[place].open_time:%H:%M} UTC" in doubted.text


def test_the_entry_bar_itself_counts() -> None:
    scene = entered()
    scene.trade(61500, at(60, 1))
    made = scene.events(BarClosed)[-1].bar
    assert made.open_time == NOON
    scene.run(candles((*CLOSED[1:], msgspec.structs.replace(made, high=Decimal(61500)))))
    assert len(scene.events(PositionDoubted)) == 1


def test_a_bar_the_setup_was_not_read_from_flags_nothing() -> None:
    older = bars([*REVERSAL[:1], *REVERSAL])
    scene = Scene(rules=rules_with(), closed={"1h": older})
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    other = msgspec.structs.replace(older[0], close=older[0].close + 100)
    scene.run(candles((other, *older[1:])))
    assert len(scene.events(BarContradicted)) == 1
    assert scene.events(PositionDoubted) == []


def test_its_stop_goes_on() -> None:
    scene = entered()
    scene.run(candles(revised(HIGHER)))
    scene.trade(58900, at(7))
    assert scene.one(PositionClosed).position.exit_reason == "stop"


def test_an_entry_on_its_way_is_called_back() -> None:
    rules = msgspec.structs.replace(rules_with(), fills=FillRules(latency_ms=60_000))
    scene = Scene(rules=rules)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    scene.run(candles(revised(HIGHER)))
    assert scene.one(Rejected).gate == "data_unverified"
    assert len(scene.events(OrderCancelled)) == 1
    scene.trade(61650, at(7))
    assert scene.events(PositionOpened) == []
    assert scene.undisturbed


# ── holes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hole_is_told_with_its_reason_and_its_repair() -> None:
    scene = Scene()
    scene.trade(60000, at(1))
    scene.run(Gap(BIP, at(1), "ids 7 to 9 are missing"))
    scene.run(Gap(BIP, at(1), "ids 11 to 12 are missing"))
    hole = scene.one(HoleFound)
    assert (hole.at, hole.since, hole.reason) == (at(1), at(1), "ids 7 to 9 are missing")
    assert [event.at for event in scene.events(HoleRepaired)] == [NOON]
    scene.run(history(at(2), {"1h": CLOSED}))
    assert [event.at for event in scene.events(HoleRepaired)] == [NOON, at(2)]


@pytest.mark.parametrize("minute", [-90, -30, 2], ids=["in C2", "in C1", "in the entry bar"])
@pytest.mark.parametrize("repaired", [False, True])
def test_no_entry_passes_with_a_hole(minute: float, repaired: bool) -> None:
    """The hole lies in C2, in C1 or in the entry bar; the same break is entered only once REST has filled it."""
    c2, c1 = REVERSAL[1], REVERSAL[2]
    scene = Scene(rules=rules_with(), closed={"1h": bars(REVERSAL[:1], until=at(-120))}, begin=at(-120))
    holes = {-90: at(-90), -30: at(-30), 2: at(2)}
    for row, opened in ((c2, at(-120)), (c1, at(-60)), ((61000, 61000, 61000, 61000), NOON)):
        path = (row[0], row[2], row[1], row[3]) if row[3] >= row[0] else (row[0], row[1], row[2], row[3])
        for quarter, price in enumerate(path[:1] if opened == NOON else path):
            scene.trade(price, opened + timedelta(minutes=15 * quarter))
            if opened <= holes[int(minute)] < opened + timedelta(hours=1) and quarter == 0:
                scene.run(Gap(BIP, None, "ids are missing"))
    if repaired:
        now = {"1h": forming((61000, 61000, 61000, 61000), NOON)}
        scene.run(history(at(3), {"1h": CLOSED}, now))
    scene.trade(61600, at(5))
    opened_at = [event.position.entry_time for event in scene.events(PositionOpened)]
    gates = [event.gate for event in scene.events(Rejected) if event.at == at(5)]
    assert (opened_at, gates) == (([at(5)], []) if repaired else ([], ["data_unverified"]))


@settings(max_examples=40, deadline=None)
@given(markets(least=40))
def test_every_entry_rests_on_bars_that_are_verified_or_repaired(market: list[Any]) -> None:
    """Whatever is lost, late, replayed, repaired or contradicted: C1, C2 and the entry bar are whole at the entry."""
    scene = Scene(rules=RULES, closed=BEFORE)
    whole, known, read_from = True, dict[tuple[str, Any], bool](), dict[str, tuple[Bar, ...]]()
    seen = 0
    for message in market:
        scene.run(message)
        for sent in scene.kit.sent[seen:]:
            match sent.message:
                case DataVerified(verified=verified):
                    whole = verified
                case BarClosed(bar=bar, verified=verified):
                    known[bar.timeframe, bar.open_time] = verified
                case BarContradicted(theirs=bar):
                    known[bar.timeframe, bar.open_time] = False
                case SetupsReplaced() as replaced:
                    read_from |= {setup.id: replaced.bars for setup in replaced.setups}
                case PositionOpened(position=position):
                    assert whole
                    assert read_from[position.id]
                    assert all(known.get((bar.timeframe, bar.open_time), True) for bar in read_from[position.id])
        seen = len(scene.kit.sent)


# ── recorded and replayed ───────────────────────────────────────────────────────────────────────────────────────────


def test_confirmations_are_inputs_a_replay_gives_the_same_to_the_byte(tmp_path: Path) -> None:
    codec, rules = Codec(encode=encode, decode=decode), rules_with()
    recorder = Recorder(tmp_path, codec, clock=lambda: NOON)
    recorder.start(1)
    kit = Kit(Scene.roles(rules), route, outside=["history", "rest_prices"], recorder=recorder)
    scene = Scene(rules=rules, kit=kit)
    scene.run(candles(CLOSED[:2]))
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    scene.run(candles(revised(HIGHER)))
    scene.run(Snapshot(BIP, at(6), None))
    scene.run(history(at(6), {"1h": revised(HIGHER)}, {"1h": forming((61000, 61600, 61000, 61600), NOON)}))
    scene.trade(61700, at(60, 1))
    recorder.stop(1)
    told = {type(event).__name__ for batch in scene.kit.batches for event in batch.events}
    assert {"BarConfirmed", "BarContradicted", "PositionDoubted", "SetupsRevised", "HoleRepaired"} <= told
    again = replay(read(tmp_path), Scene.roles(rules), route, codec)
    written = [encode(batch) for batch in scene.kit.batches if batch.number > 1]
    assert [encode(batch) for batch in again] == written


def test_the_rules_do_not_hang_on_it() -> None:
    """A confirmation decides nothing by itself: with none of them every decision is the same."""
    with_, without = Scene(rules=Rules()), Scene(rules=Rules())
    with_.run(candles(CLOSED))
    for scene in (with_, without):
        scene.trade(61000, at(1))
        scene.trade(61600, at(5))
    kinds = (EntryTriggered, Rejected, PositionOpened, SetupsReplaced)
    assert [with_.events(kind) for kind in kinds] == [without.events(kind) for kind in kinds]
