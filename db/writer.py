"""The journal's transactions: fence, events, projections and notification in one, or nothing at all."""

import logging
import traceback
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from actors.messages import Alert, DeadLetter, Forming, PastBars, Quote
from atlas.errors import AlreadyRunning, DatabaseError
from db.batch import Batch, Entry, batch_of
from db.claims import claim
from db.engine import name_of
from db.faults import first_line, verdict
from db.models import AccountRow, DeadLetterRow, EventRow
from db.projections import project, shown
from db.projections.asked import asked
from db.projections.operation import NOTICES
from db.projections.row import Row, grouped
from db.repositories.daemon import Health, save_health

ATTEMPTS = 5
"""How often a transaction that met a deadlock is tried."""

CHANNEL = "atlas_events"
"""Notified, with the account's name, by every transaction that changed something."""

_log = logging.getLogger(__name__)

_events = insert(EventRow).on_conflict_do_nothing().returning(EventRow.id)
_fence = (
    select(AccountRow.fence)
    .where(AccountRow.name == bindparam("account"))
    # Makes a new daemon's increment wait for this transaction, and this transaction see it if it came first.
    .with_for_update(key_share=True)
)
_letter = insert(DeadLetterRow).values(at=func.now())
_notify = text("SELECT pg_notify(:channel, :account)")


class Extras(msgspec.Struct, frozen=True):
    """What goes along with a transaction and is not an event: what is for display, and dead letters."""

    quotes: tuple[Quote, ...] = ()
    letters: tuple[DeadLetter, ...] = ()
    health: tuple[Health, ...] = ()
    forming: tuple[Forming, ...] = ()
    past: tuple[PastBars, ...] = ()


NOTHING = Extras()


class Written(msgspec.Struct, frozen=True):
    """What a transaction did: events new to the database, notices for the alerter, ids of events set aside."""

    events: int = 0
    notices: int = 0
    refused: tuple[str, ...] = ()


class Writer:
    """Writes for one account under one fence number; used by the journal's thread only."""

    def __init__(
        self, engine: Engine, account: str, fence: int, group: str = "", *, told: Sequence[str] = ()
    ) -> None:
        """`fence` is the number the account's lock gave this daemon; `group` is that of its shards, if there are any.

        `told` are the kinds of notices that are made because they are asked for (db/projections/asked.py).
        """
        self.account = account
        self._group = group
        self._told = frozenset(told)
        self.fence = fence
        self._engine = engine

    def write(self, batches: Sequence[Batch], extras: Extras = NOTHING, *, decided_under: int | None = None) -> Written:
        """Commit the batches whole, in order. The same events again change nothing.

        `decided_under` is the fence of the daemon that decided them, if that was an earlier one (a spool). Events that
        the database refuses become dead letters with an alert, and the rest is written. Raises DatabaseError if the
        database is away, AlreadyRunning if another daemon has taken the account, SetupTaken if another shard has
        entered a setup entered here; then nothing was written.
        """
        stamp = self.fence if decided_under is None else decided_under
        for _ in range(ATTEMPTS):
            try:
                return self._whole(batches, extras, stamp)
            except AlreadyRunning:
                raise
            except Exception as error:  # `verdict` tells what each kind means
                found = verdict(error)
                if found == "away":
                    raise self._away(error) from error
                if found == "poison":
                    _log.warning("a transaction was refused (%s): writing its events singly", first_line(error))
                    return self._singly(batches, extras, stamp)
                last = error
        raise self._away(last) from last

    def newest_fence(self) -> int:
        """Return the highest fence any committed event of the account has, 0 for none. Raises DatabaseError."""
        newest = select(func.coalesce(func.max(EventRow.fence), 0)).where(EventRow.account == self.account)
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(newest).scalar_one())
        except Exception as error:  # a read that fails, however it does, is a database that is away
            raise self._away(error) from error

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────

    def _whole(self, batches: Sequence[Batch], extras: Extras, stamp: int) -> Written:
        with self._engine.begin() as connection:
            self._check_fence(connection)
            new = self._insert(connection, batches, stamp)
            rows = [row for entry in new for row in self._rows(entry)]
            _execute(connection, rows)
            self._finish(connection, extras)
        return Written(len(new), _notices(rows))

    def _singly(self, batches: Sequence[Batch], extras: Extras, stamp: int) -> Written:
        """One transaction still, but each event behind a savepoint, so that only what is refused is missing."""
        events, notices, refused = 0, 0, []
        with self._engine.begin() as connection:
            self._check_fence(connection)
            for batch in batches:
                for entry in batch.entries:
                    try:
                        with connection.begin_nested():
                            new = self._insert(connection, [Batch(batch.input, batch.at, (entry,))], stamp)
                            rows = [row for one in new for row in self._rows(one)]
                            _execute(connection, rows)
                    except AlreadyRunning:
                        raise
                    except Exception as error:  # only what the database refuses is set aside, all else is raised
                        if verdict(error) != "poison":
                            raise self._away(error) from error
                        refused.append(entry.id)
                        new = []
                        rows = self._set_aside(connection, batch, entry, error, stamp)
                    events, notices = events + len(new), notices + _notices(rows)
            try:
                with connection.begin_nested():
                    self._finish(connection, extras)
            except Exception as error:  # as above
                if verdict(error) != "poison":
                    raise self._away(error) from error
                _log.error(
                    "%s and %d dead letters were refused: %s", extras.quotes, len(extras.letters), first_line(error)
                )
                self._finish(connection, NOTHING)
        return Written(events, notices, tuple(refused))

    def _rows(self, entry: Entry) -> list[Row]:
        event = entry.event()
        return [*project(self.account, event), *asked(self.account, event, self._told)]

    def _check_fence(self, connection: Connection) -> None:
        found = connection.execute(_fence, {"account": self.account}).scalar_one_or_none()
        if found != self.fence:
            raise AlreadyRunning(
                f"account {self.account!r} is held by another daemon (fence {found}, ours {self.fence}): nothing was "
                "written; stop one of the two"
            )

    def _insert(self, connection: Connection, batches: Sequence[Batch], stamp: int) -> list[Entry]:
        """Append the events that are not there yet, and claim what they enter; return them in order, each once."""
        entries: dict[str, Entry] = {}
        rows: list[dict[str, Any]] = []
        for batch in batches:
            for entry in batch.entries:
                if entries.setdefault(entry.id, entry) is entry:
                    rows.append(self._event_row(batch, entry, stamp))
        if not rows:
            return []
        inserted = set(connection.execute(_events, rows).scalars())
        new = [entry for entry in entries.values() if entry.id in inserted]
        if self._group:
            claim(connection, self._group, self.account, [entry.event() for entry in new])
        return new

    def _event_row(self, batch: Batch, entry: Entry, stamp: int) -> dict[str, Any]:
        return {
            "account": self.account,
            "id": entry.id,
            "kind": entry.kind,
            "at": batch.at,
            "input": batch.input,
            "fence": stamp,
            "payload": entry.payload.decode(),
        }

    def _finish(self, connection: Connection, extras: Extras) -> None:
        rows = [shown.quoted(quote) for quote in extras.quotes]
        rows += [row for told in extras.past for row in shown.past(told)]
        rows += [row for told in extras.forming for row in shown.forming(told)]
        rows += [Row(_letter, self._letter_row(letter), ("letters",)) for letter in extras.letters]
        _execute(connection, rows)
        save_health(connection, self.account, extras.health)
        connection.execute(_notify, {"channel": CHANNEL, "account": self.account})

    def _letter_row(self, letter: DeadLetter) -> dict[str, Any]:
        return {
            "account": self.account,
            "recipient": letter.to,
            "sender": letter.sender,
            # A text column holds no NUL, which may be the very reason for the letter.
            "text": letter.text.replace("\0", ""),
            "reason": letter.reason.replace("\0", ""),
            "traceback": letter.traceback.replace("\0", ""),
        }

    def _set_aside(self, connection: Connection, batch: Batch, entry: Entry, error: Exception, stamp: int) -> list[Row]:
        """Make a dead letter of an event the database refuses, and tell the owner; return the rows that tell.

        The alert is an event itself: the same refusal again is neither a second letter nor a second alert.
        """
        reason = first_line(error)
        _log.error("the database refused %s: %s; it is kept in dead_letters", entry.id, reason)
        at = batch.at or connection.execute(select(func.now())).scalar_one()
        told = Alert(
            kind="dead_letter",
            name=entry.id,
            at=at,
            text=f"{entry.kind} {entry.id} was refused by the database and set aside in dead_letters: {reason}",
            critical=True,
        )
        if not self._insert(connection, [batch_of([told], input=batch.input, at=at)], stamp):
            return []
        letter = DeadLetter(
            to="database",
            sender=f"journal, input {batch.input}",
            text=entry.payload.decode(errors="replace"),
            reason=f"{entry.id}: {reason}",
            traceback="".join(traceback.format_exception(error)),
        )
        rows = [Row(_letter, self._letter_row(letter), ("letters",)), *project(self.account, told)]
        _execute(connection, rows)
        return rows

    def _away(self, error: Exception) -> DatabaseError:
        return DatabaseError(f"{name_of(self._engine.url)}: {first_line(error)}")


def _execute(connection: Connection, rows: Sequence[Row]) -> None:
    for statement, parameters in grouped(rows):
        connection.execute(statement, parameters)


def _notices(rows: Sequence[Row]) -> int:
    return sum(any(row.statement is one for one in NOTICES) for row in rows)
