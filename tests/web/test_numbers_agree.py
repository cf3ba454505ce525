"""One account, told in every way there is: panel, API, CSV, report, views, notices, digest and `explain` say the same
cents. The events are those of the real core over a lively market, with funding, parts closed, and one trade still open.
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, text

from actors.messages import DayStarted, EventBatch, Quote
from atlas.cli.report_html import document
from db.digest import digest, told
from db.embedded import EmbeddedServer
from db.engine import connect
from db.equity import equity_now
from db.lock import AccountLock, Holder
from db.report import Report, ledger, report
from db.results import positions
from db.story import read, tell
from db.writer import Extras, Writer
from tests.db.audited import events, lively, store
from tests.web.scene import dispose, make_panel

D = Decimal
ACCOUNT = "paper"
STEPS = 1090
"""Of two minutes: 22 trades are closed by then, and one is open."""


def cents(value: Any) -> str:
    """Return an amount at two places, as every page writes it."""
    return f"{D(value):z.2f}"


@pytest.fixture(scope="module")
def batches() -> list[EventBatch]:
    """Return what the core told."""
    return lively(steps=STEPS, flattened=False)


@pytest.fixture(scope="module")
def url(postgres: EmbeddedServer, migrated_template: str, worker: str, batches: list[EventBatch]) -> Iterator[str]:
    """Return the URL of a database with that account, its open trade priced by a quote."""
    name = f"agreeing_{worker}"
    postgres.create_database(name, template=migrated_template)
    engine = connect(postgres.url(name))
    held = AccountLock(postgres.url(name), ACCOUNT, Holder("here", 1, "0", "paper", "abc"))
    held.acquire()
    writer = Writer(engine, ACCOUNT, held.fence)
    store(writer, batches)
    with engine.connect() as connection:
        (position,) = positions(connection, ACCOUNT, "open")
    writer.write([], Extras((Quote(position.symbol, position.entry_time, position.entry_price + D("37.5")),)))
    held.release()
    engine.dispose()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """Return a transaction on it."""
    engine = connect(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def client(url: str) -> Iterator[FlaskClient]:
    """Return a client of the panel over it."""
    panel = make_panel(url, clock=lambda: datetime(2026, 3, 6, 2, tzinfo=UTC))
    yield panel.test_client()
    dispose(panel)


def section(client: FlaskClient, name: str) -> Any:
    answer = client.get(f"/api/v1/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json


def one(connection: Connection, query: str) -> Any:
    return connection.execute(text(query)).one()


def by_id(connection: Connection, query: str) -> dict[str, str]:
    return {row.id: cents(row.net) for row in connection.execute(text(query))}


@pytest.fixture
def whole(connection: Connection) -> Report:
    return report(connection, ACCOUNT, "UTC")


def test_every_trade_is_worth_the_same_everywhere(
    connection: Connection, client: FlaskClient, whole: Report
) -> None:
    closed = positions(connection, ACCOUNT, "closed")
    nets = {position.id: cents(position.net) for position in closed}
    assert len(nets) == 22
    assert any(position.funding for position in closed)

    assert by_id(connection, "SELECT id, net FROM v_trades WHERE status = 'closed'") == nets
    assert [cents(trade.net) for trade in whole.trades] == list(nets.values())
    shown = section(client, "trades")
    assert {trade["id"]: trade["net"] for trade in shown["trades"]} == nets
    assert {trade["id"]: trade["net"] for trade in section(client, "overview")["trades"]}.items() <= nets.items()
    kept = csv.DictReader(io.StringIO(client.get("/trades.csv").text))
    assert {row["id"]: cents(row["net"]) for row in kept} == nets
    notices = "SELECT substr(key, 6) AS id, payload ->> 'net' AS net FROM outbox WHERE kind = 'exit'"
    assert by_id(connection, notices) == nets
    for position in closed:
        money = tell(read(connection, ACCOUNT, position.id)).trade.money  # type: ignore[union-attr]  # it is a trade
        assert (money.net, money.fees, money.funding) == (position.net, position.fees, position.funding)
        assert money.booked == money.net
    for position in closed[-3:]:
        money = section(client, f"trade/{quote(position.id, safe='')}")["trade"]["money"]
        assert cents(money["net"]) == nets[position.id]
    page = client.get("/trades").text.replace("−", "-")
    for net in nets.values():
        assert f"${D(net).copy_abs():,.2f}" in page


def test_the_sums_are_the_same_everywhere(connection: Connection, client: FlaskClient, whole: Report) -> None:
    net = cents(whole.metrics.net_profit)
    assert cents(whole.summary.net) == net
    assert section(client, "trades")["totals"]["net"] == net
    shown = section(client, "performance")
    metrics = shown["metrics"]
    assert cents(metrics["net_profit"]) == net
    assert (D(metrics["fees"]), D(metrics["funding"])) == (whole.metrics.fees, whole.metrics.funding)
    assert whole.metrics.exposure is not None
    assert D(metrics["exposure"]) == whole.metrics.exposure > 0
    for groups in (*shown["by"].values(), shown["days"], shown["weeks"], shown["months"]):
        assert cents(sum(D(group["net"]) for group in groups)) == net
    for query in (
        "SELECT sum(net) AS net FROM v_daily",
        "SELECT sum(net_profit) AS net FROM v_performance_by_setup",
        "SELECT sum(net_profit) AS net FROM v_performance_by_hour",
    ):
        assert cents(one(connection, query).net) == net, query
    text_of_page = document(whole, ("timeframe",), datetime(2026, 3, 6, 2, tzinfo=UTC))
    assert f"<dd>${D(net):,.2f}</dd>" in text_of_page.replace("−", "-")
    costs = one(connection, "SELECT sum(fees) AS fees, sum(funding) AS funding FROM v_daily")
    assert (costs.fees, costs.funding) == (whole.metrics.fees, whole.metrics.funding)
    booked = ledger(connection, ACCOUNT)
    (held,) = positions(connection, ACCOUNT, "open")
    assert booked.balances["fees"] == whole.metrics.fees + held.fees
    assert booked.balances["funding"] == whole.metrics.funding + held.funding
    assert cents(one(connection, "SELECT sum(fee) AS fee FROM v_fees").fee) == cents(booked.balances["fees"])


def test_the_account_is_worth_the_same_everywhere(
    connection: Connection, client: FlaskClient, whole: Report
) -> None:
    account = section(client, "overview")["account"]
    equity = cents(equity_now(connection, ACCOUNT))
    (held,) = positions(connection, ACCOUNT, "open")
    assert account["equity"] == equity
    assert cents(one(connection, "SELECT equity FROM v_equity WHERE running").equity) == equity
    assert cents(whole.equity[-1].equity) == equity
    assert section(client, "performance")["equity"][-1]["equity"] == equity
    assert cents(one(connection, "SELECT equity FROM v_daily ORDER BY day DESC LIMIT 1").equity) == equity
    assert account["cash"] == cents(whole.summary.cash) == cents(ledger(connection, ACCOUNT).balances["cash"])
    last = "SELECT balance FROM v_ledger WHERE book = '{}' ORDER BY seq DESC LIMIT 1"
    assert account["cash"] == cents(one(connection, last.format("cash")).balance)
    assert account["reserved"] == cents(one(connection, last.format("margin_reserved")).balance) == cents(held.margin)
    assert D(equity) == D(account["cash"]) + D(account["unrealised"])
    page = client.get("/").text
    assert f"${D(equity):,.2f}" in page

    story = tell(read(connection, ACCOUNT, held.id)).trade
    assert story is not None
    (shown,) = section(client, "overview")["positions"]
    net = one(connection, "SELECT net FROM v_trades WHERE status = 'open'").net
    assert story.money.net == net == held.net
    assert shown["net"] == cents(held.net + D(account["unrealised"]))


def test_the_digest_of_a_day_is_the_day_of_the_views_and_the_notice(
    connection: Connection, batches: list[EventBatch]
) -> None:
    started = [event for event in events(batches) if isinstance(event, DayStarted)]
    assert len(started) == 3
    for event in started[1:]:
        found = digest(connection, ACCOUNT, event.day, weekly=False)
        assert found is not None
        day = one(connection, f"SELECT * FROM v_daily WHERE day = '{found.last_day}'")
        assert found.performance.trades == day.trades > 0
        assert found.performance.net_profit == day.net
        assert (found.performance.fees, found.performance.funding) == (day.fees, day.funding)
        assert found.equity == day.equity
        fields = told(found)
        assert (cents(fields["net"]), cents(fields["equity"])) == (cents(day.net), cents(day.equity))


def test_the_funnel_is_the_same_everywhere(
    connection: Connection, client: FlaskClient, whole: Report
) -> None:
    view = one(
        connection, "SELECT sum(triggers) AS triggers, sum(trades) AS trades, sum(rejected) AS rejected FROM v_funnel"
    )
    assert (view.triggers, view.trades, view.rejected) == (
        sum(row.triggers for row in whole.funnel),
        sum(row.trades for row in whole.funnel),
        sum(sum(row.rejections.values()) for row in whole.funnel),
    )
    assert view.triggers == view.trades + view.rejected == whole.summary.triggers
    totals = section(client, "signals")["totals"]
    assert (totals["triggers"], totals["trades"], totals["rejected"]) == (view.triggers, view.trades, view.rejected)
