"""Fixtures over a migrated database of the test's own: an engine, and a writer that holds an account."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from db.embedded import EmbeddedServer
from db.engine import connect
from db.lock import AccountLock, Holder
from db.writer import Writer

HOLDER = Holder(host="here", pid=4711, version="0.1.0", mode="paper", rules="0123456789ab")


@pytest.fixture(scope="module")
def lively_url(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[str]:
    """Return the URL of a database with a lively account, `paper`, and one that was only begun, `quiet`."""
    from tests.db.audited import lively, store  # Plays them: only for the tests that want it.

    name = f"lively_{worker}"
    postgres.create_database(name, template=migrated_template)
    url = postgres.url(name)
    engine = connect(url)
    for account, batches in (("paper", lively()), ("quiet", lively(steps=0))):
        held = AccountLock(url, account, HOLDER)
        held.acquire()
        store(Writer(engine, account, held.fence), batches)
        held.release()
    engine.dispose()
    yield url
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def lively_engine(lively_url: str) -> Iterator[Engine]:
    """Return an engine on that database."""
    engine = connect(lively_url)
    yield engine
    engine.dispose()


@pytest.fixture
def lively_connection(lively_engine: Engine) -> Iterator[Connection]:
    """Return a transaction on it that is rolled back, so that the next test finds it whole."""
    with lively_engine.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on the test's database."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def lock(database_url: str) -> Iterator[AccountLock]:
    """Return the acquired lock of the account `paper`."""
    lock = AccountLock(database_url, "paper", HOLDER)
    lock.acquire()
    yield lock
    lock.release()


@pytest.fixture
def writer(engine: Engine, lock: AccountLock) -> Writer:
    """Return a writer for the account `paper`."""
    return Writer(engine, "paper", lock.fence)
