"""Where the journal puts events: the database, or the spool while it is away."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from actors.messages import Alert
from atlas.errors import SetupTaken
from db.batch import Batch
from db.notices import alert_notice
from db.spool import Spool
from db.urgent import Urgent
from db.writer import NOTHING, Extras, Writer, Written

_log = logging.getLogger(__name__)


class Store:
    """The database and the spool of one account; used by the journal's thread.

    `sync` puts the core's inputs up to a number on disk (the recorder's): before the events they caused are kept
    anywhere. `renew` makes sure of the account's lock (db.lock.AccountLock.renew).
    """

    def __init__(
        self,
        writer: Writer,
        spool: Spool,
        *,
        sync: Callable[[int], None],
        renew: Callable[[], None],
        urgent: Urgent | None = None,
    ) -> None:
        self._writer = writer
        self._spool = spool
        self._sync = sync
        self._renew = renew
        self.urgent = urgent or Urgent()
        self.commits = 0
        """Transactions committed since the start."""
        self._aside: list[str] = []

    @property
    def spool_empty(self) -> bool:
        """Whether nothing waits in the spool."""
        return self._spool.empty

    @property
    def spool_bytes(self) -> int:
        """How much waits in the spool."""
        return self._spool.waiting_bytes

    def write(self, batches: Sequence[Batch], extras: Extras = NOTHING) -> Written:
        """Commit to the database. Raises what Writer.write raises, and OSError if the recording cannot be synced."""
        self._sync_inputs(batches)
        written = self._writer.write(batches, extras)
        self.commits += 1
        return written

    def spool(self, batches: Sequence[Batch]) -> bool:
        """Put the batches on disk; return whether the alerter has something critical to send. Raises OSError."""
        self._sync_inputs(batches)
        dropped = self._spool.append(batches, self._writer.fence)
        if dropped:
            _log.warning("the spool is nearly full: %d candles and setups were not kept", dropped)
        critical = [alert for batch in batches for alert in _critical(batch)]
        for alert in critical:
            self.urgent.offer(alert.key, alert.kind, alert_notice(alert), alert.at)
        return bool(critical)

    def renew(self) -> None:
        """Make sure that the account is still ours. Raises AlreadyRunning, DatabaseError."""
        self._renew()

    def drain(self, appends: int) -> Written:
        """Write up to so many appends of the spool to the database, oldest first; return what they did in all.

        What another daemon's events have overtaken is not written but set aside in a file beside the spool. Raises what
        Writer.write raises; then what was written before is done with, and the rest stays.
        """
        events = notices = 0
        refused: list[str] = []
        for _ in range(appends):
            oldest = self._spool.peek()
            if oldest is None:
                break
            spooled, position = oldest
            if self._writer.newest_fence() > spooled.fence:
                aside = self._spool.refuse(spooled)
                self._told_aside(f"spooled under fence {spooled.fence}, overtaken by a later daemon", aside)
                refused += [entry.id for batch in spooled.batches for entry in batch.entries]
            else:
                try:
                    written = self._writer.write(spooled.batches, decided_under=spooled.fence)
                except SetupTaken as error:
                    # What followed from that entry is not to be believed either; what is open is settled from candles.
                    self._told_aside(f"{error}, and what was spooled after that", self._refuse_all())
                    break
                events, notices = events + written.events, notices + written.notices
                refused += written.refused
            self._spool.drained(position)
        return Written(events, notices, tuple(refused))

    def _told_aside(self, what: str, file: Path) -> None:
        _log.error("%s: kept in %s", what, file)
        told = f"{what}: kept in {file}"
        if told not in self._aside:  # a later daemon overtakes many appends at once
            self._aside.append(told)

    def _refuse_all(self) -> Path:
        """Set aside all that is in the spool; return the file of the last."""
        aside = Path()
        while (oldest := self._spool.peek()) is not None:
            spooled, position = oldest
            aside = self._spool.refuse(spooled)
            self._spool.drained(position)
        return aside

    def recover(self) -> Written:
        """Drain what an earlier process left, before anything is rebuilt from the database. Raises as `drain`."""
        events = notices = 0
        refused: tuple[str, ...] = ()
        while not self._spool.empty:
            written = self.drain(100)
            events, notices = events + written.events, notices + written.notices
            refused += written.refused
        return Written(events, notices, refused)

    def taken_dropped(self) -> int:
        """Return how many events the spool had no room for since the last call."""
        dropped, self._spool.dropped = self._spool.dropped, 0
        return dropped

    def taken_aside(self) -> tuple[str, ...]:
        """Return what has been set aside unwritten since the last call: of what, why, and in which file it is."""
        aside, self._aside = tuple(self._aside), []
        return aside

    def close(self) -> None:
        """Close the spool's file."""
        self._spool.close()

    def _sync_inputs(self, batches: Sequence[Batch]) -> None:
        newest = max((batch.input for batch in batches if batch.input is not None), default=None)
        if newest is not None:
            self._sync(newest)


def _critical(batch: Batch) -> list[Alert]:
    alerts = [entry.event() for entry in batch.entries if entry.kind == Alert.__name__]
    return [alert for alert in alerts if isinstance(alert, Alert) and alert.critical]
