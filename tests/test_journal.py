"""The journal while all is well: batches, what goes along, answers."""

import errno
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, func, select

from actors.journal import BATCH, LINGER, AskCommitted, HealthSeen, Journal, JournalState, ReconnectDue, WriteDue
from actors.messages import (
    Alert,
    Crashed,
    DeadLetter,
    EventBatch,
    Fatal,
    Flush,
    Halt,
    OutboxReady,
    Quote,
    Resume,
    Retired,
    Traded,
)
from actors.runtime.behaviour import AfterWall, Role
from actors.runtime.post import Post, Sink
from actors.runtime.threads import OwnThread
from actors.runtime.watch import ActorHealth
from db.engine import connect
from db.lock import AccountLock
from db.models import AccountRow, Base, DeadLetterRow, EventRow, HealthRow, OutboxRow, QuoteRow
from tests.db.conftest import HOLDER
from tests.db.journaling import WALL, Driven
from tests.db.story import HOUR, START, Trade, bar


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
def driven(engine: Engine, lock: AccountLock, tmp_path: Path) -> Iterator[Driven]:
    """Return a journal whose database is there."""
    driven = Driven(engine, lock, tmp_path / "spool")
    yield driven
    driven.spool.close()


def count(engine: Engine, table: type[Base]) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def bars(number: int, events: int) -> EventBatch:
    """Return one input that closed so many bars."""
    closed = [bar(START + (1000 * number + place) * HOUR) for place in range(events)]
    return EventBatch(number=number, at=START, events=tuple(closed))


# ── batches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_first_event_waits_for_others_and_one_timer_is_armed(driven: Driven, engine: Engine) -> None:
    driven.tell(bars(1, 1), bars(2, 1))
    assert driven.timers == [AfterWall(LINGER, WriteDue())]
    assert count(engine, EventRow) == 0
    driven.fire()
    assert count(engine, EventRow) == 2
    assert driven.timers == []


def test_full_batch_is_written_at_once(driven: Driven, engine: Engine) -> None:
    driven.tell(bars(1, BATCH))
    assert count(engine, EventRow) == BATCH


def test_backlog_is_written_in_transactions_of_at_most_a_batch(driven: Driven, engine: Engine) -> None:
    driven.tell(*(bars(number, 60) for number in range(1, 4)))
    driven.tell(bars(4, 60))
    assert count(engine, EventRow) == 180
    driven.fire()
    assert count(engine, EventRow) == 240


def test_input_is_never_split_over_transactions(driven: Driven, engine: Engine) -> None:
    driven.tell(bars(1, BATCH - 1))
    driven.tell(bars(2, BATCH + 50))
    assert count(engine, EventRow) == BATCH - 1
    driven.fire()
    assert count(engine, EventRow) == 2 * BATCH + 49


def test_flush_writes_everything_and_answers_what_is_unwritten(driven: Driven, engine: Engine) -> None:
    driven.tell(*(bars(number, 60) for number in range(1, 4)), bars(4, 250))
    assert driven.tell(Flush()) == 0
    assert count(engine, EventRow) == 430


def test_journal_knows_up_to_which_input_all_is_committed(driven: Driven) -> None:
    assert driven.tell(bars(1, 1), bars(2, 1), AskCommitted()) == 0
    driven.tell(Flush())
    assert driven.tell(AskCommitted()) == 2
    assert driven.tell(EventBatch(3, START, ()), AskCommitted()) == 3


def test_recording_is_on_disk_before_the_events_are_committed(
    engine: Engine, lock: AccountLock, tmp_path: Path
) -> None:
    synced: list[tuple[int, int]] = []
    driven = Driven(engine, lock, tmp_path / "s", sync=lambda number: synced.append((number, count(engine, EventRow))))
    driven.tell(bars(1, 1), bars(2, 1), Flush(), bars(3, 1), Flush())
    assert synced == [(2, 0), (3, 2)]
    driven.spool.close()


def test_whole_trade_is_stored(driven: Driven, engine: Engine) -> None:
    trade = Trade()
    driven.tell(*trade.batches, Flush())
    with engine.connect() as connection:
        account = connection.execute(select(AccountRow.__table__)).one()
    assert (account.cash, account.reserved) == (trade.account.cash, trade.account.reserved)
    assert count(engine, EventRow) == len(trade.events)


def test_alerter_is_told_once_something_is_committed_for_it(driven: Driven, engine: Engine) -> None:
    driven.tell(bars(1, 1), Flush())
    assert driven.to("alerter") == []
    driven.tell(Alert("start", "now", START, "text"))
    assert driven.to("alerter") == []
    driven.fire()
    assert driven.to("alerter") == [OutboxReady()]
    assert count(engine, OutboxRow) == 1


# ── what goes along ─────────────────────────────────────────────────────────────────────────────────────────────────


def quote(price: int, symbol: str = "X") -> Quote:
    return Quote(symbol, START + timedelta(seconds=price), Decimal(price))


def test_quotes_are_conflated_and_written_once_a_second(driven: Driven, engine: Engine) -> None:
    driven.tell(*(quote(price) for price in range(1, 50)), quote(7, "Y"))
    assert [timer.seconds for timer in driven.timers] == [1.0]
    driven.tell(bars(1, 1), Flush())
    assert count(engine, QuoteRow) == 0
    driven.display()
    with engine.connect() as connection:
        assert dict(connection.execute(select(QuoteRow.symbol, QuoteRow.price)).all()) == {"X": 49, "Y": 7}
    assert driven.timers == [AfterWall(LINGER, WriteDue())]


def test_quote_within_an_input_is_display_too(driven: Driven, engine: Engine) -> None:
    driven.tell(EventBatch(1, START, (quote(3), bar())), Flush())
    driven.display()
    assert (count(engine, QuoteRow), count(engine, EventRow)) == (1, 1)


def test_health_is_written_with_the_quotes(driven: Driven, engine: Engine) -> None:
    driven.tell(HealthSeen((ActorHealth("feed", "running", 0, 1, WALL, None),)))
    driven.display()
    assert count(engine, HealthRow) == 1


def test_dead_letter_is_stored(driven: Driven, engine: Engine) -> None:
    driven.tell(DeadLetter("nobody", "feed", "text", "nobody is called 'nobody'"))
    driven.fire()
    assert count(engine, DeadLetterRow) == 1
    driven.tell(bars(1, 1), Flush())
    assert count(engine, DeadLetterRow) == 1


def test_message_that_failed_twice_is_told_to_the_owner(driven: Driven, engine: Engine) -> None:
    driven.tell(DeadLetter("scanner:X", "core", "History(…)", "failed twice", "Traceback …"), Flush())
    with engine.connect() as connection:
        row = connection.execute(select(OutboxRow.__table__)).one()
    assert (row.kind, row.critical) == ("dead_letter", True)
    assert "scanner:X" in row.payload["text"]


def test_retired_actor_is_told_to_the_owner(driven: Driven, engine: Engine) -> None:
    driven.tell(Retired("scanner:X", "4 restarts"), Crashed("scanner:X", "E", "T"), Flush())
    with engine.connect() as connection:
        row = connection.execute(select(OutboxRow.__table__)).one()
    assert (row.kind, row.critical, row.payload["text"]) == ("retired", True, "scanner:X has retired: 4 restarts")


def test_unknown_message_is_an_error(driven: Driven) -> None:
    with pytest.raises(TypeError, match="does not know Traded"):
        driven.tell(Traded("X", None))  # type: ignore[arg-type]  # never looked at


# ── trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_crash_with_events_pending_loses_nothing_and_doubles_nothing(driven: Driven, engine: Engine) -> None:
    driven.tell(*Trade().until_open)
    driven.crash()
    driven.tell(*Trade().batches)
    driven.fire()
    driven.tell(Flush())
    assert count(engine, EventRow) == len(Trade().events)


def test_stop_writes_what_is_pending(driven: Driven, engine: Engine) -> None:
    driven.tell(bars(1, 3))
    driven.journal.stop()
    assert count(engine, EventRow) == 3


def test_second_daemon_makes_the_journal_end_the_process(
    database_url: str, driven: Driven, engine: Engine, lock: AccountLock
) -> None:
    driven.tell(bars(1, 1), Flush())
    lock.release()
    second = AccountLock(database_url, "paper", HOLDER)
    second.acquire()
    driven.tell(bars(2, 1), Flush(), bars(3, 1), Flush())
    (fatal,) = driven.to("supervisor")
    assert isinstance(fatal, Fatal)
    assert "another daemon" in fatal.reason
    assert count(engine, EventRow) == 1
    assert driven.spool.waiting_bytes > 0
    second.release()


def test_disk_that_refuses_halts_entries_and_keeps_events_until_it_takes_them(
    engine: Engine, lock: AccountLock, tmp_path: Path
) -> None:
    full = [True]

    def sync(number: int) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")

    driven = Driven(engine, lock, tmp_path / "s", sync=sync)
    assert driven.tell(bars(1, 1), Flush()) == 1
    driven.fire()
    halts = driven.to("risk_monitor")
    assert [(type(halt), halt.source) for halt in halts] == [(Halt, "disk")]
    assert count(engine, EventRow) == 0
    full[0] = False
    driven.fire()
    assert count(engine, EventRow) == 1
    assert driven.to("risk_monitor")[1:] == [Resume(source="disk")]
    driven.spool.close()


def test_events_without_end_on_a_disk_that_refuses_end_the_process(
    engine: Engine, lock: AccountLock, tmp_path: Path
) -> None:
    def sync(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    driven = Driven(engine, lock, tmp_path / "s", sync=sync)
    for number in range(1, 22):
        driven.tell(bars(number, 1000))
    driven.fire()
    driven.tell(Flush())
    assert [type(message) for message in driven.to("supervisor")] == [Fatal]
    driven.spool.close()


def test_state_survives_the_keepsake(driven: Driven) -> None:
    driven.tell(*Trade().batches, quote(1), DeadLetter("a", "b", "c", "d"))
    driven.tell(HealthSeen((ActorHealth("feed", "running", 0, 1, WALL, None),)))
    state = driven.journal.state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=JournalState) == state


def test_on_its_own_thread_it_writes_and_answers(driven: Driven, engine: Engine, lock: AccountLock) -> None:
    post = Post()
    sinks = {name: Sink() for name in ("supervisor", "alerter", "risk_monitor")}
    for name, sink in sinks.items():
        post.bind(name, sink)
    role = Role("journal", lambda state: Journal(state, driven.store), JournalState(), tail=0)
    thread = OwnThread(role, post)
    thread.start(30)
    trade = Trade()
    for batch in trade.batches:
        post.send("core", "journal", batch)
    assert post.ask("journal", Flush(), 30) == 0
    assert post.ask("journal", AskCommitted(), 30) == len(trade.batches)
    assert count(engine, EventRow) == len(trade.events)
    post.send("core", "journal", bars(99, 3))
    assert thread.stop(30)
    assert count(engine, EventRow) == len(trade.events) + 3
    assert sinks["alerter"].messages


def test_reconnecting_when_nothing_is_wrong_does_nothing(driven: Driven) -> None:
    driven.tell(ReconnectDue())
    assert (driven.sent, driven.timers) == ([], [])
