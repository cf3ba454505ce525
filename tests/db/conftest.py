"""Fixtures over a migrated database of the test's own: an engine, and a writer that holds an account."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.engine import connect
from db.lock import AccountLock, Holder
from db.writer import Writer

HOLDER = Holder(host="here", pid=4711, version="0.1.0", mode="paper", rules="0123456789ab")


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
