"""The overview as JSON and as a page, from a real database."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from actors.messages import DayStarted, PositionDoubted
from atlas.strat.context import Context
from tests.web.scene import NOW, Daemon, closed, make_panel, position, setup


def overview(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/api/v1/overview")
    assert answer.status_code == 200
    return dict(json.loads(answer.data))


def test_equity_is_cash_plus_open_profit_and_available_is_what_is_not_reserved(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account(10000, reserved="1463.41")
    daemon.open(position())
    daemon.quote("60300")
    account = overview(client)["account"]
    assert account["unrealised"] == "30.00"
    assert account["equity"] == "10030.00"
    assert account["reserved"] == "1463.41"
    assert account["available"] == "8566.59"
    assert account["today"] == "30.00"
    assert account["today_share"] == "0.003000"


@pytest.mark.parametrize(
    ("side", "price", "unrealised", "net", "r", "to_stop", "to_target"),
    [
        ("long", "60300", "30.00", "24.30", "0.40", "1.50", "1.50"),
        ("long", "59700", "-30.00", "-35.70", "-0.60", "0.50", "2.50"),
        ("short", "59700", "30.00", "24.30", "0.40", "1.50", "1.50"),
        ("short", "60600", "-60.00", "-65.70", "-1.10", "0.00", "3.00"),
    ],
)
def test_a_position_is_marked_to_the_last_price_on_its_own_side(
    daemon: Daemon,
    client: FlaskClient,
    side: Any,
    price: str,
    unrealised: str,
    net: str,
    r: str,
    to_stop: str,
    to_target: str,
) -> None:
    daemon.open_account()
    daemon.open(position(side=side))
    daemon.quote(price)
    (shown,) = overview(client)["positions"]
    assert (shown["unrealised"], shown["net"], shown["r"]) == (unrealised, net, r)
    assert (shown["to_stop_r"], shown["to_target_r"]) == (to_stop, to_target)
    assert shown["continuity"] == {"score": "3/4", "agree": ["1M", "1w", "1d"], "frames": ["1M", "1w", "1d", "1h"]}
    assert shown["trigger"] == ("59990" if side == "long" else "60010")


def test_a_moved_stop_is_measured_in_the_first_risk(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.open(position(stop=Decimal(60000)))
    daemon.quote("60300")
    (shown,) = overview(client)["positions"]
    assert shown["to_stop_r"] == "0.50"


def test_without_a_price_profit_and_equity_are_unknown_and_not_zero(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.open(position())
    seen = overview(client)
    assert seen["positions"][0]["net"] is None
    assert seen["account"]["equity"] is None
    assert seen["account"]["unpriced"] == ["BIP-20DEC30-CDE"]
    assert "Equity is known once there is a price for BIP-20DEC30-CDE" in client.get("/").text


def test_a_closed_trade_shows_the_net_of_the_ledger(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    opened = position()
    daemon.open(opened)
    daemon.end(closed(opened, "61200", "target", "120"))
    (trade,) = overview(client)["trades"]
    assert trade["net"] == "108.60"
    assert trade["r"] == "1.81"
    assert trade["net_share"] == "0.018100"
    assert trade["duration"] == 2400
    assert trade["exit_reason"] == "target"


def test_a_losing_short_shows_its_percent_of_the_entry(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    opened = position(side="short")
    daemon.open(opened)
    daemon.end(closed(opened, "60600", "stop", "-60"))
    (trade,) = overview(client)["trades"]
    assert (trade["net"], trade["net_share"]) == ("-71.40", "-0.011900")


def test_trades_come_newest_first(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    for minutes, name in ((30, "3-1-2U"), (10, "2U-1-2U"), (20, "3-2U")):
        opened = position(name)
        daemon.open(opened)
        daemon.end(closed(opened, "61200", "target", "120", minutes))
    assert [trade["setup"] for trade in overview(client)["trades"]] == ["2U-1-2U", "3-2U", "3-1-2U"]


def test_setups_come_nearest_first_and_those_without_a_price_last(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.wait_for(setup("61000"), setup("59900", side="short"), setup("60090"))
    daemon.wait_for(setup("3000", symbol="ETP-20DEC30-CDE"))
    daemon.quote("60000")
    seen = overview(client)
    assert [s["trigger"] for s in seen["setups"]] == ["60090", "59900", "61000", "3000"]
    assert [s["distance"] for s in seen["setups"]] == ["0.001500", "0.001667", "0.016667", None]
    assert seen["setups_waiting"] == 4
    first = seen["setups"][0]
    assert (first["reward_risk"], first["magnitude"], first["continuity"]) == ("1.50", "0.007489", "3/4")
    assert seen["setups"][1]["continuity"] == "1/4"


def test_a_setup_shows_the_labels_of_its_bar(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    context = Context(
        color="green", in_force=False, failed_two=True, shape="hammer", machine_gun=None, lower_highs=0, higher_lows=0,
        mother_time=None, mother_high=None, mother_low=None, fifty="standby", first_side=None, ladder=(),
    )  # fmt: skip
    daemon.wait_for(setup("61000"), setup("59900", side="short"), contexts={"long": context})
    labels = {seen["side"]: seen["labels"] for seen in overview(client)["setups"]}
    assert labels == {"long": ["failed-2", "hammer", "fifty-standby"], "short": []}
    assert "failed-2 · hammer · fifty-standby" in client.get("/").text


def test_a_setup_whose_entry_bar_is_over_is_not_live(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.wait_for(setup("61000"))
    daemon.beat(market_time=NOW + timedelta(hours=1))
    seen = overview(client)
    assert (seen["setups"], seen["setups_waiting"]) == ([], 0)


def test_an_empty_database_is_a_friendly_page(database_url: str, client: FlaskClient) -> None:
    page = client.get("/").text
    for words in (
        "No account yet",
        "Flat. Nothing is at risk.",
        "No trade has been closed yet",
        "<code>atlas run</code>",
    ):
        assert words in page
    seen = overview(client)
    assert seen["account"] is None
    assert seen["system"]["verdict"] == "down"


def test_the_account_of_the_latest_daemon_is_shown_unless_one_is_named(database_url: str, daemon: Daemon) -> None:
    demo = Daemon(database_url, "demo-1")
    demo.beat(beat_at=NOW)
    daemon.beat(beat_at=NOW - timedelta(seconds=5))
    demo.close()
    for asked, shown in ((None, "demo-1"), ("paper", "paper")):
        app = make_panel(database_url, account=asked)
        assert overview(app.test_client())["name"] == shown
        app.extensions["engine"].dispose()


def test_the_page_says_what_the_json_says(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.open(position())
    daemon.quote("60300")
    daemon.beat()
    page = client.get("/").text
    for words in (
        "+$24.30",
        "+0.40 R",
        "$10,030.00",
        "59,400",
        "61,200",
        "2U-1-2U",
        "continuity 3/4",
        "All systems running",
    ):
        assert words in page
    assert 'datetime="2026-07-01T11:10:00Z" title="2026-07-01 11:10:00 UTC"' in page


KEYS = {
    "at", "name", "account", "system", "daemon", "positions", "closed_today", "trades", "setups", "setups_waiting",
}  # fmt: skip


def test_the_keys_are_the_same_empty_or_full(daemon: Daemon, client: FlaskClient, database_url: str) -> None:
    app = make_panel(database_url, account="nobody")
    assert set(overview(app.test_client())) == KEYS
    app.extensions["engine"].dispose()
    daemon.open_account()
    daemon.beat()
    assert set(overview(client)) == KEYS


def test_what_the_database_says_is_never_markup(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.halt(person="<script>alert(1)</script>")
    assert "<script>alert" not in client.get("/").text
    assert "&lt;script&gt;alert(1)" in client.get("/").text


def test_a_position_on_a_contradicted_bar_says_so(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.open(position())
    assert not overview(client)["positions"][0]["contradicted"]
    daemon.write(PositionDoubted(position().id, position().symbol, NOW, "1h", NOW, "it was not so"))
    assert overview(client)["positions"][0]["contradicted"]
    assert "own candle contradicts" in client.get("/").get_data(as_text=True)


def test_open_risk_is_what_all_stops_would_lose_and_a_stop_beyond_the_entry_risks_nothing(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account(10000, reserved="2926.82")
    daemon.open(position(), position("3-2U", id="safe", stop=Decimal(60100)), position(side="short", id="short"))
    daemon.quote("60000")
    account = overview(client)["account"]
    assert (account["open_risk"], account["open_risk_share"]) == ("120.00", "0.012000")
    assert account["margin_use"] == "0.292682"
    page = client.get("/").text
    assert "$120.00" in page
    assert "29.27" in page


def test_lesson_108_available_reserved_and_equity_are_shown_apart(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account(10000, reserved="10000.00")
    daemon.open(position())
    daemon.quote("60000")
    account = overview(client)["account"]
    assert (account["equity"], account["reserved"], account["available"]) == ("10000.00", "10000.00", "0.00")
    page = client.get("/").text
    for words in ("<dt>Available</dt><dd>$0.00</dd>", "<dt>Margin in use</dt><dd>$10,000.00"):
        assert words in page


def test_lesson_109_a_setups_trigger_is_the_bound_of_its_own_side(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.wait_for(setup("60480"), setup("59950", side="short"))
    daemon.quote("60000")
    shown = {one["side"]: one["trigger"] for one in overview(client)["setups"]}
    assert shown == {"long": "60480", "short": "59950"}
    page = client.get("/").text
    assert "60,480" in page
    assert "59,950" in page


def test_what_was_closed_today_is_counted_from_the_days_own_start(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    trades = ((90, "3-1-2U", "61200", "target", "120"), (20, "3-2U", "59400", "stop", "-60"))
    for minutes, name, at, reason, gross in trades:
        opened = position(name)
        daemon.open(opened)
        daemon.end(closed(opened, at, reason, gross, minutes))
    assert overview(client)["closed_today"] is None
    daemon.write(DayStarted("2026-07-01", NOW - timedelta(minutes=60), Decimal(10000)))
    seen = overview(client)
    today = seen["closed_today"]
    assert (today["trades"], today["won"], today["net"]) == (1, 0, "-71.40")
    assert [(trade["setup"], trade["today"]) for trade in seen["trades"]] == [("3-2U", True), ("3-1-2U", False)]
