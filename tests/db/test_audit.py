"""`atlas audit` over a real database: clean as the journal wrote it, and each table damaged by hand is named."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from actors.messages import MarketTime, encode
from atlas.errors import DataError
from db.audit import Audit, audit
from tests.cli.command import Commands
from tests.db.story import START


def damaged(connection: Connection, *statements: str) -> Audit:
    """Audit after these statements, each of which changes exactly one row."""
    for statement in statements:
        assert connection.execute(text(statement)).rowcount == 1, statement
    return audit(connection, "paper")


def test_what_the_journal_wrote_is_clean(lively_connection: Connection) -> None:
    found = audit(lively_connection, "paper")
    assert found.differences == []
    assert found.triggers == found.trades + found.rejections >= 50
    assert found.trades >= 20
    assert lively_connection.execute(text("SELECT cash FROM accounts WHERE name = 'paper'")).scalar_one() == found.cash
    assert found.movements > 100


def test_an_account_that_only_began_is_clean(lively_connection: Connection) -> None:
    found = audit(lively_connection, "quiet")
    assert (found.differences, found.triggers, found.cash) == ([], 0, 10000)


def test_an_account_that_was_never_opened_is_an_error(lively_connection: Connection) -> None:
    with pytest.raises(DataError, match="'nobody' was never opened"):
        audit(lively_connection, "nobody")


FIRST = "(SELECT min({key}) FROM {table} WHERE account = 'paper' {where})"


def one(table: str, key: str, where: str = "") -> str:
    """The condition that names one row of the account."""
    return f"account = 'paper' AND {key} = {FIRST.format(key=key, table=table, where=where and 'AND ' + where)}"


def test_a_row_that_holds_no_event_is_an_error_that_names_it_and_the_remedy(lively_connection: Connection) -> None:
    row = lively_connection.execute(text(f"SELECT id FROM events WHERE {one('events', 'seq')}")).scalar_one()
    lively_connection.execute(
        text("UPDATE events SET payload = CAST(:payload AS json) WHERE account = 'paper' AND id = :id"),
        {"payload": encode(MarketTime(START)).decode(), "id": row},
    )
    with pytest.raises(DataError, match=f"{row} holds a MarketTime, which is none: restore it from a backup"):
        audit(lively_connection, "paper")


DAMAGES = {
    "cash": ("UPDATE accounts SET cash = cash + 0.01 WHERE name = 'paper'", "accounts", "cash"),
    "reserved": ("UPDATE accounts SET reserved = reserved + 1 WHERE name = 'paper'", "accounts", "reserved"),
    "starting equity": ("UPDATE accounts SET starting_equity = 9 WHERE name = 'paper'", "accounts", "starting_equity"),
    "day": ("UPDATE accounts SET day_start_equity = 1 WHERE name = 'paper'", "accounts", "day_start_equity"),
    "halts": ("UPDATE accounts SET halts = '{\"feed\": \"x\"}' WHERE name = 'paper'", "accounts", "halts"),
    "ledger amount": (f"UPDATE ledger SET amount = amount + 1 WHERE {one('ledger', 'seq')}", "ledger", "amount"),
    "ledger position": (
        f"UPDATE ledger SET position_id = 'x' WHERE {one('ledger', 'seq')}", "ledger", "position_id"
    ),
    "ledger row lost": (f"DELETE FROM ledger WHERE {one('ledger', 'seq')}", "ledger", "row"),
    "ledger row added": (
        "INSERT INTO ledger (account, movement_id, book, kind, amount, at) VALUES "
        "('paper', 'gift', 'cash', 'deposit', 5, now())", "ledger", "row",
    ),
    "funding": (f"UPDATE funding SET amount = -amount WHERE {one('funding', 'at')}", "funding", "amount"),
    "funding lost": (f"DELETE FROM funding WHERE {one('funding', 'at')}", "funding", "row"),
    "order price": (
        f"UPDATE orders SET price = price + 5 WHERE {one('orders', 'id', 'kind = $$stop$$')}", "orders", "price"
    ),
    "order state": (
        f"UPDATE orders SET status = 'cancelled' WHERE {one('orders', 'id', 'status = $$filled$$')}", "orders", "status"
    ),
    "order lost": (f"DELETE FROM orders WHERE {one('orders', 'id')}", "orders", "row"),
    "fill fee": (f"UPDATE fills SET fee = fee + 1 WHERE {one('fills', 'order_id')}", "fills", "fee"),
    "fill price": (f"UPDATE fills SET price = price + 1 WHERE {one('fills', 'order_id')}", "fills", "price"),
    "fill lost": (f"DELETE FROM fills WHERE {one('fills', 'order_id')}", "fills", "row"),
    "position margin": (
        f"UPDATE positions SET margin = margin + 1 WHERE {one('positions', 'id')}", "positions", "margin"
    ),
    "position net": (
        f"UPDATE positions SET gross = gross + 1, net = net + 1 WHERE {one('positions', 'id')}", "positions", "net"
    ),
    "position whole": (
        "UPDATE positions SET payload = replace(payload::text, '\"fees\":\"', '\"fees\":\"1')::json "
        f"WHERE {one('positions', 'id')}", "positions", "payload.fees",
    ),
    "position lost": (f"DELETE FROM positions WHERE {one('positions', 'id')}", "positions", "row"),
    "trigger outcome": (
        f"UPDATE triggers SET outcome = 'rejected' WHERE {one('triggers', 'id', 'outcome = $$trade$$')}", "triggers",
        "outcome",
    ),
    "trigger price": (f"UPDATE triggers SET price = 1 WHERE {one('triggers', 'id')}", "triggers", "price"),
    "trigger lost": (f"DELETE FROM triggers WHERE {one('triggers', 'id')}", "triggers", "row"),
    "rejection gate": (f"UPDATE rejections SET gate = 'moon' WHERE {one('rejections', 'id')}", "rejections", "gate"),
    "rejection lost": (f"DELETE FROM rejections WHERE {one('rejections', 'id')}", "rejections", "row"),
    "setup state": (
        f"UPDATE setups SET status = 'lapsed' WHERE {one('setups', 'id', 'status = $$invalidated$$')}", "setups",
        "status",
    ),
    "setup level": (f"UPDATE setups SET target = 1 WHERE {one('setups', 'id')}", "setups", "target"),
    "setup lost": (f"DELETE FROM setups WHERE {one('setups', 'id')}", "setups", "row"),
    "event": (
        "UPDATE events SET payload = replace(payload::text, '\"fee\":\"', '\"fee\":\"1')::json "
        f"WHERE {one('events', 'seq', 'kind = $$Filled$$')}", "events", "fee",
    ),
    "event renamed": (f"UPDATE events SET id = 'x' WHERE {one('events', 'seq')}", "events", "id"),
    "event lost": (f"DELETE FROM events WHERE {one('events', 'seq', 'kind = $$FundingPaid$$')}", "funding", "row"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_table_changed_by_hand_is_named(lively_connection: Connection, damage: str) -> None:
    statement, table, field = DAMAGES[damage]
    found = damaged(lively_connection, statement)
    assert (table, field) in {(each.table, each.field) for each in found.differences}, found.differences[:5]


def test_a_difference_has_id_stored_and_recomputed_value(lively_connection: Connection) -> None:
    chosen = f"SELECT order_id, number, fee FROM fills WHERE {one('fills', 'order_id')}"
    fill = lively_connection.execute(text(chosen)).one()
    found = damaged(lively_connection, DAMAGES["fill fee"][0])
    (difference,) = found.differences
    assert (difference.table, difference.id) == ("fills", f"{fill.order_id} {fill.number}")
    assert (difference.stored, difference.recomputed) == (f"{fill.fee + 1:f}", f"{fill.fee:f}")


def test_the_command_is_clean_then_ends_with_1_and_a_line_for_each_difference(
    lively_url: str, lively_engine: Engine, tmp_path: Path
) -> None:
    run = Commands(tmp_path, ATLAS_DATABASE_URL=lively_url)
    clean = run("audit", "--json")
    assert (clean.code, clean.json["differences"]) == (0, [])
    assert clean.json["triggers"] == clean.json["trades"] + clean.json["rejections"]
    quiet = run("audit", "--account", "quiet")
    assert (quiet.code, "differences none" in quiet.out) == (0, True)
    with lively_engine.begin() as connection:
        connection.execute(text("UPDATE ledger SET amount = amount + 1 WHERE account = 'quiet' AND book = 'cash'"))
    found = run("audit", "--account", "quiet")
    assert found.code == 1
    assert "ledger" in found.out
    assert "10001.00000000" in found.out
    assert found.said().startswith("1 difference in account 'quiet'")
    assert json.loads(run("audit", "--account", "quiet", "--json").out)["differences"] == [
        {"table": "ledger", "id": "deposit cash", "field": "amount", "stored": "10001.00000000",
         "recomputed": "10000.00000000"}
    ]  # fmt: skip
