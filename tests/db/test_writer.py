"""The journal's transactions: all or nothing, the same events once, the fence, and events the database refuses."""

import threading
from decimal import Decimal

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, create_engine, func, select, text, update

from actors.messages import Alert, DeadLetter, MarketTime, Quote, encode
from atlas.errors import AlreadyRunning, DatabaseError
from db.batch import Batch, Entry, batch_of
from db.embedded import EmbeddedServer
from db.engine import connect
from db.listen import Listener
from db.lock import AccountLock
from db.models import (
    AccountRow,
    Base,
    DeadLetterRow,
    EventRow,
    LedgerRow,
    OutboxRow,
    PositionRow,
    QuoteRow,
)
from db.writer import CHANNEL, Extras, Writer, Written
from tests.db.conftest import HOLDER
from tests.db.story import START, SYMBOL, Trade, bar, replaced, setup

WAITING = """SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"""
"""Counts the sessions that wait for a lock; the server's other databases are other tests'."""


def batches(trade: Trade) -> list[Batch]:
    """Return the trade as the journal holds it."""
    return [batch_of(batch.events, input=batch.number, at=batch.at) for batch in trade.batches]


def contents(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, without the database's own times."""
    own_times = {"updated_at", "created_at", "next_try_at", "beat_at", "started_at"}
    found = {}
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if column.name not in own_times]
            rows = [tuple(map(str, row)) for row in connection.execute(select(*columns))]
            found[table.name] = sorted(rows)
    return found


def without_numbers(tables: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows without identity columns: what was tried in vain leaves holes in a sequence."""
    numbered = {"events", "ledger", "outbox"}
    return {name: sorted(row[1:] for row in rows) if name in numbered else rows for name, rows in tables.items()}


def count(engine: Engine, table: type[Base]) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_same_events_again_change_nothing(engine: Engine, writer: Writer) -> None:
    written = writer.write(batches(Trade()))
    before = contents(engine)
    again = writer.write(batches(Trade()))
    assert (written.events, again.events) == (12, 0)
    assert (written.notices, again.notices) == (2, 0)
    assert contents(engine) == before


def test_any_overlap_of_batches_gives_the_same_rows_as_one_run(
    engine: Engine, writer: Writer, migrated_template: str, postgres: EmbeddedServer
) -> None:
    whole = batches(Trade())
    for start in range(len(whole)):
        writer.write(whole[max(0, start - 2) : start + 1])
    assert writer.write(whole).events == 0

    postgres.create_database("undisturbed", template=migrated_template)
    undisturbed = connect(postgres.url("undisturbed"))
    lock = AccountLock(undisturbed.url, "paper", HOLDER)
    Writer(undisturbed, "paper", lock.acquire()).write(whole)
    lock.release()
    expected, found = contents(undisturbed), contents(engine)
    undisturbed.dispose()
    postgres.drop_database("undisturbed")
    del expected["daemons"], found["daemons"]
    assert without_numbers(found) == without_numbers(expected)


def test_an_event_twice_in_one_transaction_is_one_row(engine: Engine, writer: Writer) -> None:
    one = batch_of([bar(), bar()], input=1, at=START)
    assert writer.write([one, one]).events == 1
    assert count(engine, EventRow) == 1


def test_events_are_numbered_in_the_order_told(engine: Engine, writer: Writer) -> None:
    trade = Trade()
    writer.write(batches(trade))
    with engine.connect() as connection:
        rows = connection.execute(select(EventRow.id, EventRow.input).order_by(EventRow.seq)).all()
    assert [row.id for row in rows] == [event.key for event in trade.events]
    assert [row.input for row in rows] == [batch.number for batch in trade.batches for _ in batch.events]


def test_one_outbox_row_for_entry_and_one_for_exit(engine: Engine, writer: Writer) -> None:
    trade = Trade()
    writer.write(batches(trade))
    with engine.connect() as connection:
        rows = connection.execute(select(OutboxRow.__table__).order_by(OutboxRow.id)).all()
    assert [(row.key, row.kind, row.status) for row in rows] == [
        (f"entry:{trade.setup.id}", "entry", "pending"),
        (f"exit:{trade.setup.id}", "exit", "pending"),
    ]
    entry, exit_ = (row.payload for row in rows)
    assert entry["trigger"] == exit_["trigger"] == "43123.45"
    assert (entry["stop"], entry["target"], entry["continuity"]["score"]) == ("42895", "43800", "3/4")
    assert exit_["net"] == format(trade.closed.net, "f")
    assert (exit_["reason"], exit_["seconds"]) == ("stop", 7200)


def test_lesson_102_exit_notice_tells_what_the_ledger_booked(engine: Engine, writer: Writer) -> None:
    trade = Trade()
    writer.write(batches(trade))
    with engine.connect() as connection:
        net = connection.execute(select(OutboxRow.payload).where(OutboxRow.kind == "exit")).scalar_one()["net"]
        booked = connection.execute(
            select(func.sum(LedgerRow.amount)).where(LedgerRow.book == "cash", LedgerRow.kind != "deposit")
        ).scalar_one()
    assert Decimal(net) == booked


def test_cash_is_the_sum_of_the_ledger_and_movements_sum_to_zero(engine: Engine, writer: Writer) -> None:
    writer.write(batches(Trade()))
    with engine.connect() as connection:
        account = connection.execute(select(AccountRow.__table__)).one()
        sums = dict(
            connection.execute(select(LedgerRow.book, func.sum(LedgerRow.amount)).group_by(LedgerRow.book)).all()
        )
        unbalanced = connection.execute(
            select(LedgerRow.movement_id).group_by(LedgerRow.movement_id).having(func.sum(LedgerRow.amount) != 0)
        ).all()
        margin = connection.execute(
            select(func.coalesce(func.sum(PositionRow.margin), 0)).where(PositionRow.status == "open")
        ).scalar_one()
    assert account.cash == sums["cash"]
    assert account.reserved == sums["margin_reserved"] == margin == 0
    assert unbalanced == []


def test_margin_reserved_is_the_sum_over_open_positions(engine: Engine, writer: Writer) -> None:
    writer.write([batch_of(b.events, input=b.number, at=b.at) for b in Trade().until_open])
    with engine.connect() as connection:
        reserved = connection.execute(select(AccountRow.reserved)).scalar_one()
        margin = connection.execute(select(func.sum(PositionRow.margin))).scalar_one()
    assert reserved == margin == Decimal("315.73170732")


# ── fence ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_writer_with_an_older_fence_writes_nothing(engine: Engine, writer: Writer) -> None:
    writer.write(batches(Trade())[:2])
    with engine.begin() as connection:
        connection.execute(update(AccountRow).values(fence=AccountRow.fence + 1))
    before = contents(engine)
    with pytest.raises(AlreadyRunning, match="'paper' is held by another daemon") as caught:
        writer.write(batches(Trade()))
    assert caught.value.exit_code == 75
    assert contents(engine) == before


def test_a_new_daemon_waits_for_the_transaction_of_the_old(database_url: str, engine: Engine) -> None:
    """The fence is checked in the transaction it protects: no write of the old one commits after the new fence."""
    old = AccountLock(database_url, "paper", HOLDER)
    writer = Writer(engine, "paper", old.acquire())
    with engine.begin() as connection:
        writer._check_fence(connection)
        old.release()
        new = AccountLock(database_url, "paper", HOLDER)
        taken = threading.Event()

        def take() -> None:
            new.acquire()
            taken.set()

        thread = threading.Thread(target=take)
        thread.start()
        with engine.connect() as watcher:
            waiting = text(WAITING)
            while not watcher.execute(waiting).scalar_one():
                watcher.rollback()
        assert not taken.is_set()
    thread.join(30)
    assert taken.is_set()
    assert new.fence == old.fence + 1
    new.release()


def test_spooled_events_keep_the_fence_they_were_decided_under(engine: Engine, writer: Writer) -> None:
    writer.write(batches(Trade())[:1], decided_under=0)
    assert writer.newest_fence() == 0
    writer.write(batches(Trade())[1:2])
    assert writer.newest_fence() == writer.fence


# ── refused events ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_refused_event_becomes_a_dead_letter_with_an_alert_and_the_rest_is_written(
    engine: Engine, writer: Writer
) -> None:
    trade = Trade()
    bad = replace(setup(9), valid_until=setup(9).valid_from)
    good = batches(trade)
    poisoned = [good[0], batch_of([bar(), replaced(bad, at=START)], input=2, at=START), *good[2:]]
    written = writer.write(poisoned)
    assert written.refused == (f"setups:{SYMBOL}:1h:20260302T1400:0",)
    assert count(engine, PositionRow) == 1
    with engine.connect() as connection:
        letter = connection.execute(select(DeadLetterRow.__table__)).one()
        alert = connection.execute(select(OutboxRow.__table__).where(OutboxRow.kind == "dead_letter")).one()
    assert "ck_setups_valid" in letter.reason
    assert "valid_until" in letter.text
    assert "Traceback" in letter.traceback
    assert alert.critical
    assert "SetupsReplaced" in alert.payload["text"]


def test_refused_event_again_is_neither_a_second_letter_nor_a_second_alert(engine: Engine, writer: Writer) -> None:
    bad = batch_of([replaced(replace(setup(9), valid_until=setup(9).valid_from))], input=2, at=START)
    writer.write([bad])
    before = contents(engine)
    writer.write([bad])
    assert contents(engine) == before


@pytest.mark.parametrize(
    "payload",
    [b"{}", b"no json", b'{"message":"Quote"}', b'{"message":"BarClosed","bar":1}', encode(MarketTime(START))],
)
def test_payload_that_is_no_event_is_set_aside(engine: Engine, writer: Writer, payload: bytes) -> None:
    written = writer.write([Batch(1, START, (Entry("odd", "BarClosed", payload),)), batches(Trade())[0]])
    assert written.refused == ("odd",)
    assert count(engine, DeadLetterRow) == 1
    assert count(engine, LedgerRow) == 2


def test_text_with_a_nul_is_set_aside_and_not_taken_for_a_lost_database(engine: Engine, writer: Writer) -> None:
    alert = Alert("note", "n", START, "before\0after")
    assert writer.write([batch_of([alert], input=1, at=START)]).refused == ("alert:note:n",)
    assert count(engine, DeadLetterRow) == 1


def test_movement_twice_under_two_events_is_refused_and_cash_stays_the_sum(engine: Engine, writer: Writer) -> None:
    good = batches(Trade())
    writer.write(good[:1])
    opened = Trade().batches[0].events[0]
    twin = Entry("account_opened_again", "AccountOpened", good[0].entries[0].payload)
    assert writer.write([Batch(2, START, (twin,))]).refused == ("account_opened_again",)
    with engine.connect() as connection:
        cash = connection.execute(select(AccountRow.cash)).scalar_one()
        booked = connection.execute(select(func.sum(LedgerRow.amount)).where(LedgerRow.book == "cash")).scalar_one()
    assert cash == booked == opened.account.cash


def test_missing_table_is_a_lost_database_and_no_dead_letter(engine: Engine, writer: Writer) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE fills CASCADE"))
    with pytest.raises(DatabaseError, match="fills"):
        writer.write(batches(Trade()))
    assert count(engine, EventRow) == 0
    assert count(engine, DeadLetterRow) == 0


def test_no_free_connection_is_a_lost_database_and_no_dead_letter(engine: Engine, lock: AccountLock) -> None:
    narrow = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    writer = Writer(narrow, "paper", lock.fence)
    with narrow.connect(), pytest.raises(DatabaseError):
        writer.write(batches(Trade()))
    assert (count(engine, EventRow), count(engine, DeadLetterRow)) == (0, 0)
    assert writer.write(batches(Trade())).events == 12, "as soon as one is free"
    narrow.dispose()


def test_deadlock_is_tried_again(engine: Engine, writer: Writer) -> None:
    """Another transaction and ours take two rows in opposite order; the server ends one of the two."""
    with engine.begin() as connection:
        connection.execute(text("ALTER DATABASE " + str(engine.url.database) + " SET deadlock_timeout = '50ms'"))
        connection.execute(text("INSERT INTO quotes (symbol, at, price) VALUES ('A', now(), 1), ('B', now(), 1)"))
    engine.dispose()
    old = START.replace(year=2999)
    quotes = tuple(Quote(symbol, old, Decimal(2)) for symbol in ("A", "B"))
    other = engine.connect()
    other.execute(text("SET deadlock_timeout = '1h'"))
    other.execute(text("UPDATE quotes SET price = 3 WHERE symbol = 'B'"))
    results: list[Written] = []

    def write() -> None:
        results.append(writer.write(batches(Trade()), Extras(quotes=quotes)))

    thread = threading.Thread(target=write)
    thread.start()
    waiting = text(WAITING)
    with engine.connect() as watcher:
        while not watcher.execute(waiting).scalar_one():
            watcher.rollback()
    other.execute(text("UPDATE quotes SET price = 3 WHERE symbol = 'A'"))
    other.commit()
    thread.join(60)
    other.close()
    assert [written.events for written in results] == [12]
    with engine.connect() as connection:
        assert list(connection.execute(select(QuoteRow.price)).scalars()) == [2, 2]


# ── what goes along ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_older_quote_does_not_replace_a_newer_one(engine: Engine, writer: Writer) -> None:
    newer = Quote("X", START, Decimal(2), Decimal(1), Decimal(3))
    writer.write([], Extras(quotes=(newer,)))
    writer.write([], Extras(quotes=(replace(newer, at=START.replace(year=2020), price=Decimal(9)),)))
    with engine.connect() as connection:
        assert connection.execute(select(QuoteRow.price)).scalar_one() == 2


def test_dead_letter_with_a_nul_is_kept(engine: Engine, writer: Writer) -> None:
    writer.write([], Extras(letters=(DeadLetter("a", "b", "te\0xt", "why", "trace"),)))
    with engine.connect() as connection:
        assert connection.execute(select(DeadLetterRow.text)).scalar_one() == "text"


def test_commit_is_notified_with_the_account(database_url: str, writer: Writer) -> None:
    with Listener(database_url, [CHANNEL]) as listener:
        writer.write(batches(Trade())[:1])
        assert listener.wait(30) == [(CHANNEL, "paper")]
