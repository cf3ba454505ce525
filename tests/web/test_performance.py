"""The performance page: the numbers of atlas/performance.py to the cent, kept until one more trade closes."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from actors.messages import DayStarted
from atlas.money.book import Position
from atlas.performance import DIMENSIONS, measure, measure_by
from tests.web.scene import NOW, Daemon, busy_day, closed, position
from web import measured as measuring
from web.histogram import Histogram

D = Decimal
TRADES = [
    closed(position("3-1-2U"), "61200", "target", "120", 250),
    closed(position("3-2U"), "59400", "stop", "-60", 140),
    closed(position("2D-1-1-2U"), "60057", "invalidated", "5.70", 60),
]
"""What a busy day has closed."""


def performance(client: FlaskClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/api/v1/performance{query}")
    assert answer.status_code == 200, answer.data
    return dict(json.loads(answer.data))


@pytest.fixture
def day(daemon: Daemon) -> Daemon:
    """A busy day, on the third of three trading days."""
    busy_day(daemon)
    for number, equity in ((29, 9900), (30, 10100)):
        daemon.write(DayStarted(f"2026-06-{number}", NOW, D(equity)))
    daemon.write(DayStarted("2026-07-01", NOW, D(10000)))
    return daemon


def test_the_metrics_are_those_of_the_closed_trades(day: Daemon, client: FlaskClient) -> None:
    found = performance(client)["metrics"]
    wanted = measure(TRADES, D(10000))
    assert (found["trades"], found["wins"], found["losses"]) == (3, 1, 2)
    for name in ("net_profit", "gross", "fees", "funding", "win_rate", "profit_factor", "expectancy_r", "sqn"):
        assert D(found[name]) == getattr(wanted, name), name


def test_each_dimension_divides_the_same_trades(day: Daemon, client: FlaskClient) -> None:
    found = performance(client)
    net = D(found["metrics"]["net_profit"])
    assert set(found["by"]) == set(DIMENSIONS) - {"day"}
    for dimension, groups in found["by"].items():
        assert sum(group["trades"] for group in groups) == 3
        assert sum(D(group["net"]) for group in groups) == net
        wanted = measure_by(dimension, TRADES, D(10000))
        assert {group["name"]: D(group["net"]) for group in groups} == {
            name: each.net_profit for name, each in wanted.items()
        }


def test_days_weeks_and_months_add_up_to_the_whole(day: Daemon, client: FlaskClient) -> None:
    found = performance(client)
    for name in ("days", "weeks", "months"):
        assert sum(D(row["net"]) for row in found[name]) == D(found["metrics"]["net_profit"])
        assert sum(row["trades"] for row in found[name]) == 3
    assert [row["name"] for row in found["weeks"]] == ["2026-06-29"]
    assert [row["name"] for row in found["months"]] == ["2026-07", "2026-06"]
    assert found["days"][0]["equity"] == found["weeks"][0]["equity"] == found["equity"][-1]["equity"]


def test_drawdown_is_how_far_the_equity_is_below_its_highest(day: Daemon, client: FlaskClient) -> None:
    rows = performance(client)["equity"]
    assert [row["equity"] for row in rows[:3]] == ["9900.00", "10100.00", "10000.00"]
    assert [row["drawdown"] for row in rows[:3]] == ["0.00", "0.00", "100.00"]
    assert rows[2]["drawdown_share"] == "0.009901"
    assert D(performance(client)["metrics"]["max_drawdown"]) == max(D(row["drawdown"]) for row in rows)


def test_a_period_has_the_trades_closed_in_it(day: Daemon, client: FlaskClient) -> None:
    assert performance(client, "?since=2026-07-01&until=2026-07-01")["metrics"]["trades"] == 3
    none = performance(client, "?until=2026-06-30")
    assert none["metrics"]["trades"] == 0
    assert none["metrics"]["profit_factor"] is None
    assert client.get("/performance?until=2026-06-30").status_code == 200


def test_one_more_trade_is_measured_at_once_and_none_is_measured_twice(
    day: Daemon, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = performance(client)
    read: list[str] = []

    def noticed(*args: Any) -> list[Position]:
        found = positions(*args)
        read.extend(each.setup for each in found)
        return found

    positions = measuring.positions
    monkeypatch.setattr(measuring, "positions", noticed)
    day.quote("60301", seconds=5)
    assert performance(client)["metrics"]["net_profit"] == first["metrics"]["net_profit"]
    assert read == []
    day.end(closed(position(), "60600", "target", "60", 5))
    again = performance(client)["metrics"]
    assert again["trades"] == 4
    assert D(again["gross"]) == D(first["metrics"]["gross"]) + 60
    assert sorted(read) == ["2D-1-1-2U", "2U-1-2U"], "the one that closed last before it, and the new one"


def test_a_trade_stored_late_is_measured_as_if_it_had_come_in_time(day: Daemon, client: FlaskClient) -> None:
    """Found closed at a start: its exit lies before exits that are measured already."""
    assert performance(client)["metrics"]["trades"] == 3
    late = closed(position(), "60600", "target", "60", 100)
    day.end(late)
    found = performance(client)
    wanted = measure([*TRADES, late], D(10000))
    assert found["metrics"]["longest_losing_streak"] == wanted.longest_losing_streak == 1
    assert (found["metrics"]["trades"], D(found["metrics"]["sqn"])) == (4, wanted.sqn)
    assert sum(each["count"] for each in found["r"]) == 4


def test_what_r_mae_and_mfe_come_to_is_counted_in_bins(day: Daemon, client: FlaskClient) -> None:
    found = performance(client)
    for name in ("r", "mae", "mfe"):
        assert sum(each["count"] for each in found[name]) == 3
    (won,) = (each for each in found["r"] if each["low"] is not None and D(each["low"]) == D("1.5"))
    assert won["count"] == 1, "120 − 11.40 of a risk of 60"


def test_a_value_on_an_edge_counts_above_it_and_what_is_beyond_the_edges_is_not_lost() -> None:
    counted = Histogram("-0.5", "1", "0.5")
    counted.add([D(-9), D("-0.5"), D("-0.01"), D(0), D("0.49")])
    counted.add([D("0.5"), D(1), D(7)])
    assert [(each["low"], each["high"], each["count"]) for each in counted.bins()] == [
        (None, "-0.5", 1), ("-0.5", "0", 2), ("0", "0.5", 2), ("0.5", "1", 1), ("1", None, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["?since=2026-13-01", "?until=soon", "?by=setup"])
def test_a_wrong_argument_is_refused(day: Daemon, client: FlaskClient, query: str) -> None:
    assert client.get(f"/performance{query}").status_code == 400


def test_an_account_that_never_opened_has_no_metrics(daemon: Daemon, client: FlaskClient) -> None:
    assert performance(client)["metrics"] is None
    assert "No account yet" in client.get("/performance").text


def test_the_page_writes_what_the_api_says(day: Daemon, client: FlaskClient) -> None:
    page, found = client.get("/performance").text, performance(client)
    assert f"+${D(found['metrics']['net_profit']):,.2f}" in page
    assert f"${D(found['metrics']['fees']):,.2f}" in page
    assert date.fromisoformat(found["weeks"][0]["name"]).weekday() == 0
