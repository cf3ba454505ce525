"""What the soak does to a running ATLAS: one fault at a time, at random, and how long it takes until all is well again.

A fault is over when something of the market that came after it is committed and nothing is halted: the whole way from
the socket to the database works again.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

import msgspec
from sqlalchemy import func, select

from atlas.errors import DatabaseError
from atlas.exchange.local import LocalExchange
from db.embedded import EmbeddedServer
from db.engine import connect, session
from db.models import AccountRow, DaemonRow, EventRow
from tests.fakes.discord_server import Answer, DiscordServer, rate_limited
from tests.soak.compare import REFUSED, REPAIRED, Away
from tests.soak.line_faults import ON_THE_LINE, ON_THE_WAY_BACK, drawn
from tests.soak.load import busy
from tests.soak.whole import ACCOUNT, LOOK_EVERY, Whole

RECOVERED_WITHIN = 600.0
"""Seconds in which all must be well again, on a machine that has other things to do."""
LONGEST_ON_THE_LINE = 30.0
"""Seconds a fault of the exchange lasts at most."""
KILL = "kill -9"
LAG = timedelta(hours=2)
"""Market time an input may be on its way to the database: wall seconds of a busy machine, at the speed of the soak."""


class Struck(msgspec.Struct, frozen=True):
    """One fault: its kind, the seconds from its end until all was well, and the market time it concerns."""

    kind: str
    recovered_after: float
    away: Away


class Disturbances:
    """Strikes a run with faults drawn from a seed. `server` holds the run's database only."""

    def __init__(
        self, run: Whole, exchange: LocalExchange, server: EmbeddedServer, discord: DiscordServer, chance: Random
    ) -> None:
        self._run, self._exchange, self._server, self._discord = run, exchange, server, discord
        self._chance = chance
        self._kinds: dict[str, Callable[[], None]] = {
            "freeze": self._freeze,
            "database restarted": self._database_restarted,
            "database killed": self._database_killed,
            "sessions ended": self._sessions_ended,
            "database frozen": self._database_frozen,
            "webhook": self._webhook,
            "load": self._load,
        }

    def strike(self, *, kill: bool) -> Struck:
        """Let one fault happen and wait until all is well; with `kill` it may be a kill -9 of the daemon.

        Raises AssertionError where it never is, or the daemon ends.
        """
        lines = (*ON_THE_LINE, *ON_THE_WAY_BACK)
        kind = self._chance.choice([*self._kinds, *lines, *([KILL] * 6 if kill else [])])
        since, unseen = self._run.market.now, kind in (KILL, "freeze", *lines)
        if kind == KILL:
            since = self._run.killed().since
        elif kind in lines:
            self._on_the_line(kind)
        else:
            self._kinds[kind]()
        over, at = time.monotonic(), self._run.market.now
        self._recovered(kind, at)
        after = time.monotonic() - over
        return Struck(kind, after, Away(since, self._run.market.now + REPAIRED, REFUSED, unseen=unseen))

    def _recovered(self, kind: str, at: datetime) -> None:
        deadline = time.monotonic() + RECOVERED_WITHIN
        while not self._well(at):
            assert self._run.daemon.poll() is None, f"after {kind} the daemon ended: {self._run.said()}"
            assert time.monotonic() < deadline, f"after {kind} all was never well again: {self._run.said()}"
            time.sleep(LOOK_EVERY)

    def _well(self, at: datetime) -> bool:
        if self._run.market.finished:
            at -= LAG
        with suppress(DatabaseError), session(self._run.engine) as connection:
            halts = connection.execute(select(AccountRow.halts).where(AccountRow.name == ACCOUNT)).scalar_one_or_none()
            feed = connection.execute(select(DaemonRow.feed).where(DaemonRow.account == ACCOUNT)).scalar_one_or_none()
            newest = connection.execute(select(func.max(EventRow.at)).where(EventRow.input.is_not(None))).scalar_one()
            return halts == {} and feed == "up" and newest is not None and newest > at
        return False

    # ── the faults ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _freeze(self) -> None:
        """The daemon's process stands still: a machine that is suspended, or swaps."""
        _stopped(self._run.daemon.pid, self._chance.uniform(1, 15))

    def _on_the_line(self, kind: str) -> None:
        """The exchange goes wrong; return once it is well again."""
        speed = self._exchange.options.speed
        for fault in drawn(kind, self._chance, speed):
            self._exchange.strike(fault)
        calm_at, given_up = time.monotonic() + LONGEST_ON_THE_LINE, False
        while not all(struck.over for struck in self._exchange.struck()) and not given_up:
            time.sleep(LOOK_EVERY)
            given_up = time.monotonic() > calm_at
        self._exchange.calm()

    def _database_restarted(self) -> None:
        self._server.stop(force=True)
        time.sleep(self._chance.uniform(0, 5))
        self._server.start()

    def _database_killed(self) -> None:
        """Kill -9 of the whole server, which then recovers from its log."""
        pid = self._server.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        time.sleep(self._chance.uniform(1, 5))
        self._server.start()

    def _database_frozen(self) -> None:
        """Every session stands still, as behind a line that swallows packets."""
        pid = self._server.status().pid
        assert pid is not None
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True).stdout.split()
        seconds = self._chance.uniform(1, 15)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGSTOP)
        time.sleep(seconds)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGCONT)

    def _sessions_ended(self) -> None:
        engine = connect(self._run.url)
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        engine.dispose()

    def _webhook(self) -> None:
        """Discord has a bad day: limits, errors, no answer, messages deleted, no pictures until the next such day."""
        bad = (
            rate_limited(self._chance.uniform(0.1, 3)),
            Answer(500),
            Answer(503),
            Answer(hang_up=True),
            Answer(hang_up=True, accept=True),
        )
        for _ in range(self._chance.randint(1, 5)):
            self._discord.answers.append(self._chance.choice(bad))
        self._discord.delete_newest(self._chance.randint(0, 3))
        self._discord.refuse_pictures = self._chance.random() < 0.2

    def _load(self) -> None:
        with busy(2):
            time.sleep(self._chance.uniform(2, 10))


def _stopped(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
