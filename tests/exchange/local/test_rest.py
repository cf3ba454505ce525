"""The REST side, driven by the exchange's own SDK over real HTTP."""

import http.client
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from coinbase.rest import RESTClient
from requests.adapters import HTTPAdapter

from atlas.exchange.local import LocalExchange, SyntheticMarket, listed, read_market
from atlas.exchange.local.instants import NS
from tests.exchange.local.scene import PATIENCE, START, Connect, Open, candle_file, played, synthetic, wave

BIP, SPOT = "BIP-20DEC30-CDE", "BTC-USD"
Sdk = Callable[[LocalExchange], RESTClient]


class PlainHttp(HTTPAdapter):
    """The SDK always says https."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace("https:", "http:", 1)
        return super().send(request, *args, **kwargs)


@pytest.fixture
def sdk(caplog: pytest.LogCaptureFixture) -> Iterator[Sdk]:
    """Return the stock client for an exchange."""
    clients: list[RESTClient] = []
    logging.getLogger("coinbase.RESTClient").setLevel(logging.CRITICAL)  # it prints what it raises

    def build(exchange: LocalExchange) -> RESTClient:
        client = RESTClient(base_url=exchange.rest_url.removeprefix("http://"), timeout=PATIENCE)
        client.session.mount("https://", PlainHttp())
        clients.append(client)
        return client

    yield build
    for client in clients:
        client.session.close()


def refused(call: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    with pytest.raises(requests.HTTPError) as caught:
        call()
    assert caught.value.response is not None
    body: dict[str, Any] = caught.value.response.json()
    return caught.value.response.status_code, body


def test_time_is_the_markets_clock(open_exchange: Open, sdk: Sdk, tmp_path: Path) -> None:
    client = sdk(open_exchange(played(tmp_path, start=10)))
    assert client.get_unix_time().to_dict() == {
        "iso": "2026-01-01T00:10:00Z", "epoch_seconds": str(START + 600), "epoch_millis": f"{START + 600}000",
    }  # fmt: skip


def test_products_are_listed_by_type_and_by_id(open_exchange: Open, sdk: Sdk) -> None:
    client = sdk(open_exchange(synthetic()))

    def ids(**query: Any) -> list[str]:
        return [product.product_id for product in client.get_public_products(**query).products]

    assert ids() == [SPOT]  # the exchange lists spot unless told otherwise
    assert ids(product_type="FUTURE") == [BIP]
    assert ids(product_ids=[BIP, SPOT]) == [BIP, SPOT]
    assert ids(get_all_products=True) == [BIP, SPOT]
    assert ids(get_all_products=True, limit=1, offset=1) == [SPOT]
    assert ids(product_type="FUTURE", contract_expiry_type="PERPETUAL") == []


def test_a_product_tells_its_tick_contract_and_margin(open_exchange: Open, sdk: Sdk) -> None:
    product = sdk(open_exchange(synthetic())).get_public_product(BIP)
    details = product.future_product_details
    assert (product.price_increment, product.base_increment, details["contract_size"]) == ("5", "1", "0.01")
    assert details["overnight_margin_rate"] == {"long_margin_rate": "0.245625", "short_margin_rate": "0.306375"}
    assert details["funding_time"] == "2026-01-01T01:00:00Z"


def test_a_played_product_is_listed_with_its_files_tick(open_exchange: Open, sdk: Sdk, tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", [(100, 101.5, 99.25, 100, 9)])
    product = sdk(open_exchange(read_market([(path, listed(["SLP-20DEC30-CDE"])[0])]))).get_public_product(
        "SLP-20DEC30-CDE"
    )
    assert product.price_increment == "0.25"
    assert product.display_name_overwrite == ""


def test_an_assumed_tick_says_so(open_exchange: Open, sdk: Sdk) -> None:
    product = sdk(open_exchange(synthetic("SLP-20DEC30-CDE"))).get_public_product("SLP-20DEC30-CDE")
    assert "assumed" in product.display_name_overwrite


@pytest.mark.parametrize(("minute", "opened"), [(0, True), (20, False)])
def test_the_session_is_closed_in_the_weekly_break(open_exchange: Open, sdk: Sdk, minute: int, opened: bool) -> None:
    friday = 1_767_390_600 + 60 * minute  # ten minutes before the break in winter
    exchange = open_exchange(SyntheticMarket(listed([BIP]), friday * NS), hold=True)
    session = sdk(exchange).get_public_product(BIP).fcm_trading_session_details
    assert session["is_session_open"] is opened


def test_candles_are_newest_first_with_both_ends_and_no_row_where_nothing_traded(
    open_exchange: Open, sdk: Sdk, tmp_path: Path
) -> None:
    rows = [*wave(3), None, *wave(6)]
    market = read_market([(candle_file(tmp_path / "a.csv", rows), listed([BIP])[0])], start=(START + 540) * NS)
    client = sdk(open_exchange(market))
    found = client.get_public_candles(BIP, str(START + 60), str(START + 300), "ONE_MINUTE").candles
    assert [int(candle.start) for candle in found] == [START + 300, START + 240, START + 120, START + 60]
    latest = found[0]
    # The second candle of the wave, clamped and walked as its trades would be.
    assert (latest.low, latest.high, latest.open, latest.close, latest.volume) == ("100", "104", "101", "102", "9")


@pytest.mark.parametrize(
    ("granularity", "seconds"),
    [("ONE_MINUTE", 60), ("FIVE_MINUTE", 300), ("FIFTEEN_MINUTE", 900), ("THIRTY_MINUTE", 1800), ("ONE_HOUR", 3600),
     ("TWO_HOUR", 7200), ("FOUR_HOUR", 14_400), ("SIX_HOUR", 21_600), ("ONE_DAY", 86_400)],
)  # fmt: skip
def test_350_candles_of_every_granularity_are_served(
    open_exchange: Open, sdk: Sdk, granularity: str, seconds: int
) -> None:
    client = sdk(open_exchange(synthetic(SPOT), hold=True))
    end = START - seconds
    found = client.get_public_candles(SPOT, str(end - 349 * seconds), str(end), granularity).candles
    assert [int(candle.start) for candle in found] == [end - place * seconds for place in range(350)]
    assert all(float(candle.low) <= float(candle.open) <= float(candle.high) for candle in found)


def test_more_than_350_candles_are_refused(open_exchange: Open, sdk: Sdk) -> None:
    client = sdk(open_exchange(synthetic(SPOT), hold=True))
    status, body = refused(lambda: client.get_public_candles(SPOT, str(START - 350 * 60), str(START), "ONE_MINUTE"))
    assert (status, body["error"]) == (400, "INVALID_ARGUMENT")
    assert body["error_details"].endswith("number of candles requested should be less than 350")


@pytest.mark.parametrize(
    ("start", "end", "granularity"), [("5", "1", "ONE_MINUTE"), ("x", "1", "ONE_MINUTE"), ("0", "60", "ONE_WEEKEND")]
)
def test_a_wrong_candle_request_is_an_invalid_argument(
    open_exchange: Open, sdk: Sdk, start: str, end: str, granularity: str
) -> None:
    client = sdk(open_exchange(synthetic(SPOT), hold=True))
    status, body = refused(lambda: client.get_public_candles(SPOT, start, end, granularity))
    assert (status, body["error"]) == (400, "INVALID_ARGUMENT")


def test_an_unknown_product_is_not_found(open_exchange: Open, sdk: Sdk) -> None:
    client = sdk(open_exchange(synthetic(SPOT), hold=True))
    assert refused(lambda: client.get_public_product("NOPE-USD")) == (
        404, {"error": "NOT_FOUND", "error_details": "Product NOPE-USD not supported",
              "message": "Product NOPE-USD not supported"},
    )  # fmt: skip


def test_an_alias_is_served(open_exchange: Open, sdk: Sdk) -> None:
    assert sdk(open_exchange(synthetic(SPOT), hold=True)).get_public_product("BTC-USDC").product_id == SPOT


def test_trades_are_newest_first_and_at_most_a_hundred(open_exchange: Open, sdk: Sdk) -> None:
    client = sdk(open_exchange(synthetic(SPOT), hold=True))
    reply = client.get_public_market_trades(SPOT, limit=1000)
    ids = [int(trade.trade_id) for trade in reply.trades]
    assert ids == list(range(ids[0], ids[0] - 100, -1))
    assert float(reply.best_bid) < float(reply.best_ask)
    with pytest.raises(requests.HTTPError):
        client.get_public_market_trades(SPOT, limit=1001)


def test_the_book_agrees_with_the_trades_quote(open_exchange: Open, sdk: Sdk) -> None:
    client = sdk(open_exchange(synthetic(SPOT), hold=True))
    reply, quote = client.get_public_product_book(SPOT, limit=600), client.get_public_market_trades(SPOT, limit=1)
    book = reply.pricebook
    assert (book.bids[0].price, book.asks[0].price) == (quote.best_bid, quote.best_ask)
    assert (len(book.bids), len(book.asks)) == (600, 600)
    bids = [float(level.price) for level in book.bids]
    assert bids == sorted(bids, reverse=True)


def test_requests_beyond_the_limit_get_429_in_wall_time(open_exchange: Open, sdk: Sdk) -> None:
    client = sdk(open_exchange(synthetic(SPOT), speed=1000, rest_limit=0.001, rest_burst=15))
    for _ in range(15):
        client.get_unix_time()
    status, body = refused(client.get_unix_time)
    assert (status, body["errors"][0]["id"]) == (429, "rate_limit_exceeded")


def test_private_twins_want_an_authorization_header(open_exchange: Open) -> None:
    exchange = open_exchange(synthetic(SPOT), hold=True)
    url = f"{exchange.rest_url}/api/v3/brokerage/products/{SPOT}"
    refusal = requests.get(url, timeout=PATIENCE)
    assert (refusal.status_code, refusal.text) == (401, "Unauthorized\n")
    assert refusal.headers["Content-Type"].startswith("text/plain")
    served = requests.get(url, timeout=PATIENCE, headers={"Authorization": "Bearer x"})
    assert served.json()["product_id"] == SPOT


def test_a_connection_is_kept_and_the_bodies_of_gets_are_read(open_exchange: Open) -> None:
    exchange = open_exchange(synthetic(SPOT), hold=True)
    connection = http.client.HTTPConnection(exchange.rest_url.removeprefix("http://"), timeout=PATIENCE)
    for _ in range(3):
        connection.request("GET", "/api/v3/brokerage/time", body=b"{}")
        reply = connection.getresponse()
        assert (reply.status, reply.version) == (200, 11)
        assert set(json.loads(reply.read())) == {"iso", "epochSeconds", "epochMillis"}
    connection.close()


def test_candles_of_a_finished_market_are_those_of_the_trades_it_sent(
    open_exchange: Open, connect: Connect, sdk: Sdk, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30, start=10), speed=1e6)
    listener = connect(exchange)
    listener.subscribe("heartbeats")
    listener.subscribe("market_trades", BIP)
    sent: dict[int, list[tuple[float, float]]] = {}
    for frame in listener.to_the_end("2026-01-01T00:30:05Z"):
        event = frame["events"][0]
        if frame["channel"] == "market_trades" and event["type"] == "update":
            for row in reversed(event["trades"]):
                minute = int(row["time"][14:16])
                sent.setdefault(minute, []).append((float(row["price"]), float(row["size"])))
    found = sdk(exchange).get_public_candles(BIP, str(START + 600), str(START + 1799), "ONE_MINUTE").candles
    assert len(found) == 20
    for candle in found:
        prices, sizes = zip(*sent[(int(candle.start) - START) // 60], strict=True)
        shown = [float(value) for value in (candle.open, candle.high, candle.low, candle.close, candle.volume)]
        assert shown == [prices[0], max(prices), min(prices), prices[-1], sum(sizes)]
