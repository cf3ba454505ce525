"""One daemon per account."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event, select, text

from atlas.errors import AlreadyRunning, DatabaseError
from db.lock import AccountLock, Holder
from db.models import DaemonRow
from db.writer import Writer
from tests.db.conftest import HOLDER

OTHER = Holder(host="elsewhere", pid=99, version="0.1.0", mode="paper", rules="x")


def test_second_daemon_is_refused_and_told_who_holds_the_account(database_url: str, lock: AccountLock) -> None:
    second = AccountLock(database_url, "paper", OTHER)
    with pytest.raises(AlreadyRunning, match="'paper' is held by the daemon on here, process 4711") as caught:
        second.acquire()
    assert caught.value.exit_code == 75


def test_refused_daemon_changes_nothing(database_url: str, engine: Engine, lock: AccountLock) -> None:
    with pytest.raises(AlreadyRunning):
        AccountLock(database_url, "paper", OTHER).acquire()
    lock.renew()
    with engine.connect() as connection:
        assert connection.execute(select(DaemonRow.pid)).scalar_one() == 4711


def test_another_account_is_free(database_url: str, lock: AccountLock) -> None:
    second = AccountLock(database_url, "shard-2", OTHER)
    assert second.acquire() == 1
    second.release()


def test_every_daemon_gets_a_higher_fence(database_url: str) -> None:
    fences = []
    for _ in range(3):
        lock = AccountLock(database_url, "paper", HOLDER)
        fences.append(lock.acquire())
        lock.release()
    assert fences == [1, 2, 3]


def test_stop_is_written_down(database_url: str, engine: Engine) -> None:
    lock = AccountLock(database_url, "paper", HOLDER)
    lock.acquire()
    with engine.connect() as connection:
        assert connection.execute(select(DaemonRow.stopped_at)).scalar_one() is None
    lock.release()
    with engine.connect() as connection:
        assert connection.execute(select(DaemonRow.stopped_at)).scalar_one() is not None


def cut(engine: Engine) -> None:
    """End every connection but our own, as a restart of the server would."""
    with engine.connect() as connection:
        connection.execute(
            text(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE pid <> pg_backend_pid() AND datname = current_database()"""
            )
        )


def test_lock_is_taken_again_after_its_connection_was_cut(database_url: str, engine: Engine, lock: AccountLock) -> None:
    cut(engine)
    lock.renew()
    with pytest.raises(AlreadyRunning):
        AccountLock(database_url, "paper", OTHER).acquire()


def test_lock_is_taken_again_after_its_connection_was_cut_in_the_middle_of_a_renewal(
    database_url: str, engine: Engine, lock: AccountLock
) -> None:
    def before_the_second_statement(connection: object, cursor: object, statement: str, *_: object) -> None:
        if "fence" in statement and not cuts:
            cuts.append(statement)
            cut(engine)

    cuts: list[str] = []
    event.listen(lock._engine, "before_cursor_execute", before_the_second_statement)
    with pytest.raises(DatabaseError):
        lock.renew()
    assert cuts
    lock.renew()
    with pytest.raises(AlreadyRunning):
        AccountLock(database_url, "paper", OTHER).acquire()


def test_lock_is_renewed_from_many_threads_on_one_connection(engine: Engine, lock: AccountLock) -> None:
    # The server's locks are listed over all its databases, and other tests hold theirs beside this one.
    held = text(
        """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    )
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            cut(engine)
            list(pool.map(lambda _: lock.renew(), range(8)))
            with engine.connect() as connection:
                assert connection.execute(held).scalar_one() == 1


def test_daemon_whose_account_was_taken_meanwhile_does_not_get_it_back(
    database_url: str, engine: Engine, lock: AccountLock
) -> None:
    cut(engine)
    second = AccountLock(database_url, "paper", OTHER)
    assert second.acquire() == lock.fence + 1
    with pytest.raises(AlreadyRunning, match="elsewhere, process 99"):
        lock.renew()
    with pytest.raises(AlreadyRunning):
        Writer(engine, "paper", lock.fence).write([])
    second.release()
    with pytest.raises(AlreadyRunning, match="taken it over"):
        lock.renew()


def test_releasing_while_the_database_is_away_is_no_error(engine: Engine, lock: AccountLock) -> None:
    cut(engine)
    lock.release()
