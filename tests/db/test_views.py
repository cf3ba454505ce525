"""The reporting views say what `atlas report` says, to the last digit, and who may read them."""

import logging
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from atlas.backtest.result import trade
from atlas.money.rounding import ratio
from atlas.performance import DIMENSIONS, measure_by
from db import reader
from db.equity import daily_equity
from db.funnel import funnel
from db.lock import AccountLock
from db.reader import READER, let_read
from db.results import positions
from db.views import document, reporting_views
from db.writer import Writer
from migrations.views_0007.performance import GROUPS
from tests.db.story import Trade

D = Decimal
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "views.md"
NEW_YORK = "America/New_York"


def rows(connection: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query as dictionaries."""
    return [dict(row) for row in connection.execute(text(query), values).mappings()]


@pytest.fixture
def connection(lively_connection: Connection) -> Connection:
    """Return a transaction on the lively account's database."""
    return lively_connection


def test_every_trade_is_a_row_with_its_metrics(connection: Connection) -> None:
    found = rows(connection, "SELECT * FROM v_trades WHERE status = 'closed' ORDER BY entry_time, id")
    expected = [(position.id, trade(position)) for position in positions(connection, "paper", "closed")]
    assert len(found) == len(expected) >= 20
    for row, (key, told) in zip(found, expected, strict=True):
        assert row["id"] == key
        for name in ("symbol", "timeframe", "setup", "side", "entry_time", "entry_price", "target", "exit_time",
                     "exit_price", "exit_reason", "contracts", "gross", "fees", "funding", "net", "continuity",
                     "family", "slippage", "filled_while_down", "ambiguous", "rest", "after_hole"):  # fmt: skip
            assert row[name] == getattr(told, name), name
        assert row["first_stop"] == told.stop
        for name in ("r", "mae_r", "mfe_r"):
            assert ratio(row[name]) == ratio(getattr(told, name)), name


def test_the_mark_of_a_hole_is_on_its_trade_and_on_its_fill(connection: Connection) -> None:
    (id_, order), *_ = connection.execute(text("SELECT position_id, order_id FROM fills WHERE purpose = 'stop'")).all()
    connection.execute(text("UPDATE positions SET after_hole = true WHERE id = :id"), {"id": id_})
    connection.execute(text("UPDATE fills SET after_hole = true WHERE order_id = :id"), {"id": order})
    assert [row["id"] for row in rows(connection, "SELECT id FROM v_trades WHERE after_hole")] == [id_]
    assert {row["order_id"] for row in rows(connection, "SELECT order_id FROM v_slippage WHERE after_hole")} == {order}


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK])
@pytest.mark.parametrize("view", GROUPS)
def test_lesson_103_metrics_in_sql_are_those_recomputed_from_the_trades(
    connection: Connection, view: str, zone: str
) -> None:
    connection.execute(text("SELECT set_config('atlas.timezone', :zone, true)"), {"zone": zone})
    dimension = {"product": "symbol"}.get(view, view)
    column = GROUPS[view][0]
    found = {str(row.pop(column)): row for row in rows(connection, f"SELECT * FROM v_performance_by_{view}")}
    expected = measure_by(dimension, positions(connection, "paper", "closed"), D(10000), ZoneInfo(zone))
    assert set(found) == set(expected)
    for group, row in found.items():
        assert row.pop("account") == "paper"
        for metric, value in row.items():
            told = getattr(expected[group], metric)
            if isinstance(value, float):
                value = D(repr(value))
            same = value == told if value is None or told is None else ratio(D(value)) == ratio(D(told))
            assert same, f"{group}: {metric} is {value} in SQL and {told} in the report"


def test_days_are_of_the_timezone_the_daemon_was_set_to_last(connection: Connection) -> None:
    hours = "SELECT string_agg(hour, ' ' ORDER BY entry_time, id) FROM v_trades WHERE account = 'paper'"
    told = [connection.execute(text(hours)).scalar_one()]
    rules = '{"rules": {"account": {"timezone": "Asia/Kolkata"}}}'
    connection.execute(
        text("INSERT INTO events (account, id, kind, fence, payload) VALUES ('paper', 'terms', 'TermsSet', 1, :rules)"),
        {"rules": rules},
    )
    for zone in ("", "Asia/Kolkata", "UTC"):
        connection.execute(text("SELECT set_config('atlas.timezone', :zone, true)"), {"zone": zone})
        told.append(connection.execute(text(hours)).scalar_one())
    assert told[1] == told[2] != told[0] == told[3]


def test_every_dimension_of_the_report_has_a_view() -> None:
    assert {{"product": "symbol"}.get(name, name) for name in GROUPS} == set(DIMENSIONS)


def test_the_funnel_reconciles_and_is_that_of_the_report(connection: Connection) -> None:
    found = {(row["timeframe"], row["family"]): row for row in rows(connection, "SELECT * FROM v_funnel")}
    expected = {(row.timeframe, row.family): row for row in funnel(connection, "paper")}
    assert set(found) == set(expected)
    for key, row in found.items():
        told = expected[key]
        assert row["triggers"] == row["trades"] + row["rejected"]
        assert (row["triggers"], row["trades"], row["rejections"], row["invalidated"], row["missed"]) == (
            told.triggers, told.trades, told.rejections, told.invalidated, told.missed,
        )  # fmt: skip


def test_the_equity_is_that_of_the_report(connection: Connection) -> None:
    found = rows(connection, "SELECT * FROM v_equity WHERE account = 'paper' ORDER BY day")
    expected = daily_equity(connection, "paper", "UTC")
    assert [(row["day"], row["equity"]) for row in found] == [(each.day, each.equity) for each in expected]
    assert [row["running"] for row in found] == [*[False] * (len(found) - 1), True]
    assert sum((row["change"] for row in found[1:]), D(0)) == found[-1]["equity"] - found[0]["equity"]


def test_open_positions_count_at_the_last_price_in_the_equity(engine: Engine, writer: Writer) -> None:
    from actors.messages import DayStarted, Quote
    from db.batch import batch_of
    from db.writer import Extras
    from tests.db.story import START, SYMBOL

    story = Trade()
    begun = DayStarted("2026-03-02", START, D(10000))
    for batch in story.until_open:
        writer.write([batch_of(batch.events, input=batch.number, at=batch.at)])
    writer.write([batch_of((begun,), input=99, at=START)])
    with engine.connect() as connection:
        for prices in ((), (Quote(SYMBOL, START, D("43250.5")),)):
            writer.write([], Extras(prices))
            (_, now) = rows(connection, "SELECT day, equity FROM v_equity ORDER BY day")
            assert [(now["day"], now["equity"])] == [
                (each.day, each.equity) for each in daily_equity(connection, "paper", "UTC")[1:]
            ]
            connection.rollback()


def test_days_fees_slippage_and_ledger_sum_to_the_same(connection: Connection) -> None:
    def only(query: str) -> Any:
        return connection.execute(text(query)).one()

    closed = positions(connection, "paper", "closed")
    net, fees = sum(p.net for p in closed), sum(p.fees for p in closed)
    assert tuple(only("SELECT sum(net), sum(fees), sum(trades) FROM v_daily WHERE account = 'paper'")) == (
        net, fees, len(closed),
    )  # fmt: skip
    assert only("SELECT sum(fee) FROM v_fees").sum == fees
    assert only("SELECT sum(slippage) FROM v_slippage").sum == sum(p.slippage for p in closed)
    cash = only("SELECT cash FROM accounts WHERE name = 'paper'").cash
    last = "SELECT balance FROM v_ledger WHERE account = 'paper' AND book = 'cash' ORDER BY seq DESC LIMIT 1"
    assert only(last).balance == cash == 10000 + net
    equity = only("SELECT equity FROM v_daily WHERE account = 'paper' ORDER BY day DESC LIMIT 1").equity
    assert equity == cash


def test_slippage_is_how_much_worse_the_fill_was(engine: Engine, writer: Writer) -> None:
    from db.batch import batch_of

    for batch in Trade().batches:
        writer.write([batch_of(batch.events, input=batch.number, at=batch.at)])
    with engine.connect() as connection:
        found = rows(connection, "SELECT purpose, worse FROM v_slippage ORDER BY at")
        assert found == [{"purpose": "entry", "worse": D("21.55")}, {"purpose": "stop", "worse": D(5)}]


def test_health_tells_of_every_daemon_and_its_actors(engine: Engine, lock: AccountLock) -> None:
    with engine.begin() as connection:
        told = rows(connection, "SELECT account, pid, actor FROM v_health")
        assert told == [{"account": "paper", "pid": 4711, "actor": None}]
        connection.execute(
            text("INSERT INTO health (account, actor, state, waiting, restarts, updated_at) "
                 "VALUES ('paper', 'feed', 'running', 0, 2, now())")
        )  # fmt: skip
        told = rows(connection, "SELECT account, pid, actor, restarts FROM v_health")
        assert told == [{"account": "paper", "pid": 4711, "actor": "feed", "restarts": 2}]


# ── the document ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_view_and_column_says_what_it_is(connection: Connection) -> None:
    views = reporting_views(connection)
    assert {"v_trades", "v_funnel", "v_equity", "v_daily", "v_ledger", "v_fees", "v_slippage", "v_health"} <= {
        view.name for view in views
    }
    silent = [f"{view.name}.{column.name}" for view in views for column in view.columns if not column.meaning]
    assert silent == []
    assert all(view.meaning for view in views)


def test_the_document_is_what_the_database_says(connection: Connection) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(reporting_views(connection)), (
        "docs/views.md is old: `atlas db views --markdown > docs/views.md`"
    )


# ── who may read ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_reader_reads_every_view_and_no_table(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL ROLE {READER}"))
    for view in reporting_views(connection):
        connection.execute(text(f"SELECT count(*) FROM {view.name}"))
    for statement in ("SELECT * FROM accounts", "DELETE FROM v_slippage", "CREATE TABLE mine (a int)"):
        with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
            connection.execute(text(statement))


def test_a_role_that_another_upgrade_makes_at_the_same_moment_reads_here_as_well(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, worker: str
) -> None:
    """The other upgrade has made the role and not committed: ours sees none, and waits for it."""
    role = f"atlas_reader_{worker}"
    monkeypatch.setattr(reader, "READER", role)
    readable: list[bool] = []

    def upgrade() -> None:
        with engine.connect() as ours:
            let_read(ours)
            readable.append(
                ours.execute(text(f"SELECT has_table_privilege('{role}', 'v_slippage', 'SELECT')")).scalar_one()
            )
            ours.rollback()

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    thread = threading.Thread(target=upgrade)
    try:
        with engine.begin() as other:
            other.execute(text(f"CREATE ROLE {role} NOLOGIN"))
            thread.start()
            with engine.connect() as watcher:
                while thread.is_alive() and not watcher.execute(text(waiting)).scalar_one():
                    watcher.rollback()
        thread.join(30)
        assert readable == [True]
        assert caplog.messages == []
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP ROLE IF EXISTS {role}"))


def test_without_the_right_to_make_roles_the_remedy_is_named(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection.execute(text("CREATE ROLE atlas_test_humble NOLOGIN"))  # gone with the transaction
    connection.execute(text("SET LOCAL ROLE atlas_test_humble"))
    monkeypatch.setattr(reader, "READER", "atlas_reader_nobody_made")
    with caplog.at_level(logging.WARNING):
        let_read(connection)
    (told,) = caplog.messages
    assert "CREATE ROLE atlas_reader_nobody_made NOLOGIN" in told
    assert "permission denied" in told
    assert connection.execute(text("SELECT 1")).scalar_one() == 1, "the upgrade goes on"
