"""`atlas db`: the database's server, schema, backups, and a prompt."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import print_json, print_table
from atlas.errors import AtlasError, DatabaseError, TemporaryError, UsageError

if TYPE_CHECKING:
    from db.embedded import EmbeddedServer


@click.group()
def db() -> None:
    """The database: upgrade, start, stop, status, backup, restore, views, psql."""


@db.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def upgrade(choice: Choice, as_json: bool) -> None:
    """Make the database if it is missing, and bring its tables to this version."""
    from db import migrate
    from db.create import make_database

    with _serving(choice) as url:
        make_database(url)
        before = migrate.current(url)
        migrate.upgrade(url)
        after = migrate.current(url)
    if as_json:
        print_json({"database": choice.database, "before": before, "after": after})
    elif before == after:
        click.echo(f"the database is up to date at revision {after}")
    else:
        click.echo(f"upgraded from revision {before or 'none'} to {after}")


@db.command()
@shared
def start(choice: Choice) -> None:
    """Start the embedded server and leave it running."""
    server = _embedded(choice)
    started = server.start(keep=True)
    status = server.status()
    said = "started" if started else "was running already"
    click.echo(f"the embedded Postgres {status.version} {said}: process {status.pid}, data in {status.data_dir}")


@db.command()
@shared
@click.option("--force", is_flag=True, help="Also while others are connected; their transactions are rolled back.")
def stop(choice: Choice, force: bool) -> None:
    """Stop the embedded server, unless somebody uses it."""
    server = _embedded(choice)
    if not server.status().running:
        click.echo("the embedded Postgres is not running")
        return
    if not server.stop(force=force):
        users = ", ".join(f"{client.application or 'unnamed'} in {client.database}" for client in server.clients())
        raise TemporaryError(
            f"the embedded Postgres is in use by {users or 'another ATLAS process'}: stop that first, or say --force"
        )
    click.echo("the embedded Postgres is stopped")


@db.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def status(choice: Choice, as_json: bool) -> None:
    """Say where the database is and whether it can be used; starts nothing.

    The exit code is 0 if it can, 69 if it cannot be reached, 78 if it needs `atlas db upgrade`.
    """
    found, error = _look(choice)
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(f"{name.replace('_', ' '):13} {'-' if value is None else value}")
    sys.exit(error.exit_code if error is not None else 0)


@db.command()
@shared
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--json", "as_json", is_flag=True)
def backup(choice: Choice, file: Path | None, force: bool, as_json: bool) -> None:
    """Write the database to FILE (default: atlas-<time>.dump here); the daemon may go on."""
    from db import backup as backups

    path = file or Path(f"atlas-{_stamp()}.dump")
    size = backups.backup(_running_url(choice), path, replace=force)
    if as_json:
        print_json({"file": str(path), "bytes": size})
    else:
        click.echo(f"{path}: {size:,} bytes")


@db.command()
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def restore(choice: Choice, file: Path, as_json: bool) -> None:
    """Put the database of a backup in the place of the present one, which is kept under another name.

    The daemon and the panel must be stopped: nobody may be connected.
    """
    from db import backup as backups
    from db import migrate

    with _serving(choice) as url:
        restored = backups.restore(url, file, stamp=_stamp().lower())
    if as_json:
        print_json({"database": choice.database, "revision": restored.revision, "kept_as": restored.kept_as})
        return
    click.echo(f"{choice.database} is restored from {file}, at revision {restored.revision}")
    if restored.kept_as:
        click.echo(f"what it held before is kept in the database {restored.kept_as}")
    if restored.revision != migrate.head():
        click.echo("its tables are older than this version: run `atlas db upgrade`")


@db.command(context_settings={"ignore_unknown_options": True})
@shared
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(choice: Choice, arguments: tuple[str, ...]) -> None:
    """Open a prompt on the database; ARGUMENTS go to psql, e.g. `-- -c 'select 1'`."""
    from db import backup as backups

    program, argv, environment = backups.psql(_running_url(choice), arguments)
    sys.stdout.flush()
    os.execve(program, argv, environment)


def _embedded(choice: Choice) -> "EmbeddedServer":
    server = choice.server
    if server is None:
        raise UsageError("the database is not the embedded one but named by a URL: start and stop it where it runs")
    return server


@db.command()
@shared
@click.option("--markdown", is_flag=True, help="As docs/views.md has it.")
def views(choice: Choice, markdown: bool) -> None:
    """Tell what the reporting views are, column by column."""
    from db.engine import connect, snapshot
    from db.views import document, reporting_views

    with choice.opened() as url:
        engine = connect(url)
        try:
            with snapshot(engine) as connection:
                found = reporting_views(connection)
        finally:
            engine.dispose()
    if markdown:
        click.echo(document(found), nl=False)
        return
    for view in found:
        click.echo(f"{view.name}: {view.meaning}")
        print_table(("column", "type", "meaning"), [(each.name, each.type, each.meaning) for each in view.columns])
        click.echo()


@contextmanager
def _serving(choice: Choice) -> Iterator[str]:
    """Yield the database's URL for a command that writes; an embedded server started for it is stopped again."""
    server = choice.server
    if server is None:
        yield _url_elsewhere(choice)
        return
    if choice.settings.database.service:
        server.require_running()
    started = server.start()
    try:
        yield server.url(choice.database)
    finally:
        if started:
            server.stop()
        else:
            server.leave()


def _running_url(choice: Choice) -> str:
    """Return the URL of the database without starting a server. Raises DatabaseError if the embedded one is down."""
    server = choice.server
    if server is None:
        return _url_elsewhere(choice)
    server.require_running()
    return server.url(choice.database)


def _url_elsewhere(choice: Choice) -> str:
    with choice.opened() as url:
        return url


def _look(choice: Choice) -> tuple[dict[str, Any], AtlasError | None]:
    """Return what is known of the database, and why it cannot be used, if so."""
    from db import migrate
    from db.engine import name_of

    server = choice.server
    found: dict[str, Any] = {"database": choice.database, "embedded": server is not None, "verdict": "usable"}
    if server is not None:
        running = server.status()
        found |= {"running": running.running, "pid": running.pid, "version": running.version,
                  "data_dir": str(running.data_dir), "socket_dir": str(running.socket_dir)}  # fmt: skip
    found |= {"where": None, "revision": None, "head": migrate.head()}
    try:
        url = _running_url(choice)
        found["where"] = name_of(url)
        if server is not None and not server.database_exists(choice.database):
            raise DatabaseError(f"there is no database {choice.database!r} yet: `atlas db upgrade` makes it")
        found["revision"] = migrate.current(url)
        migrate.require_current(url)
    except AtlasError as error:
        found["verdict"] = str(error)
        return found, error
    return found, None


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
