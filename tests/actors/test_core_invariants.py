"""The invariants of architecture.md that speak of the core's behaviours, held against random markets."""

import tempfile
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from actors.messages import (
    AccountOpened,
    EntryTriggered,
    EventBatch,
    Filled,
    FundingPaid,
    Halt,
    PositionClosed,
    PositionOpened,
    Rejected,
    Retired,
    decode,
    encode,
)
from actors.route import route
from actors.runtime.kit import Kit
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.recording import Checkpoint, read
from actors.runtime.replay import replay
from actors.scanner import Scanner
from atlas.money.ledger import balance
from tests.actors.random_market import BEFORE, RULES, markets
from tests.actors.scene import BIP, NOON, REVERSAL, Scene, at, rules_with

CORE = ("paper_broker", "risk_monitor", "entry_monitor", f"scanner:{BIP}")
some = settings(max_examples=25, deadline=None)


def played(market: Iterable[Any], kit: Kit | None = None) -> Scene:
    scene = Scene(rules=RULES, closed=BEFORE, kit=kit)
    for message in market:
        scene.run(message)
    return scene


def written(batches: Iterable[EventBatch]) -> list[bytes]:
    return [encode(batch) for batch in batches]


def a_kit(**options: Any) -> Kit:
    return Kit(Scene.roles(RULES), route, outside=["history", "rest_prices"], **options)


# ── 1: exits depend on nobody else ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("crashing", [f"scanner:{BIP}", "entry_monitor"])
def test_a_crashing_scanner_or_entry_monitor_never_stops_a_stop(crashing: str) -> None:
    scene = Scene(REVERSAL, rules_with())
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    scene.kit.crash_at(crashing, lambda message: True, times=100)
    for minute in range(6, 12):
        scene.trade(61400, at(minute))
    scene.trade(58900, at(20))
    assert scene.one(PositionClosed).position.exit_reason == "stop"
    told = {type(sent.message) for sent in scene.kit.sent}
    assert (Retired in told) if crashing.startswith("scanner") else (Halt in told)


# ── 3: decisions depend on the inputs and their order ───────────────────────────────────────────────────────────────


@some
@given(markets())
def test_the_same_inputs_give_the_same_events_to_the_byte(market: list[Any]) -> None:
    assert written(played(market).kit.batches) == written(played(market).kit.batches)


@some
@given(markets(hours=10, least=40))
def test_a_core_that_goes_on_from_a_checkpoint_gives_the_same_events(market: list[Any]) -> None:
    codec = Codec(encode=encode, decode=decode)
    with tempfile.TemporaryDirectory() as directory:
        recorder = Recorder(Path(directory), codec, clock=lambda: NOON)
        recorder.start(1)
        live = played(market, a_kit(recorder=recorder))
        recorder.stop(1)
        records = list(read(Path(directory)))
    midnights = [
        n for n, record in enumerate(records) if isinstance(record, Checkpoint) and record.reason == "midnight"
    ]
    assume(midnights)
    later = list(replay(records[midnights[0] :], Scene.roles(RULES), route, codec))
    number = records[midnights[0]].number
    assert written(later) == written(batch for batch in live.kit.batches if batch.number > number)
    again = list(replay(records, Scene.roles(RULES), route, codec))
    assert written(again) == written(batch for batch in live.kit.batches if batch.number > 1)


@some
@given(markets())
def test_every_state_survives_being_written_and_read(market: list[Any]) -> None:
    scene = played([])
    for message in market:
        scene.run(message)
        for name in CORE:
            state = scene.kit.state(name)
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state)) == state


# ── 4: a crash at any message loses nothing and doubles nothing ─────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(markets(), st.sampled_from(CORE), st.integers(1, 150), st.sampled_from(["before", "after"]))
def test_a_crash_at_any_message_of_any_actor_gives_the_same_batches(
    market: list[Any], name: str, message: int, moment: Any
) -> None:
    undisturbed = played(market)
    kit = a_kit()
    kit.crash_at(name, message, moment=moment)
    assert written(played(market, kit).kit.batches) == written(undisturbed.kit.batches)


# ── holes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(markets(but=("late", "lost"), repaired=True))
def test_after_the_repair_the_bars_are_those_of_the_exchange(market: list[Any]) -> None:
    """Whatever was lost, replayed or loaded in between: as if the scanner had been started with that history."""
    lived, fresh = played(market).kit.state(f"scanner:{BIP}"), Scanner(BIP, RULES.strat)
    list(fresh.receive(market[-1].as_of, market[-1]))
    assert lived.verified
    for timeframe, frame in fresh.state.frames.items():
        found = lived.frames[timeframe]
        assert (found.series.types, found.setups, found.closed_until) == (
            frame.series.types, frame.setups, frame.closed_until
        )  # fmt: skip
        assert prices(found.series.last) == prices(frame.series.last)
        assert prices(found.forming) == prices(frame.forming)


def prices(bar: Any) -> Any:
    return None if bar is None else (bar.open_time, bar.open, bar.high, bar.low, bar.close)


# ── 6: every trigger ends as a trade or as one named rejection ──────────────────────────────────────────────────────


@some
@given(markets())
def test_triggers_are_trades_and_rejections(market: list[Any]) -> None:
    scene = played(market)
    triggered = Counter(event.setup.id for event in scene.events(EntryTriggered))
    ended = Counter(event.position.id for event in scene.events(PositionOpened))
    ended += Counter(event.setup_id for event in scene.events(Rejected))
    assert triggered == ended
    assert set(triggered.values()) <= {1}
    assert scene.undisturbed


@some
@given(markets())
def test_every_trigger_is_beyond_its_level_within_its_entry_bar(market: list[Any]) -> None:
    for trigger in played(market).events(EntryTriggered):
        setup = trigger.setup
        beyond = trigger.tick.price - setup.trigger
        assert beyond > 0 if setup.side == "long" else beyond < 0
        if not trigger.missed:
            assert setup.valid_from <= trigger.tick.time < setup.valid_until


@some
@given(markets())
def test_every_key_is_told_once(market: list[Any]) -> None:
    keys = Counter(event.key for batch in played(market).kit.batches for event in batch.events)
    keys = Counter({key: count for key, count in keys.items() if not key.startswith("command:")})
    assert [key for key, count in keys.items() if count > 1] == []


# ── 7: cash is the sum of the ledger ────────────────────────────────────────────────────────────────────────────────


@some
@given(markets())
def test_cash_is_the_sum_of_the_ledger_and_margin_that_of_the_open_positions(market: list[Any]) -> None:
    scene = Scene(rules=RULES, closed=BEFORE)
    for message in market:
        scene.run(message)
        broker, risk = scene.kit.state("paper_broker"), scene.kit.state("risk_monitor")
        open_margin = sum((holding.margin for holding in broker.holdings.values()), Decimal(0))
        assert broker.account.reserved == open_margin
        assert risk.account == broker.account
        held = {id_: managed.position for id_, managed in risk.positions.items()}
        assert {id_: (p.contracts, p.margin) for id_, p in held.items()} == {
            id_: (holding.contracts, holding.margin) for id_, holding in broker.holdings.items()
        }
        assert not risk.entering
        assert {order.position_id for order in broker.orders.values()} == set(held)
    moved = [*scene.events(AccountOpened), *scene.events(Filled), *scene.events(FundingPaid)]
    legs = [leg for event in moved for leg in event.legs]
    assert sum((leg.amount for leg in legs), Decimal(0)) == 0
    assert balance(legs, "cash") == broker.account.cash
    assert balance(legs, "margin_reserved") == broker.account.reserved
    closed = [event.position for event in scene.events(PositionClosed)]
    costs = sum((p.fees + p.funding - p.gross for p in [*closed, *held.values()]), Decimal(0))
    assert broker.account.cash == 10000 - costs


@some
@given(markets())
def test_no_position_is_left_before_it_was_entered(market: list[Any]) -> None:
    for event in played(market).events(PositionClosed):
        position = event.position
        assert position.exit_time is not None
        assert position.exit_time >= position.entry_time
        low, high = sorted((position.worst, position.best))
        assert low <= position.entry_reference <= high


def test_random_markets_reach_what_the_invariants_speak_of() -> None:
    """The properties would hold of markets in which nothing happens: these do trade, reject, stop and repair."""
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(markets(least=70, most=140))
    def look(market: list[Any]) -> None:
        scene = played(market)
        seen.update(type(event).__name__ for batch in scene.kit.batches for event in batch.events)
        seen.update(event.gate for event in scene.events(Rejected))
        seen.update(event.position.exit_reason or "" for event in scene.events(PositionClosed))

    look()
    wanted = {"PositionOpened", "stop", "target", "flatten", "missed", "data_unverified", "halted", "LateTrade",
              "FundingPaid", "Invalidated", "BarConfirmed", "BarContradicted", "SetupsRevised"}  # fmt: skip
    assert wanted - set(seen) == set()
