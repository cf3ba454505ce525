"""The schema's version: upgrade it, read it, insist on it. From a checkout or a wheel, from any directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text

import migrations
from atlas.errors import ConfigurationError, MigrationPending
from db.engine import connect, name_of, reported
from db.reader import let_read

LOCK = 0x41544C41_53444200
"""Advisory lock held while migrating, so that two upgrades take turns."""


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Bring the schema to `revision`. Raises DatabaseError, and ConfigurationError if it is newer than known."""
    with _locked(url) as connection:
        _refuse_newer(connection, url)
        alembic.command.upgrade(config(connection), revision)
        let_read(connection)


def downgrade(url: str | URL, revision: str) -> None:
    """Take the schema back to `revision` (`base`: nothing). Drops the tables that did not exist then."""
    with _locked(url) as connection:
        _refuse_newer(connection, url)
        alembic.command.downgrade(config(connection), revision)


def check(url: str | URL) -> None:
    """Raise alembic.util.CommandError if the models hold what no migration makes."""
    with _locked(url) as connection:
        alembic.command.check(config(connection))


def current(url: str | URL) -> str | None:
    """Return the database's revision, or None for an empty one."""
    with _connection(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the revision this version of ATLAS needs."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise ConfigurationError(f"no migrations in {_scripts().dir}: install ATLAS again")
    return revision


def require_current(url: str | URL) -> None:
    """Raise MigrationPending unless the schema is the one needed, ConfigurationError if it is newer than known."""
    with _connection(url) as connection:
        _refuse_newer(connection, url)
        found = MigrationContext.configure(connection).get_current_revision()
    if found != head():
        raise MigrationPending(f"{name_of(url)} is at revision {found or 'none'}, not {head()}: run `atlas db upgrade`")


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the migrations that are part of this installation."""
    made = Config()
    # ConfigParser expands %: a path may hold one.
    made.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def _refuse_newer(connection: Connection, url: str | URL) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise ConfigurationError(
            f"{name_of(url)} is at revision {found}, which this version of ATLAS does not know (newest: {head()}): "
            "install the newer version"
        )


@contextmanager
def _connection(url: str | URL) -> Iterator[Connection]:
    engine = connect(url)
    try:
        with reported(url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _locked(url: str | URL) -> Iterator[Connection]:
    # A migration may rewrite a big table: no statement timeout.
    engine = connect(url, statement_timeout=0)
    try:
        with reported(url), engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection
    finally:
        engine.dispose()
