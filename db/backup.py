"""Backup and restore: one file of pg_dump's custom format, written whole or not at all; a restore replaces nothing
before it has succeeded.

The programs are those the embedded server comes with: pg_dump must not be older than the server it reads.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from atlas.errors import ConfigurationError, DatabaseError, DataError, UsageError
from db.embedded_binaries import installed
from db.engine import CONNECT_ARGS, name_of, normal, reported
from db.migrate import current


class Restored(msgspec.Struct, frozen=True):
    """What a restore did: the revision of the restored schema, and under which name the old database was kept."""

    revision: str | None
    kept_as: str | None


def backup(url: str | URL, path: Path, *, replace: bool = False) -> int:
    """Write the database to `path` and return its size in bytes. The file appears when it is whole and on disk.

    Raises UsageError if the file is there already, DatabaseError if pg_dump fails, OSError if the disk refuses.
    """
    if path.exists() and not replace:
        raise UsageError(f"{path} is there already: choose another name, or say --force to replace it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        unfinished = Path(file.name)
    try:
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
        _require_archive(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def restore(url: str | URL, path: Path, *, stamp: str) -> Restored:
    """Put the database of a backup in the place of the one of `url`, which is kept under another name.

    `stamp` makes that name unique, e.g. the time. The backup is restored beside, and the names are exchanged in one
    transaction at the end: if anything fails, the old database is as it was. Raises DataError for a file that is no
    backup, DatabaseError, also while others are connected.
    """
    _require_archive(path)
    wanted = normal(url)
    name = wanted.database or "atlas"
    fresh, kept = f"{name}_restoring_{stamp}", f"{name}_before_{stamp}"
    admin = create_engine(
        wanted.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=CONNECT_ARGS
    )
    quoted = admin.dialect.identifier_preparer.quote
    with reported(wanted), admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {quoted(fresh)} TEMPLATE template0"))
        try:
            beside = wanted.set(database=fresh)
            _run(
                "pg_restore", beside, "--no-owner", "--no-privileges", "--exit-on-error", f"--dbname={fresh}", str(path)
            )
            revision = current(beside)
            existed = _exists(connection, name)
            _exchange(admin, name if existed else None, kept, fresh, name)
        except BaseException:  # however it ends, nothing half restored is left behind
            connection.execute(text(f"DROP DATABASE IF EXISTS {quoted(fresh)}"))
            raise
    return Restored(revision, kept if existed else None)


def psql(url: str | URL, arguments: Sequence[str]) -> tuple[str, list[str], dict[str, str]]:
    """Return program, arguments and environment of an interactive psql; a password is in the environment only."""
    program = _program("psql")
    return program, [program, *arguments], _environment(url)


def _exists(connection: Connection, name: str) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
    return found.one_or_none() is not None


def _exchange(admin: Engine, old: str | None, kept: str, fresh: str, name: str) -> None:
    quoted = admin.dialect.identifier_preparer.quote
    with admin.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
        if old is not None:
            connection.execute(text(f"ALTER DATABASE {quoted(old)} RENAME TO {quoted(kept)}"))
        connection.execute(text(f"ALTER DATABASE {quoted(fresh)} RENAME TO {quoted(name)}"))


def _require_archive(path: Path) -> None:
    """Have pg_restore read the table of contents. Raises DataError."""
    done = subprocess.run([_program("pg_restore"), "--list", str(path)], capture_output=True, text=True)
    if done.returncode != 0 or "TABLE DATA" not in done.stdout:
        said = done.stderr.strip().splitlines()[:1] or ["it holds no tables"]
        raise DataError(f"{path} is no backup of a database: {said[0]}; give a file that `atlas db backup` wrote")


def _run(program: str, url: str | URL, *arguments: str) -> None:
    command = [_program(program), *arguments]
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DatabaseError(f"{name_of(url)}: {program} failed: {said}")


def _program(name: str) -> str:
    for binaries in installed():
        found = binaries.bin / name
        if found.exists():
            return str(found)
    raise ConfigurationError(f"{name} was not found: install the package postgresql-client")


def _environment(url: str | URL) -> dict[str, str]:
    """Return the environment that leads libpq to the database; the password is on no command line."""
    wanted = normal(url)
    query = {key: value for key, value in wanted.query.items() if isinstance(value, str)}
    settings = {
        "PGHOST": wanted.host or query.get("host"),
        "PGPORT": str(wanted.port or query.get("port") or 5432),
        "PGUSER": wanted.username,
        "PGPASSWORD": wanted.password,
        "PGDATABASE": wanted.database,
        "PGSSLMODE": query.get("sslmode"),
        "PGCONNECT_TIMEOUT": "10",
    }
    return {**os.environ, **{key: str(value) for key, value in settings.items() if value}}
