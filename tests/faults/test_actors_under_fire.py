"""One crash at a message of each kind of each actor: the final database is that of an undisturbed run.

The market is scripted and the same each time; what crashes, and at which of its messages of a kind, is drawn from a
seed. An actor crashes once its behaviour has changed its state, and at its first kind also before it has seen it.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from actors.alerter import Alerter, AlerterState, AlertRules, Look, Tick
from actors.alerter_discord import Webhook
from actors.journal import AskCommitted, DisplayDue, HealthSeen, Journal, JournalState, WriteDue
from actors.messages import Crashed, EventBatch, Flatten, Flush, Halt, MarketTime, OutboxReady, Quote, Resume
from actors.route import BROKER, ENTRY, RISK, SCANNER, route
from actors.runtime.behaviour import Role
from actors.runtime.kit import Kit
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.sabotage import Saboteur
from actors.runtime.threads import OwnThread
from actors.runtime.watch import ActorHealth
from db.engine import connect
from db.lock import AccountLock
from db.repositories.outbox import Outbox
from db.spool import Spool
from db.store import Store
from db.writer import Writer
from tests.actors.random_market import BEFORE
from tests.actors.scene import BIP, NOON, Scene, at
from tests.db.audited import LIVELY
from tests.db.conftest import HOLDER
from tests.db.journaling import WALL, Driven
from tests.fakes.discord_server import DiscordServer
from tests.faults.tables import contents, empty
from tests.test_alerter import alert, footer
from tests.web.scene import Daemon

Moment = Literal["before", "after"]
Tables = dict[str, list[tuple[str, ...]]]
STEPS = 200
CORE = (SCANNER + BIP, ENTRY, RISK, BROKER)


def market() -> Scene:
    """Some hours of a random walk with every optional exit on; a halt, its end, and a flatten at the end."""
    chance, scene, price = Random(7), Scene(rules=LIVELY, closed=BEFORE), 60500.0
    for step in range(STEPS):
        price += chance.choice((-350, -120, -60, -15, -5, 5, 15, 60, 120, 350))
        scene.trade(price, at(2 * step))
        if step == STEPS // 2:
            scene.run(Halt("person", "lunch", 1))
        if step == STEPS // 2 + 20:
            scene.run(Resume("person", 2))
    scene.run(Flatten("me", 3))
    scene.run(MarketTime(at(2 * STEPS)))
    assert scene.undisturbed
    return scene


@pytest.fixture(scope="module")
def undisturbed() -> Scene:
    """The market, played once."""
    return market()


def handled(scene: Scene, name: str) -> Counter[type[Any]]:
    """How many messages of each kind an actor was sent; a timer's are its own."""
    return Counter(type(sent.message) for sent in scene.kit.sent if sent.to == name)


def crashed_at(inputs: list[Any], name: str, kind: type[Any], place: int, moment: Moment) -> Kit:
    """Play the inputs with one crash of the actor, at its nth message of a kind."""
    kit = Kit(Scene.roles(LIVELY), route, outside=["history", "rest_prices"])
    seen: list[int] = []

    def chosen(message: Any) -> bool:
        if type(message) is not kind or (seen and seen[-1] == id(message)):
            return False
        seen.append(id(message))
        return len(seen) == place

    kit.crash_at(name, chosen, moment=moment)
    for message in inputs:
        kit.run(message)
    assert sum(isinstance(one, Crashed) for one in kit.sinks[SUPERVISOR].messages) == 1, "it never came to the crash"
    return kit


class Desks:
    """A journal on a database of this file's own, which is emptied before each run."""

    def __init__(self, url: str, spool: Path) -> None:
        self.engine, self.url, self._spool, self._number = connect(url), url, spool, 0

    def stored(self, kit: Kit) -> Tables:
        """Return what the database holds once the journal has been told what the core told it."""
        empty(self.engine)
        self._number += 1
        lock = AccountLock(self.url, "paper", HOLDER)
        lock.acquire()
        driven = Driven(self.engine, lock, self._spool / str(self._number))
        driven.tell(*kit.sinks[JOURNAL].messages, Flush())
        lock.release()
        driven.spool.close()
        return contents(self.engine)


@pytest.fixture
def desks(database_url: str, tmp_path: Path) -> Iterator[Desks]:
    desks = Desks(database_url, tmp_path)
    yield desks
    desks.engine.dispose()


# ── the core ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_market_has_something_of_everything(undisturbed: Scene) -> None:
    told = Counter(type(event).__name__ for batch in undisturbed.kit.batches for event in batch.events)
    assert told["PositionClosed"] >= 8, told
    assert {"Rejected", "SetupsReplaced", "Filled", "PositionChanged", "HaltChanged"} <= set(told)
    assert all(len(handled(undisturbed, name)) >= 3 for name in CORE)


@pytest.mark.parametrize("name", CORE)
def test_a_crash_at_any_kind_of_message_changes_nothing(name: str, undisturbed: Scene, desks: Desks) -> None:
    chance, wanted = Random(name), desks.stored(undisturbed.kit)
    assert len(wanted["ledger"]) > 40
    moments: tuple[Moment, ...] = ("before", "after")
    for kind, times in sorted(handled(undisturbed, name).items(), key=lambda item: item[0].__name__):
        for moment in moments:
            kit = crashed_at(undisturbed.inputs, name, kind, chance.randint(1, times), moment)
            assert kit.batches == undisturbed.kit.batches, f"{name} crashed {moment} {kind.__name__}"
        assert desks.stored(kit) == wanted, f"{name} crashed at {kind.__name__}"
        moments = ("after",)


# ── the actors on threads of their own ──────────────────────────────────────────────────────────────────────────────


class Crashing:
    """A saboteur's receiver that crashes once, at the first message of a kind, and tells when it has."""

    def __init__(self, name: str, kind: type[Any], moment: Moment) -> None:
        self.crashed = threading.Event()
        self._saboteur = Saboteur()
        self._saboteur.crash_at(name, lambda message: self._chosen(message, kind), moment=moment)
        self.receive = self._saboteur.receive

    def _chosen(self, message: Any, kind: type[Any]) -> bool:
        if type(message) is not kind:
            return False
        self.crashed.set()
        return True


def test_a_crash_of_the_journal_loses_and_doubles_nothing(undisturbed: Scene, desks: Desks, tmp_path: Path) -> None:
    """Mostly what it has just committed is told to it once more."""
    apart = {"quotes", "health", "daemons"}
    wanted = desks.stored(undisturbed.kit)
    batches = undisturbed.kit.batches
    kinds = (EventBatch, EventBatch, Quote, HealthSeen, Flush, AskCommitted, WriteDue, DisplayDue)
    for number, kind in enumerate(kinds):
        empty(desks.engine)
        lock = AccountLock(desks.url, "paper", HOLDER)
        writer, spool = Writer(desks.engine, "paper", lock.acquire()), Spool(tmp_path / f"of {number}")
        store = Store(writer, spool, sync=lambda number: None, renew=lock.renew)
        post, crashing = Post(), Crashing(JOURNAL, kind, "after" if number else "before")
        for name in (SUPERVISOR, "alerter", RISK):
            post.bind(name, Sink())
        thread = OwnThread(_journal(store), post, receiver=crashing.receive)
        thread.start(30)
        for batch in batches:
            post.send("core", JOURNAL, batch)
        post.send("core", JOURNAL, Quote(BIP, NOON, Decimal(60500)))
        post.send("system", JOURNAL, HealthSeen((ActorHealth("feed", "running", 0, 1, WALL, None),)))
        if kind not in (WriteDue, DisplayDue):
            assert post.ask(JOURNAL, Flush(), 60) == 0
            assert post.ask(JOURNAL, AskCommitted(), 60) == batches[-1].number
        assert crashing.crashed.wait(60), kind
        assert post.ask(JOURNAL, Flush(), 60) == 0
        assert thread.stop(30)
        lock.release()
        store.close()
        stored = contents(desks.engine)
        differing = [name for name in stored if name not in apart and stored[name] != wanted[name]]
        assert differing == [], kind


def _journal(store: Store) -> Role[JournalState]:
    return Role(JOURNAL, lambda state: Journal(state, store), JournalState(), tail=0)


@pytest.mark.parametrize(("kind", "moment"), [(OutboxReady, "before"), (OutboxReady, "after"), (Look, "after"),
                                              (Tick, "before"), (Tick, "after")])  # fmt: skip
def test_a_crash_of_the_alerter_delivers_everything_once(kind: type[Any], moment: Moment, database_url: str) -> None:
    """Six notices are more than a burst: the rest is delivered by a timer."""
    crashing = Crashing("alerter", kind, moment)
    daemon = Daemon(database_url)
    daemon.write(*(alert(str(number)) for number in range(6)))
    outbox = Outbox(daemon.engine, "paper")
    with DiscordServer() as discord:
        webhook = discord.url

        def make(state: AlerterState) -> Alerter:
            alone = AlertRules(together=100)
            return Alerter(state, outbox, Webhook(webhook), Random(1).random, account="paper", rules=alone)

        post = Post()
        for name in (JOURNAL, SUPERVISOR):
            post.bind(name, Sink())
        thread = OwnThread(Role("alerter", make, AlerterState(), tail=0), post, receiver=crashing.receive)
        thread.start(30)
        post.send("journal", "alerter", OutboxReady())
        assert crashing.crashed.wait(60)
        delivered = discord.wait_for(6, timeout=60)
        assert thread.stop(30)
        assert sorted(map(footer, delivered)) == sorted({footer(message) for message in discord.messages})
        assert len(discord.messages) == 6
    daemon.close()
