"""Lessons 83, 84, 98 and 99: what a process knows that begins after another has ended, from a real database.

Between the two lies nothing but Postgres: the events of the first are committed by the journal's own writer, and the
second begins with what `actors.system_states` reads from there. The numbers are those of docs/lessons.md.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from actors.messages import (
    Alert,
    EntryTriggered,
    MarketTime,
    PositionClosed,
    PositionOpened,
    Rejected,
)
from actors.route import route
from actors.runtime.kit import Kit
from actors.system_states import Beginning, beginning
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.rules import MarginRules, Rules, StratRules
from db.batch import batch_of
from db.engine import connect
from db.lock import AccountLock
from db.writer import Writer
from tests.actors.positions import FOUR, ON_FOUR, closed, gates
from tests.actors.scene import BIP, NOON, REVERSAL, FrameBars, Row, Scene, at, bars, forming, product, rules_with
from tests.db.conftest import HOLDER

D = Decimal
WINDOW_END = NOON.replace(hour=21)
"""Four in the afternoon in New York, in winter: where both presets with intraday rates end."""
DEADLINE = WINDOW_END - timedelta(minutes=5)


class Account:
    """An account in a database: `commit` writes what a process leaves, `begin` starts the next one."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        self._engine, self._writer = engine, writer

    def commit(self, scene: Scene) -> None:
        """Write all that a process told the journal, input by input; of its memory nothing is left."""
        self._writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in scene.kit.batches])

    def committed(self, until: datetime) -> Beginning:
        """What the next process begins with."""
        with self._engine.connect() as connection:
            return beginning(connection, "paper", (product(),), until)

    def begin(self, rules: Rules, moment: datetime, frames: tuple[FrameBars, ...]) -> Scene:
        """Start the next process at that time: the exchange's clock, products and candles, then the feed."""
        begins = self.committed(moment)
        roles, outside = Scene.roles(rules, states=begins.states), ["history", "rest_prices"]
        kit = Kit(roles, route, outside=outside, market_time=begins.market_time)
        kit.core.number = begins.number
        return Scene(rules=rules, kit=kit, begin=moment, frames=frames)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement by hand; return its rows, if it has any."""
        with self._engine.begin() as connection:
            done = connection.execute(text(statement))
            return [tuple(row) for row in done] if done.returns_rows else []


@pytest.fixture
def account(database_url: str) -> Iterator[Account]:
    """The account `paper` in a database of the test's own."""
    engine, lock = connect(database_url), AccountLock(database_url, "paper", HOLDER)
    lock.acquire()
    yield Account(engine, Writer(engine, "paper", lock.fence))
    lock.release()
    engine.dispose()


def told(moment: datetime, closes: Mapping[str, tuple[Bar, ...]], now: Row = (61000, 61700, 60900, 61600)) -> Any:
    """What REST has at that time: the closed bars given, and on each timeframe the period that is going on."""
    return tuple(FrameBars(name, closed_bars, forming(now, moment, name)) for name, closed_bars in closes.items())


# ── the deadline ────────────────────────────────────────────────────────────────────────────────────────────────────


def intraday(window: str, timeframe: str, **sizing: Any) -> Rules:
    """Rules under which a position at intraday rates takes all there is, so that overnight it does not fit."""
    strat = StratRules(timeframes=(timeframe,), continuity={timeframe: ((timeframe,), 1)})
    rules = rules_with(strat=strat, **({"mode": "leverage", "max_total_risk": D(10), "daily_loss": D("0.9")} | sizing))
    return Rules(strat=rules.strat, gates=rules.gates, sizing=rules.sizing, margin=MarginRules(window=window))


def held_intraday(rules: Rules, entered_at: datetime) -> Scene:
    """A process that has entered at intraday rates, and lived five minutes more."""
    (timeframe,) = rules.strat.timeframes
    begin = entered_at - timedelta(minutes=1)
    frame = FrameBars(timeframe, bars(REVERSAL, until=period(timeframe, begin)[0], timeframe=timeframe), None)
    scene = Scene(rules=rules, frames=(frame,), begin=begin)
    scene.trade(61000, begin)
    scene.trade(61600, entered_at)
    scene.trade(61650, entered_at + timedelta(minutes=5))
    assert scene.one(PositionOpened).position.tier == "intraday"
    return scene


CASES = [
    ("long_window", "1h", at(5)),
    ("long_window", "4h", at(120)),
    ("guide_2026_07", "1d", at(90)),
    ("guide_2026_07", "15m", at(8 * 60 + 20)),
]
"""Preset, timeframe, and when the entry was."""


@pytest.mark.parametrize(("window", "timeframe", "entered_at"), CASES)
def test_lesson_83_a_position_at_intraday_rates_is_closed_at_the_deadline_after_a_restart(
    account: Account, window: str, timeframe: str, entered_at: datetime
) -> None:
    rules = intraday(window, timeframe)
    before = held_intraday(rules, entered_at)
    account.commit(before)
    again = entered_at + timedelta(minutes=10)
    scene = account.begin(rules, again, told(again, {timeframe: ()}))
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    assert (managed.position.tier, managed.position.leverage) == ("intraday", D(10))
    scene.trade(61600, DEADLINE - timedelta(seconds=1))
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(DEADLINE))
    assert closed(scene).exit_reason == "deadline"
    assert closed(scene).exit_time == DEADLINE
    assert scene.kit.state("paper_broker").orders == {}


@pytest.mark.parametrize(("window", "timeframe", "entered_at"), CASES)
def test_lesson_84_down_from_ten_to_four_until_ten_past_it_is_closed_at_the_first_trade_after(
    account: Account, window: str, timeframe: str, entered_at: datetime
) -> None:
    rules = intraday(window, timeframe)
    before = held_intraday(rules, entered_at)
    before.trade(61650, WINDOW_END - timedelta(minutes=10))
    account.commit(before)
    back = WINDOW_END + timedelta(minutes=10)
    scene = account.begin(rules, back, told(back, {timeframe: ()}))
    assert scene.events(PositionClosed) == []
    scene.trade(61640, back + timedelta(seconds=1))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("deadline", back + timedelta(seconds=1))
    (alarm,) = scene.events(Alert)
    assert (alarm.kind, alarm.critical) == ("deadline_late", True)
    account.commit(scene)
    alerts = dict(account.execute("SELECT kind, payload FROM outbox WHERE kind IN ('exit', 'deadline_late')"))
    assert alerts["exit"]["reason"] == "deadline"
    assert f"{DEADLINE:%H:%M} UTC passed" in alerts["deadline_late"]["text"]


# ── what is told of an open position ────────────────────────────────────────────────────────────────────────────────


def test_worst_and_best_price_survive_a_restart(account: Account) -> None:
    rules = rules_with()
    before = Scene(rules=rules)
    for minute, price in enumerate((61000, 61600, 59500, 62500, 61600), start=1):
        before.trade(price, at(minute))
    account.commit(before)
    scene = account.begin(rules, at(10), told(at(10), {"1h": bars(REVERSAL)}))
    scene.trade(61600, at(11))
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    assert (managed.position.worst, managed.position.best) == (D(59500), D(62500))


def test_a_trigger_told_again_is_neither_a_second_rejection_nor_a_second_trade(account: Account) -> None:
    """To each process, before and after its trade's end: triggers = trades + rejections stays."""
    rules = rules_with()
    before = Scene(rules=rules)
    before.trade(61000, at(1))
    before.trade(61600, at(5))
    trigger = before.one(EntryTriggered)
    before.run(trigger, to="risk_monitor")
    before.trade(58900, at(6))
    before.run(trigger, to="risk_monitor")
    account.commit(before)
    scene = account.begin(rules, at(10), told(at(10), {"1h": bars(REVERSAL)}))
    scene.run(trigger, to="risk_monitor")
    account.commit(scene)
    assert gates(before) == ["already_triggered"] * 2
    assert gates(scene) == ["already_triggered"]
    assert account.execute("SELECT outcome FROM triggers") == [("trade",)]
    assert account.execute("SELECT id FROM rejections") == []
    assert account.execute("SELECT count(*) FROM positions") == [(1,)]
    assert account.execute("SELECT count(*) FROM events WHERE kind = 'Rejected'") == [(1,)]


# ── what waits and what is used ─────────────────────────────────────────────────────────────────────────────────────


def test_lesson_99_the_setups_that_waited_wait_again_and_what_was_used_stays_used(account: Account) -> None:
    rules = rules_with(strat=FOUR, position_policy="unlimited")
    later_trigger = (*REVERSAL[:2], (61000, 62500, 59000, 59500))
    four = {**ON_FOUR, "4h": bars(later_trigger, timeframe="4h")}
    before = Scene(rules=rules, closed=four)
    before.trade(61000, at(1))
    before.trade(61600, at(5))
    account.commit(before)
    waited = before.kit.state("entry_monitor").waiting[BIP]
    assert ([one.setup.id for one in waited["1h"]], len(waited["4h"])) == ([], 1)
    scene = account.begin(rules, at(10), told(at(10), four))
    waits = scene.kit.state("entry_monitor").waiting[BIP]
    assert [one.setup for one in waits["4h"]] == [one.setup for one in waited["4h"]]
    scene.trade(61700, at(11))
    assert scene.events(EntryTriggered) == []
    scene.trade(62600, at(12))
    assert [event.position.timeframe for event in scene.events(PositionOpened)] == ["4h"]
    account.commit(scene)
    entries = account.execute("SELECT position_id, count(*) FROM fills WHERE purpose = 'entry' GROUP BY 1")
    assert sorted(count for _, count in entries) == [1, 1]


def test_lesson_99_what_broke_while_nobody_was_there_is_missed_and_never_traded_late(account: Account) -> None:
    rules = rules_with()
    before = Scene(rules=rules)
    before.trade(61000, at(1))
    account.commit(before)
    scene = account.begin(rules, at(10), told(at(10), {"1h": bars(REVERSAL)}))
    scene.trade(61650, at(11))
    assert gates(scene) == ["missed"]
    assert scene.events(PositionOpened) == []
    account.commit(scene)
    third = account.begin(rules, at(20), told(at(20), {"1h": bars(REVERSAL)}))
    third.trade(61650, at(21))
    assert third.events(EntryTriggered) == []
    assert third.events(Rejected) == []
