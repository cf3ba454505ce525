"""What a restarted process begins with is what was committed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from actors.messages import (
    DayStarted,
    HaltChanged,
    Invalidated,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    Quote,
    StopReached,
)
from atlas.errors import DatabaseError
from db import rebuild
from db.batch import batch_of
from db.writer import Extras, Writer
from tests.db.story import HOUR, START, SYMBOL, D, Trade, order, replaced, setup, triggered


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def write(writer: Writer, trade: Trade, upto: int | None = None) -> None:
    writer.write([batch_of(b.events, input=b.number, at=b.at) for b in trade.batches[:upto]])


def test_account_nobody_opened_is_none(connection: Connection, writer: Writer) -> None:
    assert rebuild.account(connection, "paper") is None
    assert rebuild.account(connection, "other") is None


def test_account_is_as_committed(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade)
    told = [DayStarted("2026-03-02", START, D("10000")), HaltChanged(START, {"person": "lunch"}, 3)]
    writer.write([batch_of(told, input=99, at=START + 5 * HOUR)])
    account = rebuild.account(connection, "paper")
    assert account is not None
    assert account.state == trade.account
    assert (account.starting_equity, account.day, account.day_start_equity) == (D(10000), "2026-03-02", D(10000))
    assert (account.halts, account.halt_count) == ({"person": "lunch"}, 3)


def test_the_base_a_person_set_for_the_days_loss_comes_back(connection: Connection, writer: Writer) -> None:
    write(writer, Trade())
    told = [DayStarted("2026-03-02", START, D(10000)), HaltChanged(START, {}, 3, "daily_loss", "5 %", True, D(9400))]
    later = [HaltChanged(START + HOUR, {"feed": "gone"}, 4, "feed", "gone")]
    writer.write([batch_of(told, input=99, at=START), batch_of(later, input=100, at=START + HOUR)])
    account = rebuild.account(connection, "paper")
    assert account is not None
    assert account.day_start_equity == D("9400"), "a halt that sets no base leaves it"


def test_open_position_comes_back_whole(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches + 2)
    (found,) = rebuild.open_positions(connection, "paper")
    assert found.position == trade.batches[trade.open_batches + 1].events[0].position
    assert found.changes == 1


def test_closed_position_does_not_come_back(connection: Connection, writer: Writer) -> None:
    write(writer, Trade())
    assert rebuild.open_positions(connection, "paper") == []


def test_working_order_comes_back_as_placed(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches)
    (found,) = rebuild.working_orders(connection, "paper")
    assert (found.order, found.fills, found.moves) == (order(trade.setup, "stop"), 0, 0)


def test_order_moved_comes_back_at_its_new_price(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches)
    stop = order(trade.setup, "stop")
    moves = [OrderMoved(stop.id, stop.position_id, START, D(43000 + n), n) for n in (1, 2)]
    writer.write([batch_of(moves, input=50, at=START)])
    (found,) = rebuild.working_orders(connection, "paper")
    assert (found.order.price, found.moves) == (D(43002), 2)


def test_stop_that_was_reached_stays_reached(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches)
    stop = order(trade.setup, "stop")
    writer.write([batch_of([StopReached(stop.id, stop.position_id, START, START + HOUR)], input=50, at=START)])
    (found,) = rebuild.working_orders(connection, "paper")
    assert found.order.due == START + HOUR


def test_entry_that_expired_is_finished(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    entry = order(trade.setup)
    told = [OrderAccepted(entry, START), OrderExpired(entry.id, START, "too late")]
    writer.write([batch_of([trade.events[0]], input=1, at=START), batch_of(told, input=2, at=START)])
    assert rebuild.working_orders(connection, "paper") == []
    assert rebuild.finished_orders(connection, "paper", 9) == [entry.id]
    assert connection.execute(text("SELECT status, reason FROM orders")).all() == [("expired", "too late")]


def test_finished_orders_are_known_by_id(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches)
    writer.write([batch_of([OrderCancelled(order(trade.setup, "stop").id, START + HOUR, "x")], input=50, at=START)])
    entry, stop = order(trade.setup).id, order(trade.setup, "stop").id
    assert rebuild.finished_orders(connection, "paper", 9) == [entry, stop]
    assert rebuild.finished_orders(connection, "paper", 1) == [stop]
    assert rebuild.working_orders(connection, "paper") == []


def test_last_funded_hour_of_open_positions_is_known(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches + 2)
    assert rebuild.last_funding(connection, "paper") == {trade.opened.id: START + HOUR}
    assert rebuild.last_funding(connection, "other") == {}


def test_last_prices_are_never_of_the_future(connection: Connection, writer: Writer) -> None:
    quotes = (Quote(SYMBOL, START, D(43200), D(43199), D(43200)), Quote("BTC-USD", START + HOUR, D(43210)))
    writer.write([], Extras(quotes=quotes))
    found = rebuild.last_prices(connection, START)
    assert {symbol: (tick.price, tick.bid, tick.time) for symbol, tick in found.items()} == {
        SYMBOL: (D(43200), D(43199), START)
    }


def test_lesson_99_used_setups_are_known_while_their_bar_lasts(connection: Connection, writer: Writer) -> None:
    one, two, three, waiting = (setup(number) for number in (1, 2, 3, 4))
    killed = Invalidated(three.id, SYMBOL, "1h", START, "opposite_broke")
    told = [replaced(one, two, three, waiting), triggered(one), triggered(two, missed=True), killed]
    writer.write([batch_of(told, input=1, at=START)])
    assert rebuild.used_setups(connection, "paper", START) == dict.fromkeys((one.id, two.id, three.id), START + HOUR)
    assert rebuild.used_setups(connection, "paper", START + HOUR) == {}


def test_trigger_without_an_outcome_is_found(connection: Connection, writer: Writer) -> None:
    trade = Trade()
    write(writer, trade)
    open_ended = triggered(setup(5))
    writer.write([batch_of([open_ended], input=60, at=START)])
    assert rebuild.undecided_triggers(connection, "paper") == [open_ended]


def test_market_time_is_that_of_the_last_input(connection: Connection, writer: Writer) -> None:
    assert rebuild.last_market_time(connection, "paper") is None
    trade = Trade()
    write(writer, trade)
    writer.write([batch_of([HaltChanged(START, {}, 9)], input=None, at=START + 99 * HOUR)])
    assert rebuild.last_market_time(connection, "paper") == trade.batches[-1].at


def test_accounts_do_not_see_each_other(connection: Connection, writer: Writer, engine: Engine) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches)
    assert rebuild.open_positions(connection, "other") == []
    assert rebuild.working_orders(connection, "other") == []
    assert rebuild.finished_orders(connection, "other", 9) == []
    assert rebuild.account(connection, "other") is None


def test_lesson_98_truncated_position_is_an_error_and_never_a_fresh_start(
    connection: Connection, writer: Writer
) -> None:
    trade = Trade()
    write(writer, trade, trade.open_batches)
    connection.execute(text("""UPDATE positions SET payload = '{"id": "cut"}'"""))
    with pytest.raises(DatabaseError, match=r"cannot be read \(.*missing required field.*restore its last backup"):
        rebuild.open_positions(connection, "paper")


def test_lesson_98_an_account_whose_row_lost_its_cash_is_an_error_and_never_a_fresh_start(
    connection: Connection, writer: Writer
) -> None:
    write(writer, Trade())
    connection.execute(text("UPDATE accounts SET cash = NULL, reserved = NULL"))
    with pytest.raises(DatabaseError, match="'paper' was opened and its row has no cash"):
        rebuild.account(connection, "paper")
