"""The journal: the one writer of events to Postgres, in batches, never splitting an input of the core.

    events ─▶ pending ─▶ database          every 200 events or 50 ms
                  └────▶ spool on disk     while the database is away; drained in order when it is back

While the database is away entries are halted (source `database`) and exits go on; while the disk refuses, events wait
in memory and entries are halted too (source `disk`). The role keeps no tail of messages (`Role(tail=0)`), since
`receive` writes; writing the same events again changes nothing.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from actors.journal_log import TOLD, tell
from actors.messages import (
    Alert,
    Crashed,
    DeadLetter,
    Event,
    EventBatch,
    Fatal,
    Flush,
    Forming,
    Halt,
    OutboxReady,
    PastBars,
    Quote,
    Resume,
    Retired,
)
from actors.runtime.behaviour import AfterWall, Behaviour, Effect, Reply, Send
from actors.runtime.watch import ActorHealth
from atlas.errors import AlreadyRunning, DatabaseError
from db.batch import Batch, batch_of
from db.store import Store
from db.writer import NOTHING, Extras

BATCH = 200
"""Events a transaction holds at most, unless one input alone caused more (architecture.md, Persistence)."""
LINGER = 0.05
"""Seconds the first event of a batch waits for others (same place)."""
PACE = 0.01
"""Seconds between two batches of a backlog: the core needs the interpreter too."""
DISPLAY = 1.0
"""Seconds between two writes of what is for display."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between attempts to reach the database: doubled each time, up to the longest."""
DISK_PAUSE = 1.0
"""Seconds between attempts to write to a disk that refuses."""
APPENDS = 20
"""Appends of the spool drained before other messages get their turn."""
MOST_PENDING = 20_000
"""Events that may wait in memory while the disk refuses; with more the process must end."""
LETTERS = 1000
"""Dead letters kept for the database; beyond that the oldest are dropped (the log has them all)."""

_log = logging.getLogger(__name__)


class WriteDue(msgspec.Struct, frozen=True):
    """The journal's own timer: write what is pending."""


class DisplayDue(msgspec.Struct, frozen=True):
    """The journal's own timer: write the quotes and the health."""


class ReconnectDue(msgspec.Struct, frozen=True):
    """The journal's own timer: see whether the database is back, and drain the spool."""


class HealthSeen(msgspec.Struct, frozen=True):
    """From the supervisor: how the actors are. Display only, the latest wins."""

    actors: tuple[ActorHealth, ...]


class AskCommitted(msgspec.Struct, frozen=True):
    """Ask up to which input of the core everything is in the database or in the spool; the answer is its number."""


class JournalState(msgspec.Struct):
    """`pending` is what is neither in the database nor in the spool.

    `seen` is the newest input taken, `committed` the newest of which everything is safe. `away`, `disk` and `lost` say
    why the database, the disk or the account is not to be had, else None.
    """

    pending: list[Batch] = msgspec.field(default_factory=list)
    seen: int = 0
    committed: int = 0
    write_armed: bool = False
    display_armed: bool = False
    away: str | None = None
    away_since: datetime | None = None
    halted: bool = False
    pause: float = FIRST_PAUSE
    disk: str | None = None
    lost: str | None = None
    quotes: dict[str, Quote] = msgspec.field(default_factory=dict)
    letters: list[DeadLetter] = msgspec.field(default_factory=list)
    health: tuple[ActorHealth, ...] = ()
    forming: dict[str, Forming] = msgspec.field(default_factory=dict)
    past: dict[str, PastBars] = msgspec.field(default_factory=dict)


class Journal(Behaviour[JournalState]):
    """See the module. `store` outlives the behaviour: a rebuilt one goes on with it."""

    def __init__(self, state: JournalState, store: Store) -> None:
        self.state = state
        self._store = store

    def start(self, now: datetime) -> Iterable[Effect]:
        """Drain first what an earlier process left in the spool; until then nothing goes past it."""
        self._tell_aside(now)  # by the recovery before the start
        if self._store.spool_empty:
            return self._armed()
        self.state.away = "what an earlier run spooled is not written yet"
        # Nobody else has started yet: a halt would find no risk monitor. It is sent if the first attempt fails.
        return [AfterWall(FIRST_PAUSE, ReconnectDue())]

    def resume(self, now: datetime) -> Iterable[Effect]:
        """Arm every timer again: the message that crashed may have been one."""
        self.state.write_armed = self.state.display_armed = True
        timers: list[Effect] = [AfterWall(LINGER, WriteDue()), AfterWall(DISPLAY, DisplayDue())]
        return timers if self.state.away is None else [*timers, AfterWall(self.state.pause, ReconnectDue())]

    def stop(self) -> None:
        """Write what is pending; what the database does not take goes to the spool."""
        if not self.state.pending:
            return
        try:
            if self.state.away is None and self.state.lost is None:
                self._store.write(self.state.pending, self._extras())
            else:
                self._store.spool(self.state.pending)
        except (DatabaseError, AlreadyRunning) as error:
            _log.error("the last %d events go to the spool: %s", self._count(), error)
            self._store.spool(self.state.pending)
        self.state.pending = []

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        """Take events, what is for display, dead letters, and the journal's own timers."""
        match message:
            case EventBatch(number=number, at=at, events=events):
                return self._events(now, events, number, at)
            case Event():
                return self._events(now, (message,), None, now)
            case Quote() | Forming() | PastBars() | HealthSeen():
                return self._display(message)
            case DeadLetter(to=to, reason=reason, traceback=poisoned):
                self.state.letters = [*self.state.letters, message][-LETTERS:]
                if not poisoned:
                    return self._armed()
                text = f"{to} could not handle a message, which is kept among the dead letters: {reason}"
                lost = Alert("dead_letter", f"{to}:{now:%Y%m%dT%H%M%S.%f}", now, text, True)
                return self._events(now, (lost,), None, now)
            case Retired(name=name, reason=reason):
                retired = Alert("retired", f"{name}:{now:%Y%m%dT%H%M%S}", now, f"{name} has retired: {reason}", True)
                return self._events(now, (retired,), None, now)
            case Crashed(name=name, error=error):
                # The shell has logged it and the supervisor counts it; a rebuilt actor needs nothing else.
                _log.info("%s crashed and was rebuilt: %s", name, error)
                return []
            case WriteDue():
                self.state.write_armed = False
                return self._write(now)
            case DisplayDue():
                self.state.display_armed = False
                return self._write(now, display=True)
            case ReconnectDue():
                return self._reconnect(now)
            case Flush():
                effects = self._write(now, whole=True)
                return [*effects, Reply(self._count())]
            case AskCommitted():
                return [Reply(self.state.committed)]
            case _:
                raise TypeError(f"the journal does not know {type(message).__name__}")

    # ── taking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _events(self, now: datetime, messages: Iterable[Any], number: int | None, at: datetime | None) -> list[Effect]:
        effects: list[Effect] = []
        events = []
        for message in messages:
            if isinstance(message, Event):
                events.append(message)
            else:
                # For display, sent within an input.
                effects += self.receive(now, message)
        if events:
            self.state.pending.append(batch_of(events, input=number, at=at))
        self.state.seen = max(self.state.seen, number or 0)
        if not self.state.pending:
            self.state.committed = self.state.seen
        # A disk that refuses is asked again by the timer only.
        at_once = self._count() >= BATCH and self.state.disk is None
        return [*effects, *(self._write(now) if at_once else self._armed())]

    def _display(self, message: Quote | Forming | PastBars | HealthSeen) -> list[Effect]:
        match message:
            case Quote():
                self.state.quotes[message.symbol] = message
            case Forming():
                self.state.forming[message.symbol] = message
            case PastBars():
                self.state.past[message.symbol] = message
            case HealthSeen():
                self.state.health = message.actors
        if self.state.display_armed:
            return []
        self.state.display_armed = True
        return [AfterWall(DISPLAY, DisplayDue())]

    def _armed(self, seconds: float = LINGER) -> list[Effect]:
        if self.state.write_armed or not (self.state.pending or self.state.letters):
            return []
        self.state.write_armed = True
        return [AfterWall(seconds, WriteDue())]

    def _count(self) -> int:
        return sum(len(batch.entries) for batch in self.state.pending)

    def _extras(self, display: bool = True) -> Extras:
        state = self.state
        letters = tuple(state.letters)
        if not display:
            return Extras(letters=letters)
        forming, past = tuple(state.forming.values()), tuple(state.past.values())
        return Extras(tuple(state.quotes.values()), letters, state.health, forming, past)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, now: datetime, *, whole: bool = False, display: bool = False) -> list[Effect]:
        """Write one batch, or all of them; what goes along is written with the first."""
        effects: list[Effect] = []
        while self.state.away is None and self.state.lost is None:
            batches, extras = self._next(), self._extras(display)
            if not batches and extras == NOTHING:
                break
            try:
                written = self._store.write(batches, extras)
            except DatabaseError as error:
                effects += self._gone(now, str(error))
            except AlreadyRunning as error:
                effects += self._overtaken(error)
            except OSError as error:
                return [*effects, *self._disk_refuses(error)]
            else:
                effects += [*self._kept(batches, extras), *_told(written.notices)]
                display = False
                if not whole:
                    return [*effects, *self._armed(PACE)]
        return [*effects, *self._spooled()]

    def _next(self) -> list[Batch]:
        """Return the oldest batches that fit into one transaction, at least one if there is any."""
        found: list[Batch] = []
        count = 0
        for batch in self.state.pending:
            count += len(batch.entries)
            if found and count > BATCH:
                break
            found.append(batch)
        return found

    def _kept(self, batches: list[Batch], extras: Extras = NOTHING) -> list[Effect]:
        """Forget what is safe now, saying so in the log; return the effects of a disk that takes writes again."""
        for event in (entry.event() for batch in batches for entry in batch.entries if entry.kind in TOLD):
            tell(event)
        del self.state.pending[: len(batches)]
        del self.state.letters[: len(extras.letters)]
        if extras.quotes or extras.health or extras.forming or extras.past:
            self.state.quotes, self.state.health, self.state.forming, self.state.past = {}, (), {}, {}
        numbers = [batch.input for batch in batches if batch.input is not None]
        self.state.committed = max([self.state.committed, *numbers]) if self.state.pending else self.state.seen
        if self.state.disk is None:
            return []
        self.state.disk = None
        return [Send("risk_monitor", Resume(source="disk"))]

    def _spooled(self) -> list[Effect]:
        """Put all that is pending into the spool, if that is where it has to go."""
        if not self.state.pending or (self.state.away is None and self.state.lost is None):
            return []
        effects: list[Effect] = []
        while batches := self._next():
            try:
                critical = self._store.spool(batches)
            except OSError as error:
                return [*effects, *self._disk_refuses(error)]
            effects += [*self._kept(batches), *_told(int(critical))]
        return effects

    # ── trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _gone(self, now: datetime, reason: str) -> list[Effect]:
        _log.error("the database is away, events go to the spool: %s", reason)
        self.state.away, self.state.away_since, self.state.pause = reason, now, FIRST_PAUSE
        text = f"The database is away: {reason}. Entries are halted, exits go on, events are kept on disk."
        self._add_alert("database_down", now, text)
        return [*self._halted(reason), AfterWall(FIRST_PAUSE, ReconnectDue())]

    def _halted(self, reason: str) -> list[Effect]:
        if self.state.halted:
            return []
        self.state.halted = True
        return [Send("risk_monitor", Halt(source="database", reason=reason))]

    def _reconnect(self, now: datetime) -> list[Effect]:
        if self.state.away is None or self.state.lost is not None:
            return []
        try:
            self._store.renew()
            written = self._store.drain(APPENDS)
        except DatabaseError as error:
            self.state.pause = min(self.state.pause * 2, LONGEST_PAUSE)
            _log.warning("the database is still away: %s", error)
            return [*self._halted(str(error)), *self._spooled(), AfterWall(self.state.pause, ReconnectDue())]
        except AlreadyRunning as error:
            return [*self._overtaken(error), *self._spooled()]
        except OSError as error:
            return [*self._disk_refuses(error), AfterWall(self.state.pause, ReconnectDue())]
        effects = _told(written.notices)
        self._tell_aside(now)
        if not self._store.spool_empty:
            return [*effects, AfterWall(PACE, ReconnectDue())]
        return [*effects, *self._back(now)]

    def _back(self, now: datetime) -> list[Effect]:
        since, dropped = self.state.away_since, self._store.taken_dropped()
        self.state.away = self.state.away_since = None
        if since is not None:
            minutes, seconds = divmod(int((now - since).total_seconds()), 60)
            lost = f" {dropped} candles and setups were not kept for want of room." if dropped else ""
            self._add_alert("database_up", now, f"The database is back after {minutes} min {seconds} s.{lost}")
        resume: list[Effect] = [Send("risk_monitor", Resume(source="database"))] if self.state.halted else []
        self.state.halted = False
        return [*resume, *self._write(now)]

    def _overtaken(self, error: AlreadyRunning) -> list[Effect]:
        """Another daemon has the account: nothing more is written, what is left is kept for inspection."""
        _log.critical("%s", error)
        self.state.lost = str(error)
        return [Send("supervisor", Fatal(name="journal", reason=str(error)))]

    def _disk_refuses(self, error: OSError) -> list[Effect]:
        _log.error("the disk refuses, %d events wait in memory: %s", self._count(), error)
        first = self.state.disk is None
        self.state.disk = str(error)
        effects: list[Effect] = [Send("risk_monitor", Halt(source="disk", reason=str(error)))] if first else []
        if self._count() > MOST_PENDING and self.state.lost is None:
            self.state.lost = f"neither database nor disk takes events, {self._count()} wait: {error}"
            effects.append(Send("supervisor", Fatal(name="journal", reason=self.state.lost)))
        return [*effects, *self._armed(DISK_PAUSE)]

    def _tell_aside(self, now: datetime) -> None:
        if aside := self._store.taken_aside():
            self._add_alert("spool_set_aside", now, f"Events were not written to the database: {'; '.join(aside)}.")

    def _add_alert(self, kind: str, now: datetime, text: str) -> None:
        alert = Alert(kind=kind, name=f"{now:%Y%m%dT%H%M%S.%f}", at=now, text=text, critical=True)
        self.state.pending.append(batch_of([alert], input=None, at=now))


def _told(notices: int) -> list[Effect]:
    return [Send("alerter", OutboxReady())] if notices else []
