"""Which database, and a connection to it that cannot hang for ever."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from atlas.errors import ConfigurationError, DatabaseError
from db.silence import give_up_silence

CONNECT_TIMEOUT = 5
"""Seconds to reach the server."""
STATEMENT_TIMEOUT = 30
"""Seconds a statement may run; the server cancels it."""
SILENCE = 5
"""Seconds beyond that after which a server that says nothing is given up (db/silence.py)."""

CONNECT_ARGS = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "atlas",
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
"""What every connection of ours has; the keepalives (seconds; milliseconds) notice a dead TCP peer within 15 s."""

DRIVERS = ("postgres", "postgresql", "postgresql+psycopg")


def resolve_url(given: str | None = None, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the database's URL: the one given, else ATLAS_DATABASE_URL, else DATABASE_URL, else None: embedded.

    Raises ConfigurationError if it is no Postgres URL.
    """
    environ = os.environ if environ is None else environ
    raw = given or environ.get("ATLAS_DATABASE_URL") or environ.get("DATABASE_URL")
    return None if not raw else normal(raw).render_as_string(hide_password=False)


def normal(url: str | URL) -> URL:
    """Return the URL for psycopg 3; postgres://, postgresql:// and postgresql+psycopg:// are the same.

    Raises ConfigurationError for anything else, without its password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # The second of a port that is no number.
        raise ConfigurationError(
            "the database URL cannot be read: give postgresql://user:password@host:5432/name in ATLAS_DATABASE_URL"
        ) from None
    if parsed.drivername not in DRIVERS:
        raise ConfigurationError(
            f"the database URL begins with {parsed.drivername}://: ATLAS needs Postgres, postgresql://…"
        )
    return parsed.set(drivername="postgresql+psycopg")


def connect(
    url: str | URL, *, pool_size: int = 5, statement_timeout: float = STATEMENT_TIMEOUT, one_core: bool = False
) -> Engine:
    """Return an engine; nothing is opened yet. Sessions are in UTC, and no statement waits for ever.

    `statement_timeout` is in seconds, 0 for none: then a silent server is waited for without end as well. `one_core`:
    no statement is divided among processes of the server.
    """
    milliseconds = int(statement_timeout * 1000)
    workers = " -c max_parallel_workers_per_gather=0" if one_core else ""
    engine = create_engine(
        normal(url),
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=10,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            **CONNECT_ARGS,
            "options": f"-c timezone=UTC -c statement_timeout={milliseconds} -c lock_timeout={milliseconds}{workers}",
        },
    )
    if statement_timeout:
        give_up_silence(engine, statement_timeout + SILENCE)
    return engine


def name_of(url: str | URL) -> str:
    """Return `database X on host Y` for messages; never user or password."""
    parsed = normal(url)
    host = parsed.host or str(parsed.query.get("host", "")) or "the local socket"
    port = f":{parsed.port}" if parsed.port else ""
    return f"database {parsed.database or '(default)'} on {host}{port}"


@contextmanager
def reported(url: str | URL) -> Iterator[None]:
    """Turn a driver's error into a DatabaseError that says which database and what to do."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"{name_of(url)}: {reason_of(error)}") from error


def reason_of(error: DBAPIError) -> str:
    """Return one line: what the server or the driver said, and the remedy."""
    lines = [line for line in str(error.orig).strip().splitlines() if line]
    said = lines[0] if lines else type(error.orig).__name__
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None:
        return f"cannot be reached ({said}); start it (`atlas db status` shows the embedded one) or mend the URL"
    return said


@contextmanager
def session(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end. Raises DatabaseError for what the driver raises."""
    with reported(engine.url), engine.begin() as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """One transaction that reads: every statement sees the same moment, whatever the daemon writes meanwhile."""
    with session(engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)) as connection:
        yield connection
