"""The database goes, freezes, fills its disk or loses a connection while ATLAS trades: nothing is lost or doubled.

A real core, the real journal, and a Postgres of this file's own, which its tests stop, freeze and starve.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import count as numbers
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from actors.messages import EventBatch, Flush, PositionClosed, PositionOpened, Rejected, Resume
from actors.route import BROKER, RISK
from atlas.errors import AlreadyRunning, DatabaseError
from db import migrate
from db.embedded import EmbeddedServer
from db.embedded_process import serving_pids
from db.engine import CONNECT_ARGS, connect
from db.lock import AccountLock
from db.models import AccountRow, EventRow, LedgerRow, OutboxRow, PositionRow
from tests.actors.scene import BIP, Scene, at
from tests.db.conftest import HOLDER
from tests.db.journaling import Driven
from tests.db.story import HOUR, START, Trade, bar
from tests.fakes.postgres_proxy import PostgresProxy
from tests.faults.trading import Trading

ETP = "ETP-20DEC30-CDE"
_names = numbers(1)


@pytest.fixture(scope="module")
def server(module_cluster_dir: Path) -> Iterator[EmbeddedServer]:
    """Return a server of this file's own."""
    server = EmbeddedServer(module_cluster_dir, fsync=False)
    server.start()
    server.create_database("template_fire")
    migrate.upgrade(server.url("template_fire"))
    yield server
    server.stop(force=True)


@pytest.fixture
def url(server: EmbeddedServer) -> str:
    """Return the URL of a migrated database of this test's own."""
    server.start()
    name = f"fire_{next(_names)}"
    server.create_database(name, template="template_fire")
    return server.url(name)


Open = Callable[..., Driven]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Open]:
    """Return what opens a journal on a URL; `timeout` is that of its statements, in seconds."""
    opened: list[tuple[Driven, AccountLock, Engine]] = []

    def open_(url: str, timeout: float = 30.0, spool: Path = tmp_path / "spool") -> Driven:
        engine, lock = connect(url, statement_timeout=timeout), AccountLock(url, "paper", HOLDER)
        lock.acquire()
        driven = Driven(engine, lock, spool)
        opened.append((driven, lock, engine))
        return driven

    yield open_
    for driven, lock, engine in opened:
        driven.spool.close()
        lock.release()
        engine.dispose()


@pytest.fixture
def look(url: str) -> Iterator[Engine]:
    """Return an engine of the test's own, to look at the database with."""
    engine = connect(url)
    yield engine
    engine.dispose()


def crash(server: EmbeddedServer) -> None:
    """End the server at once and wait until it is gone."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGQUIT)
    while server.status().running:
        os.sched_yield()


def ids(engine: Engine) -> list[str]:
    """Return the ids of the core's events, in the order they were committed."""
    with engine.connect() as connection:
        every = connection.execute(select(EventRow.id).order_by(EventRow.seq)).scalars()
        return [id_ for id_ in every if not id_.startswith("alert:")]


def kinds(engine: Engine) -> list[str]:
    """Return the kinds of all notices, in order."""
    with engine.connect() as connection:
        return list(connection.execute(select(OutboxRow.kind).order_by(OutboxRow.id)).scalars())


def blocked(engine: Engine) -> int:
    """Wait until a session waits for a lock; return its process."""
    waiting = text("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    with engine.connect() as connection:
        while (pid := connection.execute(waiting).scalar()) is None:
            connection.rollback()
        return int(pid)


# ── gone ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_gone_for_ten_minutes_in_mid_trade(server: EmbeddedServer, url: str, journal: Open, look: Engine) -> None:
    """The stop of what is open is hit meanwhile, another product's trigger is refused, and all is told in order."""
    scene = Scene(symbols=(ETP, BIP))
    trading = Trading(scene, journal(url))
    scene.trade(60000, at(0.5))
    scene.trade(61501, at(1))
    trading.carry()
    held = scene.one(PositionOpened).position
    crash(server)
    for minute in range(2, 11):
        scene.trade(61400 - 300 * minute, at(minute))
        trading.carry()
    scene.trade(61600, at(10.5), symbol=ETP)
    trading.carry()
    assert scene.one(PositionClosed).position.exit_reason == "stop"
    assert scene.one(Rejected).gate == "halted"
    server.start()
    trading.back()
    assert ids(look) == [event.key for event in trading.told]
    assert scene.kit.state(RISK).halts == {}
    account = scene.kit.state(BROKER).account
    with look.connect() as connection:
        stored = connection.execute(select(AccountRow.__table__)).one()
        legs = connection.execute(select(func.sum(LedgerRow.amount)).where(LedgerRow.book == "cash")).scalar_one()
        position = connection.execute(select(PositionRow.__table__)).one()
    assert (stored.cash, stored.reserved) == (account.cash, account.reserved) == (legs, 0)
    assert (position.id, position.status) == (held.id, "closed")
    told = [kind for kind in kinds(look) if kind in ("entry", "exit", "database_down", "database_up")]
    assert told == ["entry", "database_down", "exit", "database_up"]
    assert scene.undisturbed


# ── there, but of no use ────────────────────────────────────────────────────────────────────────────────────────────


def journalled(trade: Trade, look: Engine, driven: Driven) -> None:
    """The whole trade is stored once and in order, and nothing waits any more."""
    assert ids(look) == [event.key for event in trade.events]
    assert driven.spool.empty
    with look.connect() as connection:
        row = connection.execute(select(AccountRow.__table__)).one()
        legs = connection.execute(select(func.sum(LedgerRow.amount)).where(LedgerRow.book == "cash")).scalar_one()
    assert (row.cash, row.reserved) == (trade.account.cash, trade.account.reserved)
    assert row.cash == legs


def test_connection_killed_inside_a_transaction(url: str, journal: Open, look: Engine) -> None:
    """The events are inserted and their projections wait for a lock when the server ends the session."""
    trade, driven = Trade(), journal(url)
    writing = threading.Thread(target=lambda: driven.tell(*trade.batches, Flush()))
    with look.connect() as other:
        other.execute(text("LOCK TABLE ledger IN EXCLUSIVE MODE"))
        writing.start()
        pid = blocked(look)
        with look.connect() as killer:
            assert killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid}).scalar_one()
        writing.join(60)
        other.rollback()
    assert driven.journal.state.away is not None
    assert ids(look) == [], "of a transaction that was not committed nothing is there"
    driven.reconnect()
    journalled(trade, look, driven)


def test_line_cut_between_a_commit_and_its_answer(url: str, journal: Open, look: Engine) -> None:
    """Nobody tells the journal that the transaction was committed: it writes it again, and nothing is doubled."""
    trade = Trade()
    with PostgresProxy(url) as line:
        driven = journal(line.url)
        line.fault = "cut at commit"
        driven.tell(*trade.batches, Flush())
        assert driven.journal.state.away is not None
        assert ids(look) == [event.key for event in trade.events]
        assert not driven.spool.empty
        driven.reconnect()
        journalled(trade, look, driven)
        assert sorted(kinds(look)) == ["database_down", "database_up", "entry", "exit"]


def test_black_holed_server_is_given_up_and_nothing_hangs(url: str, journal: Open, look: Engine) -> None:
    """Packets are acknowledged and nothing comes back, which no keepalive notices; also for those who connect anew.

    The server does not hear of the end of the old sessions either: one of them still holds the account's lock.
    """
    trade = Trade()
    with PostgresProxy(url) as line:
        driven = journal(line.url, timeout=0.2)
        driven.tell(*trade.batches[:3], Flush())
        line.fault = "silent"
        driven.tell(*trade.batches[3:], Flush())
        assert driven.journal.state.away is not None
        assert not driven.spool.empty
        line.fault = "none"
        driven.reconnect()
        journalled(trade, look, driven)


def test_server_that_is_frozen_is_given_up(server: EmbeddedServer, url: str, journal: Open, look: Engine) -> None:
    """All of it is stopped, as a machine that swaps or a hypervisor stops it: whoever waits would wait for ever."""
    trade, driven = Trade(), journal(url, timeout=0.2)
    driven.tell(*trade.batches[:3], Flush())
    pids = serving_pids(server.data_dir)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        driven.tell(*trade.batches[3:], Flush())
        assert driven.journal.state.away is not None
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    driven.reconnect()
    journalled(trade, look, driven)


def test_session_that_is_frozen_is_replaced(server: EmbeddedServer, url: str, journal: Open, look: Engine) -> None:
    """The pool finds out before it hands the session on: the database was never away."""
    trade, driven = Trade(), journal(url, timeout=0.2)
    driven.tell(*trade.batches[:3], Flush())
    ours = [client.pid for client in server.clients() if f"/{client.database}?" in url]
    for pid in ours:
        os.kill(pid, signal.SIGSTOP)
    try:
        driven.tell(*trade.batches[3:], Flush())
        assert driven.journal.state.away is None
    finally:
        for pid in ours:
            os.kill(pid, signal.SIGCONT)
    journalled(trade, look, driven)


def test_statement_timeout_is_a_database_that_is_away(url: str, journal: Open, look: Engine) -> None:
    """Somebody holds a table for longer than a statement may take (a VACUUM FULL, a forgotten psql)."""
    trade, driven = Trade(), journal(url, timeout=0.2)
    with look.connect() as other:
        other.execute(text("LOCK TABLE events IN EXCLUSIVE MODE"))
        driven.tell(*trade.batches, Flush())
        assert "timeout" in str(driven.journal.state.away)
        assert len(driven.to(RISK)) == 1
        driven.reconnect(most=2)
        assert driven.journal.state.away is not None
        other.rollback()
    driven.reconnect()
    journalled(trade, look, driven)


# ── no room ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(run_dir: Path, worker: str) -> Iterator[Path]:
    """Return a disk of 160 MB of this test's own."""
    place = run_dir / f"disk_{worker}_{next(_names)}"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs a disk of its own, and this user may not mount one: {mounted.stderr.strip()}")
    yield place
    EmbeddedServer(place / "pg").stop(force=True)
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """Take all that is left of the disk; return the file that holds it."""
    file = disk / "rubbish"
    with file.open("wb") as rubbish:
        try:
            while True:
                rubbish.write(bytes(1 << 16))
                rubbish.flush()
        except OSError:
            return file


def test_full_disk_of_the_server(small_disk: Path, journal: Open, tmp_path: Path) -> None:
    """What the server has no room for goes to the spool, on another disk, and into the database once there is room."""
    server = EmbeddedServer(small_disk / "pg", fsync=False)
    server.start()
    server.create_database("full")
    migrate.upgrade(server.url("full"))
    driven, look = journal(server.url("full")), connect(server.url("full"))
    rubbish = fill(small_disk)
    told: list[str] = []
    while driven.journal.state.away is None:
        hours = range(len(told), len(told) + 200)
        driven.tell(EventBatch(len(told) + 1, START, tuple(bar(START + hour * HOUR) for hour in hours)), Flush())
        told += [bar(START + hour * HOUR).key for hour in hours]
    assert not driven.spool.empty
    rubbish.unlink()
    server.start()  # Without room for its log the server ends itself.
    driven.reconnect()
    assert ids(look) == told
    look.dispose()


def test_full_disk_of_the_spool_while_the_database_is_away(
    server: EmbeddedServer, small_disk: Path, url: str, journal: Open, look: Engine
) -> None:
    """Neither takes events: they wait in memory, entries are halted for both reasons, and nothing is lost."""
    trade, driven = Trade(), journal(url, spool=small_disk / "spool")
    driven.tell(*trade.batches[:2], Flush())
    crash(server)
    rubbish = fill(small_disk)
    assert driven.tell(*trade.batches[2:], Flush()) > 0
    assert {halt.source for halt in driven.to(RISK)} == {"database", "disk"}
    assert driven.spool.empty
    rubbish.unlink()
    driven.fire()
    assert not driven.spool.empty
    assert driven.to(RISK)[2:] == [Resume(source="disk")]
    server.start()
    driven.reconnect()
    journalled(trade, look, driven)
    assert driven.to(RISK)[3:] == [Resume(source="database")]


# ── the lock of the account ─────────────────────────────────────────────────────────────────────────────────────────


def test_line_lost_without_a_word_does_not_cost_the_account(
    url: str, look: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old session is left at the server and holds the lock for hours: it is ended, being our own."""
    monkeypatch.setattr("db.lock.PATIENCE", 0.2)
    monkeypatch.setitem(CONNECT_ARGS, "connect_timeout", 2)
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = " \
           "(SELECT oid FROM pg_database WHERE datname = current_database())"  # fmt: skip
    with PostgresProxy(url) as line:
        lock = AccountLock(line.url, "paper", HOLDER)
        fence = lock.acquire()
        with look.connect() as connection:
            old = connection.execute(text(held)).scalar_one()
        line.fault = "silent"
        with pytest.raises(DatabaseError, match=r"has said nothing|timeout expired"):
            lock.renew()
        line.fault = "none"
        with look.connect() as connection:
            assert connection.execute(text(held)).scalar_one() == old
        lock.renew()
        with look.connect() as connection:
            assert connection.execute(text(held)).scalar_one() != old
        assert lock.fence == fence
        lock.release()


def test_daemon_that_took_the_account_meanwhile_is_not_thrown_out(url: str) -> None:
    """Only a session of our own is ended."""
    with PostgresProxy(url) as line:
        first = AccountLock(line.url, "paper", HOLDER)
        first.acquire()
        line.cut()
        second = AccountLock(url, "paper", HOLDER)
        second.acquire()
        with pytest.raises(AlreadyRunning):
            first.renew()
        second.renew()
        second.release()
        first.release()
