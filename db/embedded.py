"""The embedded Postgres: the default where no ATLAS_DATABASE_URL or DATABASE_URL is set.

    initdb once  →  pg_ctl start, unless it runs  →  clients by a Unix socket in a closed directory  →  pg_ctl stop

Beside the data directory `postgres` lie `postgres.lock` (held while a server is started or stopped), `postgres.users`
(held shared by every process that uses the server), `postgres.temporary` (there while the server was started for a
command and not on purpose) and the socket's directory. TCP is off; who can enter the socket's
directory (the server's account and root) is trusted. Only `EmbeddedServer.start` starts a server.

Measured on 2 busy cores with Postgres 18.4: first start 1.1 s (initdb), later starts 0.16 s, stop 0.16 s.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
import psycopg
from psycopg import sql

from atlas.errors import ConfigurationError, DatabaseError
from db import embedded_process as process
from db.embedded_account import ServerAccount, account_for
from db.embedded_binaries import choose_binaries, executable_by
from db.embedded_launch import SUPERUSER, await_settled, initialise, launch, shut_down
from db.embedded_place import default_data_dir, require_usable, socket_dir_for

_log = logging.getLogger(__name__)


class ServerStatus(msgspec.Struct, frozen=True):
    """What is known of the server without asking it. `version`: the data's major one, None before initdb."""

    running: bool
    pid: int | None
    version: str | None
    socket_dir: Path
    data_dir: Path


class Client(msgspec.Struct, frozen=True):
    """A connection to the server other than the one that asks."""

    pid: int
    application: str
    database: str
    since: datetime


class EmbeddedServer:
    """A Postgres of our own in `data_dir` (see `default_data_dir`); making the object touches nothing.

    `fsync=False` is for tests: faster, and a crash of the machine loses the data.
    """

    def __init__(self, data_dir: Path | None = None, *, fsync: bool = True) -> None:
        self.data_dir = (data_dir or default_data_dir()).expanduser().resolve()
        self._fsync = fsync
        self._use: int | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self, *, keep: bool = False) -> bool:
        """Start the server unless it runs; return True if this call started it. Safe in many processes at once.

        From here until `stop` (or the end of this process) the server counts as used by us. `keep`: it is wanted for
        itself, and nobody stops it by leaving. Raises ConfigurationError
        (the place or the machine is wrong), DatabaseError (Postgres did not start; its last words are in the message).
        """
        account = account_for(self.data_dir)
        require_usable(self.data_dir, account)
        with self._start_lock(account):
            if await_settled(self.data_dir) is not None:
                if keep:
                    self._temporary.unlink(missing_ok=True)
                self._begin_use(account)
                return False
            binaries = executable_by(account, choose_binaries(self.data_dir))
            if not (self.data_dir / "PG_VERSION").exists():
                initialise(self.data_dir, account, binaries, fsync=self._fsync)
            launch(self.data_dir, account, binaries, fsync=self._fsync)
            self._begin_use(account)
            if keep:
                self._temporary.unlink(missing_ok=True)
            else:
                os.close(_open_lock(self._temporary, account))
            return True

    def revive(self) -> bool:
        """Start the server again if it has died, as wanted as it was; return True if this call started it.

        Raises what `start` raises, and DatabaseError where the data is gone: it is not begun anew.
        """
        if self._running() is not None:
            return False
        if not (self.data_dir / "PG_VERSION").exists():
            raise DatabaseError(f"the data of the embedded Postgres in {self.data_dir} is gone: restore a backup of it")
        return self.start(keep=not self._temporary.exists())

    def leave(self) -> bool:
        """End our use of the server; the last to leave one that was started for a command stops it: True.

        Whoever started it may have been killed, and would leave it running for ever. Raises DatabaseError.
        """
        if self._use is None or not self._temporary.exists():
            self._end_use()
            return False
        return self._stop(force=False, level=logging.DEBUG)

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server and end our use of it; return False where it was left running because others use it.

        Who they are is logged and told by `clients`. Close your own connections first: they count as others. `force`
        stops it all the same (fast shutdown: their transactions are rolled back). A server that does not run is
        stopped already: True. Raises DatabaseError where Postgres does not stop within a minute.
        """
        return self._stop(force=force, level=logging.WARNING)

    def _stop(self, *, force: bool, level: int) -> bool:
        """Stop it; at `level` it is logged who else uses it."""
        if self._running() is None:
            self._end_use()
            return True
        account = account_for(self.data_dir)
        with self._start_lock(account):
            self._end_use()
            if self._running() is None:
                return True
            if not force and self._used_by_others(account, level):
                return False
            shut_down(self.data_dir, account, executable_by(account, choose_binaries(self.data_dir)))
            self._temporary.unlink(missing_ok=True)
            return True

    def status(self) -> ServerStatus:
        """Return whether the server runs, and where. Raises DatabaseError where the data is closed to this user."""
        running = self._running()
        version_file = self.data_dir / "PG_VERSION"
        version = version_file.read_text(encoding="ascii").strip() if version_file.exists() else None
        if running is not None:
            return ServerStatus(True, running.pid, version, running.socket_dir, self.data_dir)
        return ServerStatus(False, None, version, socket_dir_for(self.data_dir), self.data_dir)

    def require_running(self) -> ServerStatus:
        """Return the status, for commands that read and must not start a server. Raises DatabaseError if it is down."""
        status = self.status()
        if not status.running:
            raise DatabaseError(
                f"the embedded Postgres in {self.data_dir} is not running: start it with `atlas db start`,"
                " or set ATLAS_DATABASE_URL to a server elsewhere"
            )
        return status

    # -- use -------------------------------------------------------------------------------------------------------

    def url(self, database: str = "atlas") -> str:
        """Return the SQLAlchemy URL of a database, `postgresql+psycopg://…` over the socket. Starts nothing."""
        socket_dir, port = self._address()
        host = quote(str(socket_dir), safe="/")
        return f"postgresql+psycopg://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={port}"

    def psql_argv(self, database: str = "atlas") -> list[str]:
        """Return the command line of an interactive psql on a database. Starts nothing."""
        socket_dir, port = self._address()
        psql = choose_binaries(self.data_dir).bin / "psql"
        return [str(psql), "-h", str(socket_dir), "-p", str(port), "-U", SUPERUSER, "-d", database]

    def database_exists(self, name: str) -> bool:
        """Return whether the running server has such a database. Raises DatabaseError."""
        with self._admin() as connection:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def databases(self) -> list[str]:
        """Return the names of the databases that are not the server's own. Raises DatabaseError."""
        with self._admin() as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname"
            ).fetchall()
        return [name for (name,) in rows]

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create a database, as a copy of `template` (which nobody may be connected to) if given.

        Raises DatabaseError, also where it exists already.
        """
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self._admin() as connection:
            connection.execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop a database and throw out who is connected to it. Raises DatabaseError, also where there is none."""
        with self._admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def clients(self) -> tuple[Client, ...]:
        """Return every connection to the running server but the one that asks. Raises DatabaseError."""
        with self._admin() as connection:
            rows = connection.execute(
                "SELECT pid, application_name, coalesce(datname, ''), backend_start FROM pg_stat_activity"
                " WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
        return tuple(Client(*row) for row in rows)

    # -- how -------------------------------------------------------------------------------------------------------

    @property
    def _temporary(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.temporary")

    def _running(self) -> process.Postmaster | None:
        try:
            return process.running_postmaster(self.data_dir)
        except PermissionError:
            raise DatabaseError(
                f"{self.data_dir} is closed to this user: run the command as its owner or as root"
            ) from None

    def _address(self) -> tuple[Path, int]:
        running = self._running()
        # One that has just begun has not written down yet where it listens.
        if running is None or not running.socket_dir.is_absolute():
            return socket_dir_for(self.data_dir), 5432
        return running.socket_dir, running.port

    @contextmanager
    def _admin(self) -> Iterator[psycopg.Connection]:
        """Connect to the maintenance database, outside transactions; Postgres' errors become DatabaseError."""
        self.require_running()
        socket_dir, port = self._address()
        try:
            with psycopg.connect(
                host=str(socket_dir),
                port=port,
                user=SUPERUSER,
                dbname="postgres",
                application_name="atlas-embedded",
                connect_timeout=10,
                autocommit=True,
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise DatabaseError(f"the embedded Postgres in {self.data_dir} refused: {str(error).strip()}") from error

    @contextmanager
    def _start_lock(self, account: ServerAccount) -> Iterator[None]:
        file = _open_lock(self.data_dir.with_name(f"{self.data_dir.name}.lock"), account)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _begin_use(self, account: ServerAccount) -> None:
        if self._use is None:
            self._use = _open_lock(self.data_dir.with_name(f"{self.data_dir.name}.users"), account)
            fcntl.flock(self._use, fcntl.LOCK_SH)

    def _end_use(self) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None

    def _used_by_others(self, account: ServerAccount, level: int) -> bool:
        """Return whether anybody is connected, or has called `start` and may be about to connect; log who."""
        clients = self.clients()
        if clients:
            who = ", ".join(
                f"{c.application or 'unnamed'} in {c.database} since {c.since:%F %T} (backend {c.pid})" for c in clients
            )
        else:
            file = _open_lock(self.data_dir.with_name(f"{self.data_dir.name}.users"), account)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                who = "another ATLAS process, not connected just now"
            finally:
                os.close(file)
        _log.log(level, "the embedded Postgres in %s is left running, others use it: %s", self.data_dir, who)
        return True


def _open_lock(path: Path, account: ServerAccount) -> int:
    """Open a lock file, made if need be and then the server account's, so that root and the account share it."""
    try:
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if account.switch and os.fstat(file).st_uid != account.uid:
            os.fchown(file, account.uid, account.gid)
    except OSError as error:
        raise ConfigurationError(
            f"cannot open {path}: {error.strerror}; mend its owner, or set ATLAS_DATA_DIR"
        ) from None
    return file
