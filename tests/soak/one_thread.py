"""A whole ATLAS in one thread: the core in virtual time, journal and alerter by hand, on a real Postgres and webhook.

The threads of the daemon are what this leaves out: which message comes next depends on the inputs only, so that a crash
at the nth message of an actor is the same crash each time. Wall time is a clock of its own, moved on by each input.
"""

import heapq
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
from sqlalchemy import Engine

from actors.alerter import Alerter, AlerterState, AlertRules
from actors.alerter_discord import Webhook
from actors.journal import Journal, JournalState
from actors.messages import Crashed, Flush
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.behaviour import AfterWall, Behaviour, Effect, Role
from actors.runtime.policy import Policy
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.sabotage import Saboteur
from actors.runtime.shell import Receiver, Shell
from actors.runtime.virtual import VirtualCore
from db.lock import AccountLock, Holder
from db.repositories.outbox import Outbox
from db.spool import Spool
from db.store import Store
from db.writer import Writer

ALERTER = "alerter"
PER_INPUT = timedelta(microseconds=200)
"""Wall time an input takes: some 250 inputs between two writes of the journal."""
EACH_ALONE = 1_000_000
"""Notices that would have to wait before some share a message: each is to be counted."""
HOLDER = Holder("this machine", 1, "1", "paper", "some rules")


class Crash(msgspec.Struct, frozen=True):
    """Which actor crashes at which message (from 1): instead of handling it, or once it has changed its state.

    With `times` 2 it crashes at the same message once more, which loses it.
    """

    actor: str
    number: int
    moment: Literal["before", "after"]
    times: int = 1


class Ran(msgspec.Struct, frozen=True):
    """What became of a run beside its database: the kinds of messages each actor was sent, the crashes."""

    handled: dict[str, list[str]]
    crashes: int
    buried: int


class Clock:
    """Wall time as whoever plays the market moves it."""

    def __init__(self) -> None:
        # Rows of the outbox are due by the database's clock: ours is ahead of it.
        self.now = datetime.now(UTC) + timedelta(hours=1)


class ByHand:
    """A role that has a thread of its own in the daemon, run by whoever plays the market."""

    timer = AfterWall

    def __init__(self, role: Role[Any], post: Post, clock: Clock, receiver: Receiver) -> None:
        self._post, self._clock = post, clock
        self._told: list[Any] = []
        self._timers: list[tuple[datetime, int, Any]] = []
        self._numbers = count()
        self.shell = Shell(role, self, post, receiver)
        post.bind(role.name, self)
        self.shell.start(clock.now)

    def tell(self, message: Any) -> None:
        """Keep a message until its turn."""
        self._told.append(message)

    def run(self) -> None:
        """Handle what was told, then the timers that are due."""
        while self._told:
            self.shell.receive(self._clock.now, self._told.pop(0))
        while self._timers and self._timers[0][0] <= self._clock.now:
            self.shell.receive(self._clock.now, heapq.heappop(self._timers)[2])

    @property
    def next_timer(self) -> datetime | None:
        """When the next timer is due."""
        return self._timers[0][0] if self._timers else None

    # ── what the shell calls ────────────────────────────────────────────────────────────────────────────────────────

    def send(self, sender: str, to: str, message: Any) -> None:
        """Send at once."""
        self._post.send(sender, to, message)

    def arm(self, name: str, seconds: float, message: Any) -> None:
        """Arm a timer."""
        heapq.heappush(self._timers, (self._clock.now + timedelta(seconds=seconds), next(self._numbers), message))

    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._told)

    def fail(self, name: str, reason: str) -> None:
        """Raise AssertionError: nothing that is done here may end the process."""
        raise AssertionError(f"{name} failed for good: {reason}")


def play(
    decider: Decider,
    inputs: Iterable[Any],
    engine: Engine,
    spool: Path,
    *,
    crash: Crash | None = None,
    webhook: str | None = None,
    delivered: Callable[[], bool] = lambda: True,
) -> Ran:
    """Play the inputs into an empty database.

    With a `webhook` an alerter delivers to it, at the end until all is `delivered`. Raises AssertionError if an actor
    failed for good.
    """
    clock, post, supervisor = Clock(), Post(), Sink()
    handled: dict[str, list[str]] = {}
    saboteur = Saboteur()
    if crash is not None:
        saboteur.crash_at(crash.actor, crash.number, moment=crash.moment, times=crash.times)

    def receive(name: str, behaviour: Behaviour[Any], now: datetime, message: Any) -> Iterable[Effect]:
        handled.setdefault(name, []).append(type(message).__name__)
        return saboteur.receive(name, behaviour, now, message)

    post.bind(SUPERVISOR, supervisor)
    for outside in ("history", "rest_prices"):
        post.bind(outside, Sink())
    lock = AccountLock(engine.url, decider.rules.account.name, HOLDER)
    account = decider.rules.account.name
    store = Store(Writer(engine, account, lock.acquire()), Spool(spool), sync=lambda number: None, renew=lock.renew)
    core = VirtualCore(route, post, receiver=receive)
    try:
        hands = [ByHand(_journal(store), post, clock, receive)]
        if webhook is None:
            post.bind(ALERTER, Sink())
        else:
            hands.append(ByHand(_alerter(engine, account, webhook), post, clock, receive))
        for role in core_roles(decider):
            core.add(role)
        core.begin()
        for message in inputs:
            core.run(message)
            clock.now += PER_INPUT
            for hand in hands:
                hand.run()
        hands[0].tell(Flush())
        hands[0].run()
        while not delivered():
            clock.now = min(hand.next_timer for hand in hands if hand.next_timer is not None)
            for hand in hands:
                hand.run()
        for hand in reversed(hands):
            hand.shell.stop()
        assert core.failed is None, core.failed
        crashes = sum(isinstance(message, Crashed) for message in supervisor.messages)
        return Ran(handled, crashes, post.buried)
    finally:
        core.close()
        store.close()
        lock.release()


def _journal(store: Store) -> Role[JournalState]:
    policy = Policy(limit=5, window=60, action="exit")
    return Role(JOURNAL, lambda state: Journal(state, store), JournalState(), policy=policy, tail=0)


def _alerter(engine: Engine, account: str, webhook: str) -> Role[AlerterState]:
    outbox = Outbox(engine, account)

    def make(state: AlerterState) -> Alerter:
        alone = AlertRules(together=EACH_ALONE, burst=0)
        return Alerter(state, outbox, Webhook(webhook), Random(1).random, account=account, rules=alone)

    return Role(ALERTER, make, AlerterState(), tail=0)
