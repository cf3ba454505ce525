"""Lessons 94, 95 and 100: whatever the machine's timezone, on every day of the week, and one writer only.

The numbers are those of docs/lessons.md, which says what each stands for and how its test was seen to fail.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.messages import (
    AccountOpened,
    BarClosed,
    ClosePosition,
    EventBatch,
    FeedUp,
    Filled,
    Flatten,
    FundingPaid,
    MarketTime,
    Message,
    ProductsListed,
    Resume,
    SetupsReplaced,
    Snapshot,
    Trades,
    encode,
)
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.behaviour import Behaviour, Role
from actors.runtime.core import Core
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from atlas.market.bar import Tick
from atlas.money.ledger import balance
from atlas.rules import AccountRules, MarginRules, Rules, StratRules
from tests.actors.scene import BIP, NOON, REVERSAL, Scene, at, bars, history, product, rules_with

D = Decimal


# ── the machine's timezone ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that sets the timezone of this process, which is as before after the test."""

    def set_to(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_to
    monkeypatch.undo()
    time.tzset()


def two_days() -> list[bytes]:
    """Two days around midnight and a window's end, with a trade, funding and a new trading day: every event's bytes."""
    rules = rules_with()
    rules = msgspec.structs.replace(
        rules, margin=MarginRules(window="guide_2026_07"), account=AccountRules(timezone="America/New_York")
    )
    scene = Scene(rules=rules)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    for hour in range(1, 48):
        scene.bar((61600, 61700 + hour, 61500 - hour, 61650), at(60 * hour))
    assert scene.events(Filled)
    assert scene.events(FundingPaid)
    return [encode(batch) for batch in scene.kit.batches]


def test_lesson_94_the_timezone_of_the_machine_changes_nothing(zone: Any) -> None:
    played = {}
    for name in ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"):
        zone(name)
        assert time.tzname[0] != "UTC" or name == "UTC", "this machine does not know the timezone"
        played[name] = two_days()
    assert len({b"\n".join(batches) for batches in played.values()}) == 1


# ── the days of the week ────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_95_every_hour_of_every_day_of_a_week_is_looked_at() -> None:
    frames = ("1h", "1d")
    rules = Rules(strat=StratRules(timeframes=frames, continuity={name: ((name,), 1) for name in frames}))
    midnight = NOON.replace(hour=0)
    scene = Scene(rules=rules, closed={"1h": bars(REVERSAL), "1d": bars(REVERSAL, until=midnight, timeframe="1d")})
    begin = len(scene.kit.batches)
    for hour in range(7 * 24 + 13):
        scene.trade(60000 + 7 * (hour % 5), at(60 * hour))
    events = [event for batch in scene.kit.batches[begin:] for event in batch.events]
    for kind in (BarClosed, SetupsReplaced):
        found: Counter[tuple[str, int]] = Counter()
        for event in events:
            if isinstance(event, BarClosed) and kind is BarClosed:
                found[event.bar.timeframe, event.bar.open_time.weekday()] += 1
            elif isinstance(event, SetupsReplaced) and kind is SetupsReplaced:
                found[event.timeframe, (event.closed_at - timedelta(minutes=1)).weekday()] += 1
        for weekday in range(7):
            assert found["1h", weekday] >= 24, (kind, weekday)
            assert found["1d", weekday] >= 1, (kind, weekday)


# ── one writer ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Watched(Behaviour[Any]):
    """A behaviour of the core that notes on which threads it ran."""

    def __init__(self, inner: Behaviour[Any], threads: set[int]) -> None:
        self.inner, self._threads = inner, threads
        self.state = inner.state

    def start(self, now: Any) -> Any:
        self._threads.add(threading.get_ident())
        return self.inner.start(now)

    def receive(self, now: Any, message: Message) -> Any:
        self._threads.add(threading.get_ident())
        return self.inner.receive(now, message)


def watched(role: Role[Any], threads: set[int]) -> Role[Any]:
    """The role, its behaviour watched."""
    return msgspec.structs.replace(role, make=lambda state: Watched(role.make(state), threads))


def test_lesson_100_three_threads_that_ask_at_once_leave_one_writer_and_a_ledger_that_adds_up() -> None:
    threads: set[int] = set()
    journal, post = Sink(), Post()
    for name, sink in ((JOURNAL, journal), (SUPERVISOR, Sink()), ("history", Sink()), ("rest_prices", Sink())):
        post.bind(name, sink)
    rules = rules_with()
    core = Core(route, post, market_time=NOON)
    for role in core_roles(Decider(rules, (BIP,), "1")):
        core.add(watched(role, threads))
    core.start(30)
    for told in (MarketTime(NOON), ProductsListed((product(),)), history(NOON, {"1h": bars(REVERSAL)}, rules=rules),
                 FeedUp(NOON), Snapshot(BIP, NOON, None)):  # fmt: skip
        core.put(told)

    def market() -> None:
        for number, price in enumerate([61000, 61600, 61500, 61700] * 50):
            core.put(Trades(BIP, (Tick(number, at(0, number), D(price), D(1)),)))

    def person() -> None:
        for number in range(100):
            core.put(Flatten("me", number))

    def watcher() -> None:
        for _ in range(100):
            core.put(ClosePosition("nobody", "panel"))
            core.put(Resume("disk"))

    asking = [threading.Thread(target=what) for what in (market, person, watcher)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    core.put(Flatten("me", 100))
    assert core.stop(60)
    assert core.failed is None
    assert len(threads) == 1
    assert threads.isdisjoint({thread.ident for thread in asking} | {threading.get_ident()})
    events = [event for batch in journal.messages if isinstance(batch, EventBatch) for event in batch.events]
    assert [event.fill.purpose for event in events if isinstance(event, Filled)] == ["entry", "flatten"]
    moved = [event for event in events if isinstance(event, AccountOpened | Filled | FundingPaid)]
    legs = [leg for event in moved for leg in event.legs]
    assert balance(legs, "cash") == moved[-1].account.cash
    assert balance(legs, "margin_reserved") == moved[-1].account.reserved == 0
    numbers = [batch.number for batch in journal.messages if isinstance(batch, EventBatch)]
    assert numbers == sorted(set(numbers))
