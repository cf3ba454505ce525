"""One daemon per account: an advisory lock on a connection of its own, and a fence number that only ever rises.

The lock keeps a second daemon from starting; it dies with its connection. The fence keeps a daemon that has lost its
lock without knowing from writing: every journal transaction checks it (db/writer.py).
"""

import threading
from hashlib import sha256

import msgspec
from sqlalchemy import URL, Connection, bindparam, create_engine, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from atlas.errors import AlreadyRunning, DatabaseError, InternalError
from db.engine import CONNECT_ARGS, name_of, normal, reported
from db.models import AccountRow, DaemonRow
from db.projections.row import replaced
from db.silence import give_up_silence

PATIENCE = 10.0
"""Seconds the server may say nothing: the journal waits for the lock, and must never seem to hang."""

ENDED_WITHIN = 5000
"""Milliseconds a session of our own may take to end."""

_try = text("SELECT pg_try_advisory_lock(:number)")
_end_own = text(
    "SELECT pg_terminate_backend(pid, :within) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND pid = :pid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32) | objid::bigint = :number"
    # Whoever took the account since has raised the fence, and may have been given our old process number.
    " AND EXISTS (SELECT 1 FROM accounts WHERE name = :account AND fence = :fence)"
)
_session = text("SELECT pg_backend_pid()")
_account = insert(AccountRow).values(halts={}, fence=1, created_at=func.now(), updated_at=func.now())
_account = _account.on_conflict_do_update(
    index_elements=["name"], set_={"fence": AccountRow.fence + 1, "updated_at": func.now()}
)
_daemon = insert(DaemonRow).values(started_at=func.now(), beat_at=func.now(), stopped_at=None)
_daemon = _daemon.on_conflict_do_update(index_elements=["account"], set_=replaced(_daemon))
_stopped = (
    update(DaemonRow)
    .where(DaemonRow.account == bindparam("b_account"), DaemonRow.fence == bindparam("b_fence"))
    .values(stopped_at=func.now())
)


class Holder(msgspec.Struct, frozen=True):
    """Who holds an account: the machine's name, the process id, and what runs there."""

    host: str
    pid: int
    version: str
    mode: str
    rules: str


class AccountLock:
    """The lock of one account. `acquire` once, `renew` again and again, `release` at the end; from any thread.

    A server restarted between two writes cuts the lock's connection and nobody else notices: `renew` does.
    """

    def __init__(self, url: str | URL, account: str, holder: Holder) -> None:
        """Nothing is opened yet."""
        self.account = account
        self.fence = 0
        self._url = normal(url)
        self._holder = holder
        # No pool: the lock lives as long as its one connection.
        self._engine = create_engine(
            self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=CONNECT_ARGS
        )
        give_up_silence(self._engine, PATIENCE)
        self._connection: Connection | None = None
        self._session = 0
        self._turn = threading.Lock()

    def acquire(self) -> int:
        """Take the account and return the new fence number.

        Raises AlreadyRunning, naming host and process of the daemon that holds it; DatabaseError.
        """
        with reported(self._url):
            connection = self._locked()
            row = {"name": self.account}
            self.fence = int(connection.execute(_account.returning(AccountRow.fence), row).scalar_one())
            who = msgspec.structs.asdict(self._holder)
            connection.execute(_daemon, {"account": self.account, "fence": self.fence, **who})
        return self.fence

    def renew(self) -> None:
        """Make sure that the account is still ours, taking the lock again if its connection is gone.

        Raises AlreadyRunning if another daemon has taken the account meanwhile, DatabaseError if it cannot be known.
        """
        if not self.fence:
            raise InternalError(f"the lock of account {self.account!r} was never acquired: call acquire first")
        with self._turn, reported(self._url):
            connection = self._living() or self._regained()
            try:
                found = connection.execute(
                    select(AccountRow.fence).where(AccountRow.name == self.account)
                ).scalar_one_or_none()
            except DBAPIError:
                # It was cut since it answered, and SQLAlchemy takes nothing more on it: next time on a new one.
                self._drop()
                raise
            if found != self.fence:
                self._drop()
        if found != self.fence:
            raise AlreadyRunning(f"account {self.account!r}: {self._who(found)} has taken it over meanwhile; stop one")

    def release(self) -> None:
        """Write down that this daemon has stopped, and give the account up. A database that is away is no error."""
        with self._turn:
            connection = self._living()
            if connection is not None:
                try:
                    connection.execute(_stopped, {"b_account": self.account, "b_fence": self.fence})
                except DBAPIError:
                    # Only the note of the stop is lost: the lock goes with its connection, also with a broken one.
                    pass
            self._drop()
            self._engine.dispose()

    def _locked(self) -> Connection:
        connection = self._engine.connect()
        try:
            taken = bool(connection.execute(_try, {"number": lock_number(self.account)}).scalar_one())
            if not taken:
                raise AlreadyRunning(f"account {self.account!r} is held by {_holder(connection, self.account)}")
        except BaseException:  # however it ends, a connection may hold the lock only if somebody holds the connection
            connection.close()
            raise
        self._session = int(connection.execute(_session).scalar_one())
        self._connection = connection
        return connection

    def _regained(self) -> Connection:
        """Take the lock on a new connection, where need be from our own old session.

        A line that was lost without a word leaves a session at the server that knows nothing of it, for hours.
        """
        try:
            return self._locked()
        except AlreadyRunning:
            self._end_old_session()
        # Somebody else's it is only if it is still held: a session of ours may just have been ending.
        return self._locked()

    def _end_old_session(self) -> None:
        """End our old session if that is what holds the lock. Raises DatabaseError if it does not end."""
        lock = {"number": lock_number(self.account), "pid": self._session, "within": ENDED_WITHIN}
        mine = {"account": self.account, "fence": self.fence}
        with self._engine.connect() as connection:
            ended = connection.execute(_end_own, lock | mine).scalar_one_or_none()
        if ended is False:
            raise DatabaseError(
                f"{name_of(self._url)}: a session of our own (process {self._session}) that no longer answers still "
                f"holds the account {self.account!r}: it is tried again; should it stay so, restart the server"
            )

    def _living(self) -> Connection | None:
        """Return the lock's connection if the server still answers on it."""
        if self._connection is None:
            return None
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError:
            self._drop()
            return None
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _who(self, fence: int | None) -> str:
        return f"another daemon (fence {fence}, ours {self.fence})"


def lock_number(account: str) -> int:
    """Return the advisory lock's 64-bit number for an account."""
    return int.from_bytes(sha256(f"atlas account {account}".encode()).digest()[:8], "big", signed=True)


def _holder(connection: Connection, account: str) -> str:
    row = connection.execute(select(DaemonRow.host, DaemonRow.pid).where(DaemonRow.account == account)).one_or_none()
    if row is None:
        return "a daemon that is just starting; try again"
    return f"the daemon on {row.host}, process {row.pid}: stop that one first, or choose another account"
