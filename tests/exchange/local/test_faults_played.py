"""Faults as a client meets them: when they begin and end, whom they strike, and that the exchange itself goes on."""

import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress

import pytest
import websocket

from atlas.errors import UsageError
from atlas.exchange.local import ExchangeOptions, Fault, Faults, LocalExchange, Struck
from atlas.exchange.local.fault_play import FaultPlay
from atlas.exchange.local.instants import NS
from atlas.exchange.local.timeline import Timeline
from tests.exchange.local.scene import PATIENCE, Client, Connect, synthetic

BIP, SPOT = "BIP-20DEC30-CDE", "BTC-USD"


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting(exchange: LocalExchange) -> int:
    with urllib.request.urlopen(f"{exchange.rest_url}/local/market", timeout=PATIENCE) as reply:
        count: int = json.load(reply)["faults_waiting"]
    return count


class Walls:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def begun(play: FaultPlay) -> list[tuple[str, bool]]:
    return [(struck.fault.kind, struck.over) for struck in play.struck]


def to(timeline: Timeline, play: FaultPlay, seconds: float) -> None:
    """Let the market go on up to so many seconds after its start."""
    while (at := timeline.next_instant()) is not None and at <= timeline.market.start + seconds * NS:
        timeline.step()
    timeline.now = max(timeline.now, int(timeline.market.start + seconds * NS))
    play.advance()


def test_a_fault_begins_and_ends_by_exchange_time_whatever_the_wall_says() -> None:
    timeline, walls = Timeline(synthetic()), Walls()
    play = FaultPlay(timeline, Faults.of([Fault(kind="silence", at=10, lasts=5)]), speed=100, clock=walls)
    walls.now = 1000.0
    to(timeline, play, 9)
    assert begun(play) == []
    to(timeline, play, 10)
    assert (begun(play), play.silent) == ([("silence", False)], True)
    walls.now = 2000.0
    to(timeline, play, 14)
    assert play.silent
    to(timeline, play, 15)
    assert (begun(play), play.silent) == ([("silence", True)], False)


def test_while_the_market_stands_what_lasts_goes_on_by_the_wall_at_its_speed() -> None:
    timeline, walls = Timeline(synthetic()), Walls()
    play = FaultPlay(timeline, Faults.of([Fault(kind="refuse_connection", lasts=50)]), speed=100, clock=walls)
    play.stands()
    walls.now = 0.4
    play.advance()
    assert play.take("refuse_connection") is not None
    walls.now = 0.5
    play.advance()
    assert play.take("refuse_connection") is None
    play.moves()


def test_what_has_a_count_is_over_after_so_many() -> None:
    play = FaultPlay(Timeline(synthetic()), Faults.of([Fault(kind="rest_error", count=2, path="time")]))
    found = [play.take("rest_error", lambda fault: "/time".endswith(fault.path)) for _ in range(3)]
    assert [struck is not None for struck in found] == [True, True, False]
    assert begun(play) == [("rest_error", True)]


def test_a_fault_of_a_product_that_is_not_played_is_refused() -> None:
    with pytest.raises(UsageError, match="product 'ETH-USD' is not played; give one of BIP-20DEC30-CDE, BTC-USD"):
        LocalExchange(synthetic(), ExchangeOptions(), Faults((Fault(kind="paused", product="ETH-USD"),)))


def test_after_frames_counts_what_was_sent_and_a_strike_waits_for_somebody_to_strike(connect: Connect) -> None:
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=50, connections_per_second=1000)
    with LocalExchange(synthetic(), options, Faults.of([Fault(kind="close", code=1012, after_frames=20)])) as exchange:
        client = connect(exchange)
        client.subscribe("heartbeats")
        client.subscribe("ticker", SPOT)
        assert client.closing() == 1012
        wait_for(lambda: [struck.over for struck in exchange.struck()] == [True])


def test_every_open_connection_is_struck_and_new_ones_are_not(connect: Connect) -> None:
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=20, connections_per_second=1000)
    with LocalExchange(synthetic(), options) as exchange:
        clients = [connect(exchange) for _ in range(2)]
        for client in clients:
            client.subscribe("heartbeats")
            client.acknowledged()
        exchange.strike(Fault(kind="reset"))
        for client in clients:
            with pytest.raises((ConnectionResetError, websocket.WebSocketConnectionClosedException)):
                client.until(lambda frame: False)
        new: Client = connect(exchange)
        new.subscribe("ticker", SPOT)
        assert new.acknowledged() == {"ticker": [SPOT]}
        (struck,) = exchange.struck()
        assert isinstance(struck, Struck)


def test_faults_may_befall_a_client_that_has_just_gone(connect: Connect) -> None:
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=200, connections_per_second=1000)
    with LocalExchange(synthetic(rate=5.0), options) as exchange:
        for kind in ("stall", "reset", "hang_up", "close", "gap", "huge", "silence") * 3:
            client = connect(exchange)
            with suppress(OSError, websocket.WebSocketException):  # one meant for the client before may strike it
                client.subscribe("heartbeats")
                client.subscribe("market_trades", BIP, SPOT)
            exchange.strike(Fault(kind=kind))
            client.socket.shutdown()
            exchange.calm()
        bystander = connect(exchange)
        with suppress(OSError, websocket.WebSocketException):
            bystander.subscribe("heartbeats")
        wait_for(lambda: waiting(exchange) == 0)
        bystander.socket.shutdown()  # the market waits for whoever does not read
        last = connect(exchange)
        last.subscribe("market_trades", BIP, SPOT)
        last.until(lambda frame: frame["channel"] == "market_trades" and frame["events"][0]["type"] == "update")
        assert not exchange.failed
