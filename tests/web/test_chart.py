"""The chart: which bars there are, their Strat numbers, the levels in force and the trades."""

from datetime import timedelta
from urllib.parse import urlencode

from flask.testing import FlaskClient

from actors.messages import FrameBars, TermsSet
from atlas.market.bar import Bar
from atlas.market.products import built_in
from atlas.rules import Rules, StratRules
from db.repositories.market import save_products
from tests.web.scene import NOW, Daemon, closed, position, setup
from tests.web.shown_bars import BIP, D, closed_bar, frame, tell_forming, tell_past

HOUR = timedelta(hours=1)


def hour(before: int, *row: str) -> Bar:
    """The hour that began `before` hours before noon: open, high, low, close."""
    opened = NOW - before * HOUR
    return Bar("1h", opened, opened + HOUR, *map(D, row), D(1))


def chart(client: FlaskClient, **asked: str) -> dict:
    answer = client.get(f"/api/v1/chart?{urlencode(asked)}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def numbers(found: dict) -> list[str | None]:
    return [("F" if bar["failed"] else "") + bar["number"] if bar["number"] else None for bar in found["bars"]]


def test_each_bar_has_its_number_and_a_failed_2_is_marked(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    past = (
        hour(6, "100", "110", "90", "105"),
        hour(5, "105", "109", "91", "100"),
        hour(4, "100", "112", "95", "111"),
        hour(3, "111", "113", "96", "97"),  # Above, and closes red.
        hour(2, "97", "112", "90", "91"),
        hour(1, "91", "113", "89", "100"),
    )
    tell_past(daemon, BIP, [FrameBars("1h", past, None)])
    tell_forming(daemon, BIP, frame("1h", "100", "101", "88", "99", prior=("113", "89")))
    found = chart(client)
    assert numbers(found) == [None, "1", "2U", "F2U", "2D", "3", "2D"]
    assert [bar["forming"] for bar in found["bars"]] == [False] * 6 + [True]
    assert (found["symbol"], found["timeframe"]) == (BIP, "1h")


def test_what_makes_a_2_failed_is_what_the_account_is_set_to(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    green = (hour(2, "100", "112", "95", "111"), hour(1, "100", "113", "96", "111"))  # Green, and back below 112.
    tell_past(daemon, BIP, [FrameBars("1h", green, None)])
    tell_forming(daemon, BIP, frame("1h", "112", "114", "97", "112.5", prior=("113", "96")))
    assert numbers(chart(client)) == [None, "2U", "2U"]
    daemon.write(TermsSet(NOW, Rules(strat=StratRules(failed="reclaim")), (), "reclaim", "reclaim"))
    assert numbers(chart(client)) == [None, "F2U", "F2U"]


def test_a_forming_bar_moves_with_the_newest_price(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_past(daemon, BIP, [FrameBars("1h", (hour(1, "91", "113", "89", "100"),), None)])
    tell_forming(daemon, BIP, frame("1h", "100", "101", "98", "99", prior=("113", "89")))
    assert numbers(chart(client)) == [None, "1"]
    daemon.quote("113.5", seconds=1)
    found = chart(client)
    assert numbers(found) == [None, "2U"]
    assert [found["bars"][-1][key] for key in ("high", "low", "close")] == ["113.5", "98", "113.5"]
    assert found["price"] == "113.5"


def test_what_atlas_saw_close_counts_before_what_rest_told(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    seen = hour(2, "97", "120", "90", "91")
    told = (hour(3, "100", "110", "95", "97"), hour(2, "97", "109", "96", "100"), hour(1, "91", "113", "89", "100"))
    tell_past(daemon, BIP, [FrameBars("1h", told, None)])
    tell_forming(daemon, BIP, frame("1h"))
    daemon.write(closed_bar(seen, verified=False))
    found = chart(client)
    assert [(bar["high"], bar["verified"]) for bar in found["bars"]] == [("110", True), ("120", False), ("113", True)]
    assert numbers(found) == [None, "3", "F2D"]


def test_bars_and_since_limit_what_is_sent_and_change_no_number(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    past = tuple(hour(n, "100", str(110 + n % 3), str(90 - n % 2), "105") for n in range(30, 0, -1))
    tell_past(daemon, BIP, [FrameBars("1h", past, None)])
    tell_forming(daemon, BIP, frame("1h"))
    whole = chart(client)["bars"]
    assert len(whole) == 30
    assert chart(client, bars="12")["bars"] == whole[-12:]
    assert chart(client, since=whole[-2]["opens"])["bars"] == whole[-2:]


def test_levels_are_those_of_this_timeframe_in_force(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(daemon, BIP, frame("1h"), frame("4h"))
    daemon.wait_for(setup("60480"), setup("59950", side="short"))
    daemon.wait_for(setup("60900", id="other", timeframe="4h"))
    daemon.beat()
    levels = chart(client, timeframe="1h")["setups"]
    assert [(one["side"], one["trigger"], one["stop"], one["target"]) for one in levels] == [
        ("long", "60480", "60180", "60930"), ("short", "59950", "60250", "59500"),
    ]  # fmt: skip
    daemon.beat(market_time=NOW + HOUR)
    assert chart(client, timeframe="1h")["setups"] == []
    assert chart(client, symbol=BIP, timeframe="4h")["setups"] == []


def test_entries_and_exits_stand_at_their_bars(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    past = tuple(hour(n, "100", "110", "90", "105") for n in range(5, 0, -1))
    tell_past(daemon, BIP, [FrameBars("1h", past, None)])
    tell_forming(daemon, BIP, frame("1h"))
    won, old = position("3-1-2U"), position("3-2U")
    daemon.open(won, old, position())
    daemon.end(closed(won, "61200", "target", "120", minutes=70))
    daemon.end(closed(old, "61200", "target", "120", minutes=1440))
    trades = {trade["setup"]: trade for trade in chart(client)["trades"]}
    assert set(trades) == {"3-1-2U", "2U-1-2U"}
    ended = trades["3-1-2U"]
    assert [ended[key] for key in ("entry_bar", "exit_bar", "exit_price", "exit_reason", "net")] == [
        "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", "61200", "target", "108.60",
    ]  # fmt: skip
    running = trades["2U-1-2U"]
    assert [running[key] for key in ("entry_bar", "exit_bar", "net")] == ["2026-07-01T11:00:00Z", None, None]


def test_candles_of_a_daemon_that_has_told_of_no_period_are_shown(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    with daemon.engine.begin() as connection:
        save_products(connection, (built_in(BIP, tick=D("0.5")),), NOW)
    daemon.write(closed_bar(hour(2, "97", "120", "90", "91")), closed_bar(hour(1, "91", "113", "89", "100")))
    found = chart(client)
    assert (found["symbols"], found["timeframes"], found["tick"]) == ([BIP], ["1h"], "0.5")
    assert numbers(found) == [None, "F2D"]


def test_a_product_or_timeframe_without_bars_is_named(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(daemon, BIP, frame("1h"))
    for query, said in (("symbol=ETH-USD", "ETH-USD"), ("timeframe=5m", "5m")):
        answer = client.get(f"/api/v1/chart?{query}")
        assert answer.status_code == 404
        assert said in answer.get_json()["error"]
        assert client.get(f"/chart?{query}").status_code == 404
    for query in ("timeframe=7m", "bars=1", "bars=1001", "since=noon", "symbol=%00"):
        assert client.get(f"/api/v1/chart?{query}").status_code == 400


def test_without_bars_the_page_says_so(client: FlaskClient) -> None:
    assert "No bars yet" in client.get("/chart").text
    assert client.get("/api/v1/chart").get_json()["bars"] == []
