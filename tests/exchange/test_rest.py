"""The REST client: against the local exchange for what works, against prepared answers for what does not."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import pytest

from atlas.errors import AtlasError, ConfigurationError, CredentialError, DataError, ExchangeError, UnknownProduct
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from atlas.exchange.rest import PAGE, Rest, pages
from atlas.exchange.rest_transport import refusal_text
from atlas.market.aggregation import aggregate
from tests.fakes.rest_server import Reply, Request, RestServer, of_json

BTC, BIP = "BTC-USD", "BIP-20DEC30-CDE"
START = datetime(2029, 3, 6, 12, 30, tzinfo=UTC)
HOUR = START.replace(minute=0)
NS = 1_000_000_000


@pytest.fixture(scope="module")
def local() -> Iterator[LocalExchange]:
    """A local exchange that stands still just after its start."""
    market = SyntheticMarket(listed([BTC, BIP]), int(START.timestamp()) * NS, seed=3)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1000, hold=True)
    with LocalExchange(market, options) as exchange:
        yield exchange


@contextmanager
def client(url: str, **options: Any) -> Iterator[Rest]:
    rest = Rest(url, **{"rate": 500.0, "timeout": 20.0, **options})
    try:
        yield rest
    finally:
        rest.close()


@contextmanager
def answering(*replies: Reply, then: Reply = of_json({"iso": "2031-03-04T12:00:00.5Z"})) -> Iterator[RestServer]:  # noqa: B008  immutable
    with RestServer(lambda request: then, {"*": list(replies)}) as server:
        yield server


# ── what works ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_stock_client_reaches_the_local_exchange(local: LocalExchange) -> None:
    with client(local.rest_url) as rest:
        assert rest.time() == START


def test_products_are_read_whole(local: LocalExchange) -> None:
    with client(local.rest_url) as rest:
        bip, btc = rest.products([BIP, BTC])
    assert (bip.kind, bip.underlying, bip.tick, bip.contract_size) == ("future", "BTC", Decimal(5), Decimal("0.01"))
    assert bip.margin is not None
    assert bip.expiry is not None
    assert (bip.expiry.year, bip.expiry.month, bip.expiry.day) == (2030, 12, 20)
    assert (btc.kind, btc.tick) == ("spot", Decimal("0.01"))


def test_a_tick_the_local_exchange_made_up_is_marked() -> None:
    market = SyntheticMarket(listed(["SLP-20DEC30-CDE", BIP]), int(START.timestamp()) * NS)
    with (
        LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, hold=True)) as exchange,
        client(exchange.rest_url) as rest,
    ):
        assert [p.tick_assumed for p in rest.products(["SLP-20DEC30-CDE", BIP])] == [True, False]


def test_lesson_54_an_id_that_is_not_in_the_listing_is_refused_by_name_with_the_remedy(local: LocalExchange) -> None:
    with client(local.rest_url) as rest:
        for ask in (lambda: rest.product("NOPE-USD"), lambda: rest.candles("NOPE-USD", "1h", HOUR, HOUR)):
            with pytest.raises(UnknownProduct, match=r"'NOPE-USD'.*exchange\.products"):
                ask()


def test_candles_come_oldest_first_with_the_forming_one_and_without_holes_filled(local: LocalExchange) -> None:
    with client(local.rest_url) as rest:
        bars = rest.candles(BTC, "1h", START - timedelta(hours=10), START)
    assert [bar.open_time for bar in bars] == [HOUR - timedelta(hours=n) for n in range(9, -1, -1)]
    assert all(bar.close_time - bar.open_time == timedelta(hours=1) for bar in bars)


def test_lesson_65_more_candles_than_a_page_are_fetched_in_pages_and_join_without_seam(local: LocalExchange) -> None:
    since = START - timedelta(minutes=2 * PAGE + 29)
    with client(local.rest_url) as rest:
        minutes = rest.candles(BTC, "1m", since, START)
        hours = rest.candles(BTC, "1h", since, START)
    times = [bar.open_time for bar in minutes]
    assert times == sorted(set(times))
    assert len(times) > 2 * PAGE - 5
    closed, _ = aggregate(minutes, "1h", starts_whole=False)
    assert closed == [bar for bar in hours if bar in closed]
    assert len(closed) >= 9


def test_recent_trades_come_oldest_first(local: LocalExchange) -> None:
    with client(local.rest_url) as rest:
        ticks = rest.recent_trades(BTC, 1000)
    assert 0 < len(ticks) <= 100
    assert [tick.trade_id for tick in ticks] == sorted(tick.trade_id for tick in ticks)
    assert all(tick.time <= START and tick.size > 0 and tick.aggressor is None for tick in ticks)


@pytest.mark.parametrize("count", [1, PAGE, PAGE + 1, 3 * PAGE])
def test_pages_never_ask_for_more_than_the_exchange_gives_and_leave_nothing_out(count: int) -> None:
    first = datetime(2031, 3, 4, tzinfo=UTC)
    last = first + timedelta(minutes=5 * (count - 1))
    asked = pages("5m", first, last + timedelta(seconds=10))
    opens = [
        low + timedelta(minutes=5 * n) for low, high in asked for n in range((high - low) // timedelta(minutes=5) + 1)
    ]
    assert opens == [first + timedelta(minutes=5 * n) for n in range(count)]
    assert all((high - low) // timedelta(minutes=5) + 1 <= PAGE for low, high in asked)


def test_timeframes_the_exchange_has_no_candles_of_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'12h'.*aggregate"):
        pages("12h", START, START)


def test_no_cached_answers_are_asked_for_and_the_sdk_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with answering(Reply(404, b'{"error":"NOT_FOUND"}')) as server, client(server.url) as rest:
        with pytest.raises(ExchangeError):
            rest.time()
        rest.time()
        assert {name.lower(): value for name, value in server.requests[-1].headers.items()}[
            "cache-control"
        ] == "no-cache"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
def test_lesson_116_a_request_names_one_product_in_its_path_and_times_in_whole_seconds(zone: tzinfo) -> None:
    start, end = datetime.fromtimestamp(1931400000, zone), datetime.fromtimestamp(1931403600, zone)
    with answering(then=of_json({"candles": []})) as server, client(server.url) as rest:
        rest.candles(BTC, "1m", start, end)
    asked = server.requests[-1]
    assert asked.path == f"/api/v3/brokerage/market/products/{BTC}/candles"
    assert (asked.query["start"], asked.query["end"]) == (["1931400000"], ["1931403600"])
    assert "product_ids" not in asked.query


# ── what does not ───────────────────────────────────────────────────────────────────────────────────────────────────

NO_WAIT: dict[str, Any] = {"wait": lambda seconds: None}
HTML = b"<html><head><style>p {}</style></head><body><h1>502 Bad Gateway</h1><hr>cloudflare</body></html>"
TRANSIENT = {
    "500": Reply(500, b"oops"),
    "502 with a page": Reply(502, HTML),
    "429 with a body": Reply(429, b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'),
    "429 without": Reply(429, b""),
    "not JSON": Reply(200, b"<html>"),
    "not an object": Reply(200, b"[]"),
    "hang up": Reply(hang_up=True),
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_may_pass_is_tried_again(name: str) -> None:
    with answering(TRANSIENT[name], TRANSIENT[name]) as server, client(server.url, **NO_WAIT) as rest:
        assert rest.time() == datetime(2031, 3, 4, 12, 0, 0, 500_000, tzinfo=UTC)
        assert len(server.requests) == 3


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_does_not_pass_is_an_error_with_host_and_remedy_after_three_attempts(name: str) -> None:
    with answering(then=TRANSIENT[name]) as server, client(server.url, **NO_WAIT) as rest:
        with pytest.raises(ExchangeError, match=server.url.removeprefix("http://")) as raised:
            rest.time()
        assert len(server.requests) == 3
    assert raised.value.exit_code == 69
    assert ";" in str(raised.value)


def test_the_pause_grows_and_is_what_the_exchange_asks_for() -> None:
    paused: list[float] = []
    replies = [Reply(503, b""), Reply(429, b"", {"Retry-After": "3"})]
    with answering(*replies) as server, client(server.url, wait=paused.append) as rest:
        rest.time()
    assert paused == [0.5, 3.0]


def test_a_pause_too_long_to_answer_a_pulse_is_left_to_the_caller() -> None:
    with (
        answering(then=Reply(429, b"", {"Retry-After": "3600"})) as server,
        client(server.url, **NO_WAIT) as rest,
        pytest.raises(ExchangeError, match="rest_per_second"),
    ):
        rest.time()
    assert len(server.requests) == 1


def test_an_exchange_that_does_not_answer_is_given_up_in_time() -> None:
    with answering(then=Reply(hang=True)) as server, client(server.url, timeout=0.2, **NO_WAIT) as rest:
        with pytest.raises(ExchangeError, match="did not answer in time"):
            rest.time()
        assert len(server.requests) == 3


def test_nobody_listening_is_said_with_the_address() -> None:
    with answering() as server:
        url = server.url
    with client(url, **NO_WAIT) as rest, pytest.raises(ExchangeError, match=r"could not reach 127.0.0.1.*rest_url"):
        rest.time()


def test_a_refusal_is_not_tried_again() -> None:
    body = b'{"error":"INVALID_ARGUMENT","error_details":"start and end argument is invalid","message":"bad"}'
    with answering(then=Reply(400, body)) as server, client(server.url) as rest:
        with pytest.raises(ExchangeError, match="INVALID_ARGUMENT: start and end argument is invalid: bad"):
            rest.candles(BTC, "1h", HOUR, HOUR)
        assert len(server.requests) == 1


KEY = {"key": "organizations/x/apiKeys/y", "secret": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_says_that_none_is_needed(status: int) -> None:
    with answering(then=Reply(status, b"Unauthorized\n")) as server, client(server.url, **KEY) as rest:
        with pytest.raises(CredentialError, match=r"Unauthorized.*coinbase\.api_key") as raised:
            rest.time()
        assert "Bearer " in str(server.requests[0].headers)
    assert raised.value.exit_code == 77
    assert KEY["secret"] not in str(raised.value)


def test_without_a_key_a_401_is_the_exchanges_own_trouble() -> None:
    with (
        answering(then=Reply(401, b"Unauthorized\n")) as server,
        client(server.url) as rest,
        pytest.raises(ExchangeError, match="Unauthorized"),
    ):
        rest.time()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"candles": None},
        {"candles": [{"start": "1931400000"}]},
        {"candles": [{"start": "x", "low": "1", "high": "2", "open": "1", "close": "2", "volume": "3"}]},
        {"candles": [{"start": "1931400001", "low": "1", "high": "2", "open": "1", "close": "2", "volume": "3"}]},
        {"candles": [{"start": "1931400000", "low": "3", "high": "2", "open": "2", "close": "2", "volume": "3"}]},
        {"candles": [{"start": "1931400000", "low": "NaN", "high": "2", "open": "2", "close": "2", "volume": "3"}]},
        {"candles": [{"start": "1931400000", "low": "1", "high": "2", "open": "2", "close": "2", "volume": "-3"}]},
    ],
)
def test_candles_that_cannot_be_are_an_error(answer: Any) -> None:
    at = datetime.fromtimestamp(1931400000, UTC)
    with (
        answering(then=of_json(answer)) as server,
        client(server.url) as rest,
        pytest.raises(DataError, match=f"{BTC}|unix"),
    ):
        rest.candles(BTC, "1m", at, at)


def test_an_open_outside_high_and_low_is_the_exchanges_business() -> None:
    at = datetime.fromtimestamp(1931400000, UTC)
    row = {"start": "1931400000", "low": "10", "high": "12", "open": "9", "close": "11", "volume": "0.5"}
    with answering(then=of_json({"candles": [row, row]})) as server, client(server.url) as rest:
        bars = rest.candles(BTC, "1m", at, at)
    assert [(bar.open, bar.low) for bar in bars] == [(Decimal(9), Decimal(10))]


def test_requests_keep_to_the_rate() -> None:
    with answering() as server, client(server.url, rate=20.0) as rest:
        began = time.monotonic()
        for _ in range(41):
            rest.time()
        took = time.monotonic() - began
        assert len(server.requests) == 41
    # 20 at once, then 20 within each second: the 41st cannot come before two seconds are over.
    assert took >= 1.9


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://x", {}), ("api.coinbase.com", {}), ("https://x/api", {}), ("https://x", {"key": "only"}),
        ("https://x", {"rate": 0.0}), ("https://x", {"timeout": -1.0}),
    ],
)  # fmt: skip
def test_an_address_or_number_that_cannot_be_is_a_configuration_error(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Rest(url, **options)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "no reason given"),
        ("Unauthorized\n", "Unauthorized"),
        (HTML.decode(), "502 Bad Gateway cloudflare"),
        (
            '{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}',
            "rate_limit_exceeded: Too many requests",
        ),
        ('{"error":"NOT_FOUND","error_details":"x","message":"x"}', "NOT_FOUND: x"),
        ('{"message":"NotFound"}', "NotFound"),
        ('{"error":5}', "{'error': 5}"),
        ("[]", "[]"),
        ("x" * 500, "x" * 200),
    ],
)
def test_bodies_of_every_shape_say_what_they_can(body: str, text: str) -> None:
    assert refusal_text(body) == text


def test_every_error_is_one_of_ours() -> None:
    def nonsense(request: Request) -> Reply:
        return Reply(200, b"\xff\xfe\x00")

    with RestServer(nonsense) as server, client(server.url, **NO_WAIT) as rest, pytest.raises(AtlasError):
        rest.products([BTC])
