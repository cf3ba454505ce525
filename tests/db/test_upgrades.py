"""An upgrade from every revision there has been, with a lively account in it: nothing of it is lost.

The account is taken down to a revision, as its own version would have had it, and brought up again. What later ones
added is gone by then, as for somebody who upgrades from there; the rest is as it was, and a daemon can go on with it.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, MetaData, text

from db import migrate, rebuild
from db.embedded import EmbeddedServer
from db.engine import connect
from db.lock import AccountLock
from db.writer import Writer
from tests.db.audited import lively, store
from tests.db.conftest import HOLDER

BEFORE = [script.revision for script in migrate._scripts().walk_revisions()][:0:-1]
"""Every revision but the newest, oldest first."""

REWRITTEN = {("setups", "status")}
"""Since 0002 a setup whose sibling triggered is `cancelled`, and no longer `invalidated`."""

Rows = dict[str, list[tuple[str, ...]]]
Columns = dict[str, list[str]]


@pytest.fixture(scope="module")
def lively_template(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[str]:
    """Return the name of a database with an account that has traded, and nobody connected to it."""
    name = f"upgrades_{worker}"
    postgres.create_database(name, template=migrated_template)
    url = postgres.url(name)
    engine, held = connect(url), AccountLock(url, "paper", HOLDER)
    held.acquire()
    store(Writer(engine, "paper", held.fence), lively())
    held.release()
    engine.dispose()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def lively_at(postgres: EmbeddedServer, lively_template: str, worker: str, revision: str) -> Iterator[str]:
    """Return the URL of a copy of it, taken down to `revision`."""
    name = f"upgrade_{revision}_{worker}"
    postgres.create_database(name, template=lively_template)
    url = postgres.url(name)
    migrate.downgrade(url, revision)
    yield url
    postgres.drop_database(name)


def columns_of(engine: Engine) -> Columns:
    """Return the columns of every table but those that an upgrade means to rewrite."""
    found = MetaData()
    found.reflect(engine)
    return {
        table.name: [f'"{column.name}"' for column in table.columns if (table.name, column.name) not in REWRITTEN]
        for table in found.sorted_tables
        if table.name != "alembic_version"
    }


def rows_of(engine: Engine, columns: Columns) -> Rows:
    """Return the rows of these tables as text, sorted."""
    with engine.connect() as connection:
        return {
            table: sorted(
                tuple(map(str, row)) for row in connection.execute(text(f"SELECT {', '.join(names)} FROM {table}"))
            )
            for table, names in columns.items()
        }


@pytest.mark.parametrize("revision", BEFORE)
def test_an_upgrade_keeps_every_row_and_a_daemon_goes_on_from_it(lively_at: str, revision: str) -> None:
    engine, held = connect(lively_at), AccountLock(lively_at, "paper", HOLDER)
    columns = columns_of(engine)
    before = rows_of(engine, columns)
    for table in ("events", "positions", "fills", "ledger", "triggers"):
        assert before[table], f"the account has no {table}: it would show nothing"
    engine.dispose()
    migrate.upgrade(lively_at)
    migrate.require_current(lively_at)
    try:
        assert rows_of(engine, columns) == before
        assert held.acquire() > 1
        with engine.connect() as connection:
            found = rebuild.account(connection, "paper")
            assert found is not None
            rebuild.open_positions(connection, "paper")
            rebuild.working_orders(connection, "paper")
            booked = connection.execute(text("SELECT sum(amount) FROM ledger WHERE book = 'cash'")).scalar_one()
        assert found.state.cash == booked
    finally:
        engine.dispose()
        held.release()
