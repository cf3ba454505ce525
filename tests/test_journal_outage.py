"""The journal while the database is away, with a real server that is stopped as a crash would stop it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import count as numbers
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, func, select, text, update

from actors.alerter_outbox import Notice
from actors.journal import FIRST_PAUSE, LONGEST_PAUSE, AskCommitted, Journal, JournalState, ReconnectDue
from actors.messages import Alert, EventBatch, Fatal, Flush, Halt, OutboxReady, Resume
from actors.runtime.behaviour import AfterWall
from atlas.errors import DatabaseError
from db import migrate
from db.batch import batch_of
from db.embedded import EmbeddedServer
from db.engine import connect
from db.lock import AccountLock
from db.models import AccountRow, Base, DeadLetterRow, EventRow, OutboxRow
from db.repositories.outbox import Outbox
from db.spool import Spool
from db.store import Store
from db.writer import Writer
from tests.db.conftest import HOLDER
from tests.db.journaling import Driven
from tests.db.story import HOUR, START, Trade, bar, replaced, setup

CHECKOUT = Path(__file__).resolve().parents[1]
_names = numbers(1)


@pytest.fixture(scope="module")
def server(module_cluster_dir: Path) -> Iterator[EmbeddedServer]:
    """Return a server of this file's own, which its tests stop and start."""
    server = EmbeddedServer(module_cluster_dir, fsync=False)
    server.start()
    server.create_database("template_outage")
    migrate.upgrade(server.url("template_outage"))
    yield server
    server.stop(force=True)


@pytest.fixture
def url(server: EmbeddedServer) -> str:
    """Return the URL of a migrated database of this test's own."""
    server.start()
    name = f"outage_{next(_names)}"
    server.create_database(name, template="template_outage")
    return server.url(name)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Return an engine on it."""
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def lock(url: str) -> Iterator[AccountLock]:
    """Return the acquired lock of the account `paper`."""
    lock = AccountLock(url, "paper", HOLDER)
    lock.acquire()
    yield lock
    lock.release()


@pytest.fixture
def driven(engine: Engine, lock: AccountLock, tmp_path: Path) -> Iterator[Driven]:
    """Return a journal whose database can be taken away."""
    driven = Driven(engine, lock, tmp_path / "spool")
    yield driven
    driven.spool.close()


def crash(server: EmbeddedServer) -> None:
    """Stop the server at once, as `pg_ctl stop -m immediate` does, and wait until it is gone."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGQUIT)
    while server.status().running:
        os.sched_yield()


def count(engine: Engine, table: type[Base]) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def ids(engine: Engine) -> list[str]:
    """Return the ids of the trade's events, in the order they were committed."""
    with engine.connect() as connection:
        every = connection.execute(select(EventRow.id).order_by(EventRow.seq)).scalars()
        return [id_ for id_ in every if not id_.startswith("alert:")]


def test_events_go_to_the_spool_and_come_out_in_order(server: EmbeddedServer, engine: Engine, driven: Driven) -> None:
    trade = Trade()
    driven.tell(*trade.batches[:2], Flush())
    crash(server)
    assert driven.tell(*trade.batches[2:4], Flush()) == 0
    driven.tell(*trade.batches[4:6])
    driven.fire()
    assert driven.tell(AskCommitted()) == 6
    driven.fire(ReconnectDue)
    server.start()
    driven.tell(*trade.batches[6:])
    driven.reconnect()
    driven.tell(Flush())
    assert ids(engine) == [event.key for event in trade.events]
    assert driven.spool.empty
    with engine.connect() as connection:
        account = connection.execute(select(AccountRow.__table__)).one()
    assert (account.cash, account.reserved) == (trade.account.cash, trade.account.reserved)


def test_entries_are_halted_while_it_is_away_and_resumed_after(
    server: EmbeddedServer, driven: Driven, engine: Engine
) -> None:
    crash(server)
    driven.tell(*Trade().until_open, Flush())
    driven.tell(EventBatch(98, START, (bar(),)), Flush())
    (halt,) = driven.to("risk_monitor")
    assert isinstance(halt, Halt)
    assert halt.source == "database"
    assert halt.reason
    driven.fire(ReconnectDue)
    driven.fire(ReconnectDue)
    assert len(driven.to("risk_monitor")) == 1
    server.start()
    driven.reconnect()
    assert driven.to("risk_monitor")[1:] == [Resume(source="database")]
    with engine.connect() as connection:
        kinds = connection.execute(select(OutboxRow.kind).order_by(OutboxRow.id)).scalars().all()
    assert kinds == ["entry", "database_down", "database_up"]


def test_attempts_to_reconnect_become_rarer(server: EmbeddedServer, driven: Driven) -> None:
    crash(server)
    driven.tell(EventBatch(1, START, (bar(),)), Flush())
    pauses = []
    for _ in range(8):
        (timer,) = (timer for timer in driven.timers if isinstance(timer.message, ReconnectDue))
        pauses.append(timer.seconds)
        driven.fire(ReconnectDue)
    assert pauses == [FIRST_PAUSE, 1.0, 2.0, 4.0, 8.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_critical_alert_is_delivered_while_it_is_away_and_its_row_is_marked_later(
    server: EmbeddedServer, driven: Driven, engine: Engine
) -> None:
    outbox = Outbox(engine, "paper", driven.store.urgent)
    crash(server)
    driven.tell(Alert("hung", "core", START, "the core hangs", critical=True), Flush())
    assert OutboxReady() in driven.to("alerter")
    later = driven.now.replace(year=2999)
    delivered = []
    while (notice := claimed(outbox, later)) is not None:
        delivered.append(notice.kind)
        outbox.sent(notice.id, START, f"message {notice.kind}")
    assert delivered == ["hung", "database_down"]
    server.start()
    driven.reconnect()
    while (notice := outbox.claim(later)) is not None:
        delivered.append(notice.kind)
        outbox.sent(notice.id, START, None)
    assert delivered == ["hung", "database_down", "database_up"]
    with engine.connect() as connection:
        assert set(connection.execute(select(OutboxRow.status)).scalars()) == {"sent"}


def claimed(outbox: Outbox, now: datetime) -> Notice | None:
    try:
        return outbox.claim(now)
    except DatabaseError:
        return None


def test_alert_that_is_not_critical_waits_for_the_database(
    server: EmbeddedServer, driven: Driven, engine: Engine
) -> None:
    crash(server)
    driven.tell(Alert("digest", "day", START, "text"), Flush())
    outbox = Outbox(engine, "paper", driven.store.urgent)
    first = claimed(outbox, driven.now.replace(year=2999))
    assert first is not None
    assert first.kind == "database_down"
    outbox.dropped(first.id, START, "")
    assert claimed(outbox, driven.now.replace(year=2999)) is None


def test_event_the_database_refuses_does_not_block_the_spool(
    server: EmbeddedServer, driven: Driven, engine: Engine
) -> None:
    crash(server)
    bad = replaced(msgspec.structs.replace(setup(9), valid_until=START))
    driven.tell(EventBatch(1, START, (bad,)), *Trade().batches, Flush())
    server.start()
    driven.reconnect()
    assert driven.spool.empty
    assert count(engine, DeadLetterRow) == 1
    assert len(ids(engine)) == len(Trade().events)


def test_full_spool_tells_what_was_not_kept(
    server: EmbeddedServer, engine: Engine, lock: AccountLock, tmp_path: Path
) -> None:
    driven = Driven(engine, lock, tmp_path / "small", limit=2000)
    crash(server)
    trade = Trade()
    driven.tell(*trade.batches, Flush(), *(EventBatch(n, START, (bar(START + n * HOUR),)) for n in range(50, 60)))
    driven.tell(Flush())
    server.start()
    driven.reconnect()
    driven.tell(Flush())
    kept = ids(engine)
    assert [event.key for event in trade.events if not event.key.startswith("bar:")] == kept[:1] + kept[2:]
    with engine.connect() as connection:
        told = connection.execute(select(OutboxRow.payload).where(OutboxRow.kind == "database_up")).scalar_one()
    assert "10 candles and setups were not kept" in told["text"]
    driven.spool.close()


def test_crash_of_the_journal_while_it_is_away_loses_nothing(
    server: EmbeddedServer, driven: Driven, engine: Engine
) -> None:
    trade = Trade()
    crash(server)
    driven.tell(*trade.batches[:3], Flush(), *trade.batches[3:5])
    driven.crash()
    driven.tell(*trade.batches[4:], Flush())
    driven.crash()
    server.start()
    driven.reconnect()
    assert ids(engine) == [event.key for event in trade.events]


# ── over a restart of the process ───────────────────────────────────────────────────────────────────────────────────


def test_spool_of_a_killed_process_is_drained_at_the_next_start_before_anything_else(
    server: EmbeddedServer, url: str, engine: Engine, tmp_path: Path
) -> None:
    """A child journals a trade, loses its database in the middle, and is killed; the next start has all of it."""
    code = """
import os, signal, sys
from pathlib import Path
from actors.messages import Flush
from db.engine import connect
from db.lock import AccountLock
from tests.db.conftest import HOLDER
from tests.db.journaling import Driven
from tests.db.story import Trade
url, spool, server = sys.argv[1:]
lock = AccountLock(url, "paper", HOLDER)
lock.acquire()
driven = Driven(connect(url), lock, Path(spool))
trade = Trade()
driven.tell(*trade.batches[:3], Flush())
os.kill(int(server), signal.SIGQUIT)
while driven.journal.state.away is None:
    driven.tell(trade.batches[3], Flush())
driven.tell(*trade.batches[4:], Flush())
os.kill(os.getpid(), signal.SIGKILL)
"""
    pid = server.status().pid
    child = subprocess.run(
        [sys.executable, "-c", code, url, str(tmp_path / "s"), str(pid)], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    while server.status().running:
        os.sched_yield()
    server.start()
    trade = Trade()
    assert len(ids(engine)) < len(trade.events)
    lock = AccountLock(url, "paper", HOLDER)
    writer = Writer(engine, "paper", lock.acquire())
    store = Store(writer, Spool(tmp_path / "s"), sync=lambda number: None, renew=lock.renew)
    store.recover()
    assert ids(engine) == [event.key for event in trade.events]
    assert writer.newest_fence() == writer.fence - 1
    store.close()
    lock.release()


def test_journal_started_over_a_spool_drains_it_before_it_writes(engine: Engine, url: str, tmp_path: Path) -> None:
    trade = Trade()
    spool = Spool(tmp_path / "s")
    spool.append([batch_of(batch.events, input=batch.number, at=batch.at) for batch in trade.batches[:4]], 1)
    spool.close()
    for _ in range(2):
        lock = AccountLock(url, "paper", HOLDER)
        lock.acquire()
        lock.release()
    lock.acquire()
    driven = Driven(engine, lock, tmp_path / "s")
    driven.tell(*trade.batches[4:], Flush())
    assert ids(engine) == []
    driven.reconnect()
    assert ids(engine) == [event.key for event in trade.events]
    assert driven.to("risk_monitor") == []
    assert count(engine, OutboxRow) == 2
    driven.spool.close()
    lock.release()


def test_journal_started_over_a_spool_without_a_database_halts_entries(
    server: EmbeddedServer, engine: Engine, lock: AccountLock, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([batch_of([bar()], input=1, at=START)], lock.fence)
    spool.close()
    crash(server)
    driven = Driven(engine, lock, tmp_path / "s")
    driven.fire(ReconnectDue)
    driven.fire(ReconnectDue)
    server.start()
    driven.reconnect()
    assert [type(message) for message in driven.to("risk_monitor")] == [Halt, Resume]
    assert ids(engine) == [bar().key]
    driven.spool.close()


def test_spool_overtaken_by_another_daemon_is_refused_and_kept(engine: Engine, url: str, tmp_path: Path) -> None:
    first = AccountLock(url, "paper", HOLDER)
    stale = first.acquire()
    first.release()
    second = AccountLock(url, "paper", HOLDER)
    Writer(engine, "paper", second.acquire()).write([batch_of([bar()], input=1, at=START)])
    second.release()
    spool = Spool(tmp_path / "s")
    batch = batch_of(Trade().batches[0].events, input=1, at=START)
    spool.append([batch], stale)
    third = AccountLock(url, "paper", HOLDER)
    store = Store(Writer(engine, "paper", third.acquire()), spool, sync=lambda number: None, renew=third.renew)
    assert store.recover().refused == ("account_opened",)
    assert ids(engine) == [bar().key]
    aside = Spool(tmp_path / f"s.refused-{stale}")
    oldest = aside.peek()
    assert oldest is not None
    assert oldest[0].batches == (batch,)
    aside.close()
    journal = Journal(JournalState(), store)
    assert [type(effect) for effect in journal.start(START)] == [AfterWall]
    journal.stop()
    with engine.connect() as connection:
        (told,) = connection.execute(select(OutboxRow.payload, OutboxRow.critical)).all()
    assert f"spooled under fence {stale}, overtaken by a later daemon: kept in {tmp_path / 's'}" in told.payload["text"]
    assert told.critical
    store.close()
    third.release()


def test_account_taken_while_the_database_was_away_ends_the_process(
    server: EmbeddedServer, engine: Engine, driven: Driven
) -> None:
    crash(server)
    driven.tell(*Trade().batches, Flush())
    server.start()
    with engine.begin() as connection:
        connection.execute(update(AccountRow).values(fence=AccountRow.fence + 1))
    driven.reconnect(most=3)
    (fatal,) = driven.to("supervisor")
    assert isinstance(fatal, Fatal)
    assert ids(engine) == []
    assert driven.spool.waiting_bytes > 0


def test_server_that_is_read_only_counts_as_away(server: EmbeddedServer, engine: Engine, driven: Driven) -> None:
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    engine.dispose()
    driven.tell(EventBatch(1, START, (bar(),)), Flush())
    assert driven.journal.state.away is not None
    assert not driven.spool.empty
    assert count(engine, DeadLetterRow) == 0
