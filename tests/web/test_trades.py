"""The trades page and its file: filters, order, pages, and numbers that survive a spreadsheet."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from tests.web.scene import NOW, Daemon, closed, position
from web.trades_queries import ORDERS

ETP = "ETP-20DEC30-CDE"


def traded(daemon: Daemon, name: str, gross: str, minutes: int, reason: str = "target", **changes: object) -> str:
    """Trade once; the exit is `minutes` before noon of 1 July 2026. Returns the id."""
    opened = position(name, **{"id": name, **changes})
    daemon.open(opened)
    daemon.end(closed(opened, "60500.250", reason, gross, minutes))
    return opened.id


def found(client: FlaskClient, **asked: str) -> dict:
    answer = client.get(f"/api/v1/trades?{urlencode(asked)}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def ids(client: FlaskClient, **asked: str) -> list[str]:
    return [trade["id"] for trade in found(client, **asked)["trades"]]


@pytest.fixture
def week(daemon: Daemon) -> Daemon:
    """A long that won, a short that lost two days before, and one in another product that broke even after costs."""
    daemon.open_account()
    traded(daemon, "won", "120", 10)
    traded(daemon, "lost", "-60", 2 * 1440, "stop", side="short", timeframe="4h", family="3-1")
    traded(daemon, "even", "11.40", 60, "invalidated", symbol=ETP)
    return daemon


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["won", "even", "lost"]),
    ({"symbol": ETP}, ["even"]),
    ({"timeframe": "4h"}, ["lost"]),
    ({"family": "3-1"}, ["lost"]),
    ({"side": "long"}, ["won", "even"]),
    ({"reason": "stop"}, ["lost"]),
    ({"result": "won"}, ["won"]),
    ({"result": "lost"}, ["lost"]),
    ({"since": "2026-07-01"}, ["won", "even"]),
    ({"until": "2026-06-30"}, ["lost"]),
    ({"since": "2026-06-29", "until": "2026-06-29"}, ["lost"]),
    ({"symbol": "", "since": "", "side": ""}, ["won", "even", "lost"]),
    ({"side": "long", "result": "lost"}, []),
]


def test_each_filter_lets_through_what_it_names(week: Daemon, client: FlaskClient) -> None:
    assert [ids(client, **asked) for asked, _ in FILTERS] == [expected for _, expected in FILTERS]
    counts = [found(client, **asked)["totals"]["trades"] for asked, _ in FILTERS]
    assert counts == [len(expected) for _, expected in FILTERS]


def test_order_turns_round(week: Daemon, client: FlaskClient) -> None:
    for sort in ("net", "r", "entry_time", "exit_time"):
        assert ids(client, sort=sort, order="desc") == ["won", "even", "lost"]
        assert ids(client, sort=sort, order="asc") == ["lost", "even", "won"]
    # Equals stay in the order of their ids.
    assert ids(client, sort="symbol", order="desc") == ["even", "lost", "won"]
    assert ids(client, sort="symbol", order="asc") == ["lost", "won", "even"]


def test_totals_are_of_all_that_is_let_through(week: Daemon, client: FlaskClient) -> None:
    totals = found(client)["totals"]
    assert (totals["trades"], totals["won"], totals["net"]) == (3, 1, "37.20")
    assert found(client, side="short")["totals"]["net"] == "-71.40"


def test_pages_show_each_trade_once_and_none_is_left_out(
    daemon: Daemon, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.open_account()
    for n in range(8):
        # Pairs of equals, so that a page ends between two.
        traded(daemon, f"t{n}", str(n // 2 * 10), 10 + n // 3)
    for asked in ({"sort": sort, "order": order} for sort in ORDERS for order in ("asc", "desc")):
        whole = ids(client, **asked)
        assert sorted(whole) == [f"t{n}" for n in range(8)]
        with monkeypatch.context() as patched:
            patched.setattr("web.trades.ROWS", 3)
            pages = [found(client, **asked)]
            while after := pages[-1]["next"]:
                pages.append(found(client, **asked, after=after))
        assert [trade["id"] for page in pages for trade in page["trades"]] == whole
        assert [len(page["trades"]) for page in pages] == [3, 3, 2]


def test_a_bad_argument_is_named_and_refused(client: FlaskClient) -> None:
    for query in (
        "since=yesterday", "side=up", "sort=luck", "until=9999-12-31", "symbol=%00", "colour=red",
        "side=long&side=short",
    ):  # fmt: skip
        answer = client.get(f"/api/v1/trades?{query}")
        assert answer.status_code == 400, query
        assert query.partition("=")[0] in answer.get_json()["error"]


def test_the_file_holds_exact_numbers_and_utc_times(week: Daemon, client: FlaskClient) -> None:
    answer = client.get("/trades.csv?result=won")
    assert answer.mimetype == "text/csv"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["exit_price"] == "60500.250"
    assert row["exit_time"] == "2026-07-01T11:50:00Z"
    assert Decimal(row["net"]) == Decimal(row["gross"]) - Decimal(row["fees"]) - Decimal(row["funding"])
    assert (row["contracts"], row["side"], row["ambiguous"]) == ("10", "long", "no")


def test_the_file_holds_every_trade_of_the_filter_not_only_a_page(
    week: Daemon, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.trades.ROWS", 1)
    rows = list(csv.DictReader(io.StringIO(client.get("/trades.csv?sort=net&order=asc").text)))
    assert [row["id"] for row in rows] == ["lost", "even", "won"]
    assert Decimal(rows[0]["net"]) == Decimal("-71.40")
    assert rows[0]["net"].startswith("-")  # A number, not a text with an apostrophe.


def test_a_text_that_a_spreadsheet_would_take_for_a_formula_is_made_harmless(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account()
    traded(daemon, "=HYPERLINK(1)", "5", 10)
    (row,) = csv.DictReader(io.StringIO(client.get("/trades.csv").text))
    assert row["setup"] == "'=HYPERLINK(1)"


def test_rows_lead_to_their_trades_and_open_positions_are_none(week: Daemon, client: FlaskClient) -> None:
    week.open(position(entry_time=NOW - timedelta(minutes=1)))
    page = client.get("/trades").text
    assert 'href="/trades/won"' in page
    assert page.count("data-key=") == 3


def test_without_a_trade_the_page_says_so(daemon: Daemon, client: FlaskClient) -> None:
    assert "No trade has been closed yet" in client.get("/trades").text
    daemon.open_account()
    assert "No trade fits this filter" in client.get("/trades?side=long").text
