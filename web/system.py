"""System: the actors, the feed, what is known of the bars, the database, what is to be told, what was lost, the log."""

from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

from sqlalchemy import Connection, Row

from atlas.market.completeness import TRADABLE
from db.repositories import completeness, dead_letters
from db.repositories.night_audit import NightAudit
from web import queries, system_queries
from web.pages import Arguments, Page, Shown
from web.values import iso
from web.verdict import DaemonShown, Verdict, look

LETTERS = 10
LOG_LINES = 40
_LOG_TAIL = 64 * 1024
"""Bytes of the log that are read from its end."""


class Actor(TypedDict):
    """One actor as its supervisor last saw it; `waiting` is the length of its mailbox."""

    name: str
    state: str
    waiting: int
    restarts: int
    last_progress: str | None
    last_error: str | None


class FrameKnown(TypedDict):
    """The bars of the last day of one product and timeframe, by what is known of them; `whole`: all may be traded."""

    symbol: str
    timeframe: str
    bars: dict[str, int]
    until: str | None
    whole: bool


class Hole(TypedDict):
    """Trades that may be missing and are not repaired."""

    symbol: str
    at: str | None
    since: str | None
    reason: str


class Completeness(TypedDict):
    """What is known of the bars of the last day."""

    bars: dict[str, int]
    frames: list[FrameKnown]
    open_holes: list[Hole]


class Audit(TypedDict):
    """What the last night's replay of a recorded day found."""

    day: str
    at: str | None
    inputs: int
    events: int
    differences: int
    first: str | None
    note: str | None


class Database(TypedDict):
    """The database: name, size in bytes, schema (the migration it stands at), connections, events of the account."""

    name: str
    bytes: int
    schema: str | None
    connections: int
    events: int
    last_event: str | None


class Outbox(TypedDict):
    """What is to be told: rows by status, the oldest that waits, and the last failure."""

    pending: int
    sent: int
    dropped: int
    oldest: str | None
    last_error: str | None


class Letter(TypedDict):
    """A message nobody could handle."""

    id: int
    at: str | None
    recipient: str
    sender: str
    reason: str


class System(TypedDict):
    """The system page; times are ISO 8601 UTC."""

    at: str | None
    name: str | None
    system: Verdict
    daemon: DaemonShown | None
    actors: list[Actor]
    last_bar: str | None
    completeness: Completeness
    night_audit: Audit | None
    database: Database
    outbox: Outbox
    letters: list[Letter]
    log: list[str]


def system(connection: Connection, shown: Shown, _: Arguments) -> System:
    """Return how every part of the system is."""
    seen = look(connection, shown.account, shown.now)
    name = shown.account or ""
    return {
        "at": iso(shown.now),
        "name": shown.account,
        "system": seen.system,
        "daemon": seen.daemon_shown,
        "actors": [_actor(row) for row in seen.actors],
        "last_bar": iso(queries.last_bar(connection)),
        "completeness": _completeness(connection),
        "night_audit": None if seen.audit is None else _audit(seen.audit),
        "database": _database(connection, name),
        "outbox": _outbox(system_queries.outbox(connection, name)),
        "letters": [
            {
                "id": letter.id,
                "at": iso(letter.at),
                "recipient": letter.recipient,
                "sender": letter.sender,
                "reason": letter.reason,
            }
            for letter in reversed(dead_letters.newest(connection, name, LETTERS))
        ],
        "log": log_tail(shown.logs / f"{name}.log") if shown.logs and name else [],
    }


def log_tail(file: Path) -> list[str]:
    """Return the last lines of a log, oldest first; none where there is no log."""
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - _LOG_TAIL))
            return log.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []


def _actor(row: Row[Any]) -> Actor:
    return {
        "name": row.actor,
        "state": row.state,
        "waiting": row.waiting,
        "restarts": row.restarts,
        "last_progress": iso(row.last_progress),
        "last_error": row.last_error,
    }


def _audit(audit: NightAudit) -> Audit:
    return {
        "day": audit.day.isoformat(),
        "at": iso(audit.at),
        "inputs": audit.inputs,
        "events": audit.events,
        "differences": audit.differences,
        "first": audit.first or None,
        "note": audit.note or None,
    }


def _completeness(connection: Connection) -> Completeness:
    found = completeness.tallies(connection, timedelta(days=1))
    return {
        "bars": {str(kind): count for kind, count in completeness.summed(found).items()},
        "frames": [
            {
                "symbol": tally.symbol,
                "timeframe": tally.timeframe,
                "bars": {str(kind): count for kind, count in tally.bars.items()},
                "until": iso(tally.until),
                "whole": TRADABLE.issuperset(tally.bars),
            }
            for tally in found
        ],
        "open_holes": [
            {"symbol": hole.symbol, "at": iso(hole.at), "since": iso(hole.since), "reason": hole.reason}
            for hole in completeness.open_holes(connection)
        ],
    }


def _database(connection: Connection, name: str) -> Database:
    row = system_queries.database(connection, name)
    return {
        "name": row.name,
        "bytes": row.bytes,
        "schema": row.schema,
        "connections": row.connections,
        "events": row.events,
        "last_event": iso(row.last_event),
    }


def _outbox(row: Row[Any]) -> Outbox:
    return {
        "pending": row.pending,
        "sent": row.sent,
        "dropped": row.dropped,
        "oldest": iso(row.oldest),
        "last_error": row.last_error,
    }


PAGE = Page(name="system", title="System", path="/system", section=system, answer=System)
