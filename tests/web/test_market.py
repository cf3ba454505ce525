"""The market page: what each cell of the grid says, and which setups and turns are shown in which order."""

from datetime import timedelta

from flask.testing import FlaskClient

from actors.messages import ContinuityFlipped
from tests.web.scene import NOW, Daemon, setup
from tests.web.shown_bars import BIP, D, frame, tell_forming

PRIOR = ("60500", "59500")


def market(client: FlaskClient) -> dict:
    answer = client.get("/api/v1/market")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def cells(client: FlaskClient, symbol: str = BIP) -> dict[str, dict]:
    (product,) = [product for product in market(client)["products"] if product["symbol"] == symbol]
    return {cell["timeframe"]: cell for cell in product["frames"]}


def test_a_cell_tells_type_color_open_and_side_of_the_forming_bar(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(
        daemon,
        BIP,
        frame("15m", "60000", "60500", "59500", "60000", prior=PRIOR),
        frame("1h", "60000", "60600", "59900", "60300", prior=PRIOR),
        frame("4h", "60400", "60450", "59400", "60300", prior=PRIOR),
        frame("1d", "60000", "60600", "59400", "60300", prior=PRIOR),
    )
    found = cells(client)
    shown = {name: (cell["type"], cell["color"], cell["side"], cell["open"]) for name, cell in found.items()}
    assert shown == {
        "15m": ("1", "neutral", "neither", "60000"),
        "1h": ("2U", "green", "long", "60000"),
        "4h": ("2D", "red", "short", "60400"),
        "1d": ("3", "green", "long", "60000"),
    }
    assert {cell["state"] for cell in found.values()} == {"known"}


def test_what_the_data_do_not_reach_back_to_is_unknown_and_a_period_without_a_trade_is_empty(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account()
    tell_forming(
        daemon,
        BIP,
        frame("1h", prior=PRIOR),
        frame("1d", "60000", "60600", "59400", "60300", prior=PRIOR, known=False),
        frame("1M", "60000", "60600", "59400", "60300"),
    )
    found = cells(client)
    assert [found["1h"][key] for key in ("state", "type", "side", "open")] == ["empty", None, "neither", None]
    assert [found["1d"][key] for key in ("state", "type", "side", "open")] == ["unknown", None, "unknown", None]
    assert [found["1M"][key] for key in ("state", "type", "side", "open")] == ["known", None, "long", "60000"]
    page = client.get("/market").text
    assert "no trade" in page
    assert "unknown" in page


def test_a_product_without_a_timeframe_that_another_has_is_unknown_there(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(daemon, BIP, frame("1h", prior=PRIOR))
    tell_forming(daemon, "ETP-20DEC30-CDE", frame("4h", prior=PRIOR))
    assert market(client)["timeframes"] == ["1h", "4h"]
    assert cells(client)["4h"]["state"] == "unknown"


def test_a_price_newer_than_the_forming_bar_moves_it(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(daemon, BIP, frame("1h", "60000", "60400", "59900", "60300", prior=PRIOR))
    daemon.quote("59450", seconds=1)
    cell = cells(client)["1h"]
    assert [cell[key] for key in ("type", "color", "side", "price")] == ["2D", "red", "short", "59450"]


def test_an_older_price_does_not(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(daemon, BIP, frame("1h", "60000", "60400", "59900", "60300", prior=PRIOR))
    daemon.quote("59450", seconds=-1)
    assert cells(client)["1h"]["type"] == "1"


def test_a_period_that_is_over_is_unknown_until_somebody_tells_of_the_next(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(
        daemon,
        BIP,
        frame("1h", "60000", "60400", "59900", "60300", prior=PRIOR),
        frame("1d", "60000", "60400", "59900", "60300", prior=PRIOR),
    )
    daemon.beat(market_time=NOW + timedelta(hours=1))
    found = cells(client)
    assert (found["1h"]["state"], found["1d"]["state"]) == ("unknown", "known")


def test_mode_type_reads_sides_off_types(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_forming(daemon, BIP, frame("1h", "60400", "60600", "59900", "60300", prior=PRIOR), mode="type")
    cell = cells(client)["1h"]
    assert (cell["type"], cell["color"], cell["side"]) == ("2U", "red", "long")


def test_setups_come_nearest_first_with_levels_family_and_two_sided_mark(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.quote("60000")
    daemon.wait_for(
        setup("60480"), setup("59950", side="short"), setup("60200", family="2-2", name="2U-2D-?", two_sided=False)
    )
    found = market(client)
    assert [one["trigger"] for one in found["setups"]] == ["59950", "60200", "60480"]
    near, middle, _ = found["setups"]
    assert [near[key] for key in ("side", "stop", "target", "two_sided", "distance")] == [
        "short", "60250", "59500", True, "0.000833",
    ]  # fmt: skip
    assert (middle["family"], middle["two_sided"]) == ("2-2", False)
    assert client.get("/market").text.count("two-sided") == 2


def test_turns_of_full_continuity_come_newest_first_and_without_what_was_found_at_the_start(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account()
    for count, (before, after, turn, first) in enumerate(
        ((None, "long", "gained", True), ("long", None, "lost", False), (None, "short", "flipped", False)), start=1
    ):
        at = NOW + timedelta(minutes=count)
        daemon.write(ContinuityFlipped(BIP, at, before, after, turn, D("60000.5"), count, first))
    found = market(client)
    assert [(one["turn"], one["before"], one["after"]) for one in found["turns"]] == [
        ("flipped", None, "short"), ("lost", "long", None),
    ]  # fmt: skip
    assert found["turns"][0]["price"] == "60000.5"
    tell_forming(daemon, BIP, frame("1h", prior=PRIOR))
    (product,) = market(client)["products"]
    assert (product["full"]["side"], product["full"]["since"]) == ("short", "2026-07-01T12:03:00Z")


def test_without_an_account_the_page_says_so(client: FlaskClient) -> None:
    assert "No product yet" in client.get("/market").text
    assert market(client)["products"] == []
