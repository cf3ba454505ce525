"""How the system is, as JSON values: the verdict with its reasons, and the daemon it is about."""

from datetime import datetime
from typing import Any, TypedDict

import msgspec
from sqlalchemy import Connection, Row

from db.repositories import night_audit
from db.verdict import feed_state, verdict
from web import queries
from web.values import iso


class Reason(TypedDict):
    """Why the verdict is not ok; `level` is down or warning."""

    level: str
    text: str


class Verdict(TypedDict):
    """`verdict` is ok, warning or down; down means: ATLAS does not do its work."""

    verdict: str
    reasons: list[Reason]


class DaemonShown(TypedDict):
    """The daemon that holds, or last held, the account; `market_time` is the exchange's clock, `beat_at` ours."""

    host: str
    pid: int
    version: str
    mode: str
    rules: str
    feed: str
    started_at: str | None
    stopped_at: str | None
    market_time: str | None
    beat_at: str | None


class Seen(msgspec.Struct, frozen=True):
    """What the verdict rests on: the rows, None where there are none, and the verdict itself."""

    account: Row[Any] | None
    daemon: Row[Any] | None
    actors: queries.Rows
    audit: night_audit.NightAudit | None
    system: Verdict

    @property
    def daemon_shown(self) -> DaemonShown | None:
        """The daemon as JSON values."""
        row = self.daemon
        if row is None or self.account is None:
            return None
        return {
            "host": row.host,
            "pid": row.pid,
            "version": row.version,
            "mode": row.mode,
            "rules": row.rules,
            "feed": feed_state(row, self.account.halts),
            "started_at": iso(row.started_at),
            "stopped_at": iso(row.stopped_at),
            "market_time": iso(row.market_time),
            "beat_at": iso(row.beat_at),
        }


def look(connection: Connection, name: str | None, now: datetime) -> Seen:
    """Return how the system of an account is at `now`."""
    account = queries.account(connection, name) if name else None
    if name is None or account is None:
        return Seen(None, None, (), None, _told(verdict(None, None, (), now, opened=False)))
    daemon = queries.daemon(connection, name)
    actors = queries.actors(connection, name, daemon.started_at if daemon else None)
    audit = night_audit.last(connection, name)
    found = verdict(daemon, account.halts, actors, now, opened=account.cash is not None, audit=audit)
    return Seen(account, daemon, actors, audit, _told(found))


def _told(found: dict[str, Any]) -> Verdict:
    return {"verdict": found["verdict"], "reasons": found["reasons"]}
