"""Signals: triggers = trades + rejections for any filter, and why each trigger that is no trade is none."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection

from actors.messages import Rejected
from atlas.backtest.result import FunnelRow
from atlas.risk import GATES
from db.funnel import funnel
from db.period import Period
from tests.web.scene import NOW, Daemon, busy_day, closed, position, triggered


def signals(client: FlaskClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/api/v1/signals{query}")
    assert answer.status_code == 200, answer.data
    return dict(json.loads(answer.data))


def reject(daemon: Daemon, number: int, gate: str, **changes: Any) -> str:
    """A trigger that a gate has rejected, `number` minutes before NOW; its id."""
    told = triggered(position(id=f"rejected-{number:03d}", entry_time=NOW - timedelta(minutes=number), **changes))
    setup = told.setup
    daemon.write(
        told,
        Rejected(
            setup.id, setup.symbol, setup.timeframe, setup.family, told.name, setup.side, told.tick.time, gate, "0.3 %",
            "≥ 0.5 %",
        ),
    )  # fmt: skip
    return setup.id


@pytest.fixture
def day(daemon: Daemon) -> Daemon:
    """Three trades closed, two open, four rejections by three gates."""
    busy_day(daemon)
    for number, gate in ((10, "magnitude"), (20, "magnitude"), (30, "continuity"), (2000, "halted")):
        reject(daemon, number, gate, symbol="ETP-20DEC30-CDE" if gate == "continuity" else "BIP-20DEC30-CDE")
    return daemon


def test_lesson_115_every_trigger_ends_as_a_trade_or_as_a_named_rejection(day: Daemon, client: FlaskClient) -> None:
    found = signals(client)
    assert found["totals"] == {"triggers": 9, "trades": 5, "rejected": 4, "undecided": 0}
    assert found["gates"] == {"halted": 1, "magnitude": 2, "continuity": 1}
    for step in found["funnel"]:
        assert step["triggers"] == step["trades"] + sum(step["rejections"].values())
    assert sum(step["triggers"] for step in found["funnel"]) == len(found["signals"]) == 9
    for one in found["signals"]:
        assert (one["outcome"] == "rejected") == (one["gate"] in GATES)
        assert (one["outcome"] == "trade") == (one["net"] is not None)


def test_a_trigger_without_an_outcome_is_counted_as_on_its_way(day: Daemon, client: FlaskClient) -> None:
    day.write(triggered(position(id="late")))
    found = signals(client)
    assert found["totals"] == {"triggers": 10, "trades": 5, "rejected": 4, "undecided": 1}
    assert {one["outcome"] for one in found["signals"] if one["id"] == "late"} == {None}
    assert "on its way" in client.get("/signals").text


@pytest.mark.parametrize(
    ("query", "triggers", "rejected"),
    [
        ("?outcome=trade", 5, 0),
        ("?outcome=rejected", 4, 4),
        ("?outcome=magnitude", 2, 2),
        ("?symbol=ETP-20DEC30-CDE", 2, 1),
        ("?side=short", 1, 0),
        ("?since=2026-07-01", 8, 3),
        ("?until=2026-06-30", 1, 1),
        ("?timeframe=4h&outcome=trade", 1, 0),
        ("?family=3-1", 0, 0),
    ],
)
def test_what_a_filter_lets_through_reconciles(
    day: Daemon, client: FlaskClient, query: str, triggers: int, rejected: int
) -> None:
    found = signals(client, query)
    assert found["totals"] == {
        "triggers": triggers, "trades": triggers - rejected, "rejected": rejected, "undecided": 0
    }  # fmt: skip
    assert len(found["signals"]) == triggers


def test_a_rejection_says_gate_value_and_threshold_and_links_to_its_story(day: Daemon, client: FlaskClient) -> None:
    (one,) = signals(client, "?outcome=continuity")["signals"]
    assert (one["gate"], one["value"], one["threshold"], one["continuity"]) == ("continuity", "0.3 %", "≥ 0.5 %", "3/4")
    page = client.get("/signals?outcome=continuity").text
    assert "0.3 %, wanted ≥ 0.5 %" in page
    assert 'href="/trades/rejected-030"' in page


def test_pages_follow_one_another_without_a_gap_or_a_double(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    ids = [reject(daemon, number, "magnitude") for number in range(1, 121)]
    seen: list[str] = []
    after = ""
    while True:
        found = signals(client, f"?after={after}" if after else "")
        seen += [one["id"] for one in found["signals"]]
        if found["next"] is None:
            break
        after = found["next"]
    assert seen == ids
    assert found["totals"]["triggers"] == 120


@pytest.mark.parametrize("query", ["?outcome=luck", "?since=yesterday", "?side=up", "?page=2", "?symbol=" + "x" * 61])
def test_a_wrong_argument_is_refused(day: Daemon, client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/v1/signals{query}").status_code == 400


def test_before_there_is_an_account_the_page_says_that_nothing_has_triggered(client: FlaskClient) -> None:
    assert signals(client)["totals"]["triggers"] == 0
    assert "Nothing has triggered yet" in client.get("/signals").text


def test_setups_are_counted_by_what_became_of_them(day: Daemon, client: FlaskClient) -> None:
    assert signals(client)["setups"] == {"waiting": 4}
    assert signals(client, "?until=2026-06-30")["setups"] == {}


def test_lesson_117_a_second_close_changes_nothing_of_the_first(day: Daemon, client: FlaskClient) -> None:
    opened = position("3-1-2U")
    path = f"/api/v1/trade/{quote(opened.id)}"
    before = client.get(path).json, signals(client, "?outcome=trade")
    again = closed(opened, "1", "flatten", "-5000", 1)
    day.end(msgspec.structs.replace(again, worst=opened.entry_price, best=opened.entry_price))
    assert (client.get(path).json, signals(client, "?outcome=trade")) == before
    money = before[0]["trade"]["money"]  # type: ignore[index]  # the story is JSON
    assert (float(money["mae_r"]) > 0, float(money["mfe_r"]) > 0, money["net"]) == (True, True, "108.60")


def test_the_funnel_is_counted_anew_after_an_event_and_not_for_a_price(
    day: Daemon, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []

    def noticed(connection: Connection, account: str, period: Period) -> list[FunnelRow]:
        counted.append(account)
        return funnel(connection, account, period)

    monkeypatch.setattr("web.signals.funnel", noticed)
    first = signals(client)
    day.quote("60301", seconds=5)
    assert signals(client) == first
    assert counted == ["paper"]
    assert signals(client, "?side=long")["totals"] != first["totals"], "asked otherwise, it is counted for itself"
    reject(day, 40, "magnitude")
    assert signals(client)["totals"]["rejected"] == first["totals"]["rejected"] + 1
    assert counted == ["paper"] * 3
