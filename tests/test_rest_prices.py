"""REST prices: the actor against a REST interface over a real socket; its timers are fired by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyrate_limiter import Limiter, Rate

from actors.messages import Alert, MarketTime, Trades, WatchPrices
from actors.rest_prices import AFTER, EVERY, Ask, RestPrices
from actors.runtime.behaviour import AfterWall, Effect, Send
from atlas.exchange.rest import Rest
from tests.fakes.rest_server import Reply, Request, RestServer, of_json

BIP, ETP = "BIP-20DEC30-CDE", "ETP-20DEC30-CDE"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Exchange:
    """The clock and the newest trades of two products, as the REST interface tells them."""

    def __init__(self) -> None:
        self.now = NOON
        self.trades: dict[str, list[tuple[int, datetime, str]]] = {BIP: [], ETP: []}
        self.down = False

    def route(self, request: Request) -> Reply:
        if self.down:
            return Reply(404, b"gone")
        if request.path.endswith("/time"):
            return of_json({"iso": f"{self.now:%Y-%m-%dT%H:%M:%S.%fZ}"})
        told = self.trades[request.path.split("/")[-2]]
        newest_first = [
            {"trade_id": str(number), "price": price, "size": "1", "time": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", "bid": "",
             "ask": ""}
            for number, at, price in reversed(told)
        ]  # fmt: skip
        return of_json({"trades": newest_first})

    def trade(self, number: int, seconds: float, price: str, product: str = BIP) -> None:
        self.trades[product].append((number, NOON + seconds * SECOND, price))


class Driven:
    """The actor, its effects taken at once: what it sends itself is delivered, its timer waits to be fired."""

    def __init__(self, server: RestServer) -> None:
        self.clients: list[Rest] = []
        self.actor = RestPrices(lambda: self._client(server.url))
        self.told: list[Any] = []
        self.timer: AfterWall | None = None

    def _client(self, url: str) -> Rest:
        self.clients.append(Rest(url, rate=1000, wait=lambda seconds: None))
        return self.clients[-1]

    def take(self, message: Any) -> None:
        self._effects(self.actor.receive(NOON, message))

    def fire(self) -> list[Any]:
        """Fire the timer; return what the core and the journal were told of it."""
        assert self.timer is not None
        fired, self.timer, before = self.timer, None, len(self.told)
        self.take(fired.message)
        return self.told[before:]

    def _effects(self, effects: Iterator[Effect]) -> None:
        for effect in effects:
            match effect:
                case AfterWall():
                    self.timer = effect
                case Send(to="rest_prices", message=message):
                    self.take(message)
                case Send(message=message):
                    self.told.append(message)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def driven(exchange: Exchange) -> Iterator[Driven]:
    with RestServer(exchange.route) as server:
        driven = Driven(server)
        yield driven
        driven.actor.stop()


def prices(told: list[Any]) -> list[tuple[str, list[int]]]:
    return [(m.symbol, [tick.trade_id for tick in m.ticks]) for m in told if isinstance(m, Trades)]


def test_it_asks_five_seconds_after_the_feed_went_down_and_then_every_two(exchange: Exchange, driven: Driven) -> None:
    driven.take(WatchPrices({BIP: NOON}))
    assert driven.timer is not None
    assert driven.timer.seconds == AFTER == 5
    assert driven.told == []
    exchange.trade(7, 1, "60000")
    assert prices(driven.fire()) == [(BIP, [7])]
    assert driven.timer.seconds == EVERY == 2


def test_trades_are_told_by_their_numbers_once_and_marked_rest(exchange: Exchange, driven: Driven) -> None:
    for number, seconds in ((5, -1), (6, 0), (7, 1), (8, 1)):
        exchange.trade(number, seconds, "60000")
    driven.take(WatchPrices({BIP: NOON}))
    told = driven.fire()
    assert prices(told) == [(BIP, [7, 8])]
    assert [m.source for m in told if isinstance(m, Trades)] == ["rest"]
    exchange.trade(9, 1, "59000")
    assert prices(driven.fire()) == [(BIP, [9])]
    assert prices(driven.fire()) == []


def test_trades_of_several_products_come_in_the_order_of_time_and_then_market_time(
    exchange: Exchange, driven: Driven
) -> None:
    for number, seconds, product in ((1, 1, BIP), (2, 2, BIP), (1, 1.5, ETP), (3, 4, BIP), (2, 3, ETP)):
        exchange.trade(number, seconds, "60000", product)
    exchange.now = NOON + 5 * SECOND
    driven.take(WatchPrices({ETP: None, BIP: NOON}))
    told = driven.fire()
    assert prices(told) == [(BIP, [1]), (ETP, [1]), (BIP, [2]), (ETP, [2]), (BIP, [3])]
    assert told[-1] == MarketTime(NOON + 3 * SECOND)


def test_it_ends_when_the_feed_is_back_and_what_was_under_way_counts_for_nothing(
    exchange: Exchange, driven: Driven
) -> None:
    driven.take(WatchPrices({BIP: NOON}))
    driven.take(WatchPrices({}))
    exchange.trade(7, 1, "60000")
    assert driven.fire() == []
    assert driven.timer is None


def test_a_second_reason_for_the_outage_does_not_begin_the_wait_again(driven: Driven) -> None:
    driven.take(WatchPrices({BIP: NOON}))
    first = driven.timer
    driven.take(WatchPrices({BIP: NOON + SECOND}))
    assert driven.timer is first
    assert driven.actor.state.since == {BIP: NOON}


def test_a_product_in_which_nothing_is_open_any_more_is_not_asked_for(exchange: Exchange, driven: Driven) -> None:
    driven.take(WatchPrices({BIP: NOON, ETP: NOON}))
    driven.fire()
    driven.take(WatchPrices({ETP: NOON}))
    exchange.trade(7, 1, "60000")
    exchange.trade(7, 1, "2000", ETP)
    assert prices(driven.fire()) == [(ETP, [7])]


def test_feed_and_rest_both_down_is_told_once_and_its_end_too(exchange: Exchange, driven: Driven) -> None:
    driven.take(WatchPrices({BIP: NOON}))
    exchange.down = True
    (alert,) = driven.fire()
    assert isinstance(alert, Alert)
    assert alert.critical
    assert alert.text.startswith(f"Feed and REST are both down: nobody sees the stops of {BIP}")
    assert driven.fire() == []
    exchange.down = False
    exchange.trade(7, 1, "60000")
    told = driven.fire()
    assert prices(told) == [(BIP, [7])]
    assert [m.text for m in told if isinstance(m, Alert)] == [
        f"REST answers again: it gives the prices of {BIP} until the feed is back"
    ]


def test_a_trade_stamped_far_ahead_is_not_believed_until_the_clock_is_near_it(
    exchange: Exchange, driven: Driven
) -> None:
    exchange.trade(7, 300, "1")
    driven.take(WatchPrices({BIP: NOON}))
    assert prices(driven.fire()) == []
    exchange.now = NOON + 290 * SECOND
    assert prices(driven.fire()) == [(BIP, [7])]


def test_a_crash_begins_a_new_round(exchange: Exchange, driven: Driven) -> None:
    driven.take(WatchPrices({BIP: NOON}))
    assert driven.timer is not None
    old = driven.timer.message
    driven._effects(driven.actor.resume(NOON))
    exchange.trade(7, 1, "60000")
    driven.take(old)
    assert driven.told == []
    assert prices(driven.fire()) == [(BIP, [7])]


def test_the_limit_of_requests_is_shared_with_other_clients(exchange: Exchange, driven: Driven) -> None:
    """Five requests an hour between them: the sixth has to wait, whoever makes it."""
    limit = Limiter(Rate(5, 3_600_000))
    try:
        driven.take(WatchPrices({BIP: NOON}))
        driven.fire()
        url = f"http://{driven.clients[0]._transport.host}"
        one, other = (Rest(url, rate=1000, limit=limit, wait=lambda seconds: None) for _ in range(2))
        for client in (one, other, one, other, one):
            client.time()
        assert limit.try_acquire(blocking=False) is False
        one.close()
        other.close()
        assert limit.try_acquire(blocking=False) is False, "closing one client does not end what others share"
    finally:
        limit.close()


def test_an_unknown_message_is_an_error(driven: Driven) -> None:
    with pytest.raises(TypeError, match="rest_prices does not know"):
        driven.take(Ask)
