"""A journal driven by hand: no thread, no clock; timers fire when the test says so."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine

from actors.journal import DisplayDue, Journal, JournalState, ReconnectDue, WriteDue
from actors.runtime.behaviour import AfterWall, Effect, Reply, Send
from db.lock import AccountLock
from db.spool import LIMIT, Spool
from db.store import Store
from db.writer import Writer

WALL = datetime(2026, 3, 2, 14, tzinfo=UTC)


class Driven:
    """A journal with its store. `sent` is what it sent, `timers` what it armed and the test has not fired."""

    def __init__(
        self,
        engine: Engine,
        lock: AccountLock,
        spool: Path,
        *,
        sync: Callable[[int], None] = lambda number: None,
        limit: int = LIMIT,
    ) -> None:
        self.spool = Spool(spool, limit)
        self.store = Store(Writer(engine, "paper", lock.fence), self.spool, sync=sync, renew=lock.renew)
        self.journal = Journal(JournalState(), self.store)
        self.now = WALL
        self.sent: list[tuple[str, Any]] = []
        self.timers: list[AfterWall] = []
        self._carry(self.journal.start(self.now))

    def tell(self, *messages: Any) -> Any:
        """Hand messages over; return the reply to the last."""
        answer = None
        for message in messages:
            answer = self._carry(self.journal.receive(self.now, message))
        return answer

    def fire(self, *kinds: type[Any]) -> None:
        """Fire the armed timers of these kinds (default: writing), those they arm excepted."""
        due = [timer for timer in self.timers if isinstance(timer.message, kinds or (WriteDue,))]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            self.now += timedelta(seconds=timer.seconds)
            self.tell(timer.message)

    def reconnect(self, most: int = 100) -> None:
        """Fire the timers until the database is back, or at most so often."""
        for _ in range(most):
            if self.journal.state.away is None:
                return
            self.fire(ReconnectDue)

    def display(self) -> None:
        """Fire the timer of what is for display."""
        self.fire(DisplayDue)

    def to(self, name: str) -> list[Any]:
        """Return what was sent to that name."""
        return [message for to, message in self.sent if to == name]

    def crash(self) -> None:
        """Rebuild the journal from its state as the shell does after every message."""
        self.journal.stop()
        saved = msgspec.msgpack.encode(self.journal.state)
        self.journal = Journal(msgspec.msgpack.decode(saved, type=JournalState), self.store)
        self._carry(self.journal.resume(self.now))

    def _carry(self, effects: Any) -> Any:
        answer = None
        for effect in list[Effect](effects):
            if isinstance(effect, Send):
                self.sent.append((effect.to, effect.message))
            elif isinstance(effect, AfterWall):
                self.timers.append(effect)
            elif isinstance(effect, Reply):
                answer = effect.answer
        return answer
