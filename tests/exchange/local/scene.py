"""Markets to play and clients to play them to: real sockets over loopback."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import websocket

from atlas.exchange.local import ExchangeOptions, LocalExchange, PlayedMarket, SyntheticMarket, listed, read_market
from atlas.exchange.local.instants import NS
from atlas.exchange.local.market import Market

START = 1_767_225_600
"""2026-01-01T00:00:00Z."""
PATIENCE = 100.0
"""Wall seconds a test waits for a frame: generous, for a loaded machine."""

Row = tuple[float, float, float, float, float]


class Client:
    """A websocket client that keeps every frame it has read."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(url, timeout=PATIENCE, skip_utf8_validation=True)
        self.frames: list[dict[str, Any]] = []

    def subscribe(self, channel: str, *product_ids: str, verb: str = "subscribe") -> None:
        message: dict[str, Any] = {"type": verb, "channel": channel}
        if product_ids:
            message["product_ids"] = list(product_ids)
        self.socket.send(json.dumps(message))

    def read(self) -> dict[str, Any]:
        """Return the next frame; {} once the exchange has closed the connection."""
        text = self.socket.recv()
        if not text:
            return {}
        frame: dict[str, Any] = json.loads(text)
        self.frames.append(frame)
        return frame

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read on to the first frame that is wanted."""
        while True:
            frame = self.read()
            assert frame, "the exchange closed the connection first"
            if wanted(frame):
                return frame

    def acknowledged(self) -> dict[str, list[str]]:
        """Read on to the next acknowledgement and return its subscriptions."""
        frame = self.until(lambda frame: frame.get("channel") == "subscriptions")
        found: dict[str, list[str]] = frame["events"][0]["subscriptions"]
        return found

    def to_the_end(self, end: str) -> list[dict[str, Any]]:
        """Read every frame up to the last heartbeat, stamped `end`; return them all."""
        self.until(lambda frame: frame.get("channel") == "heartbeats" and frame["timestamp"] == end)
        return self.frames

    def closing(self) -> int:
        """Read on to the exchange's closing frame and return its code."""
        while True:
            opcode, frame = self.socket.recv_data_frame(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(frame.data[:2], "big")


def candle_file(path: Path, rows: Sequence[Row | None], start: int = START) -> Path:
    """Write 1m candles (open, high, low, close, volume); None leaves a hole."""
    lines = [f"{start + 60 * minute},{','.join(map(str, row))}" for minute, row in enumerate(rows) if row is not None]
    path.write_text("time,open,high,low,close,volume\n" + "".join(f"{line}\n" for line in lines))
    return path


def wave(count: int, price: float = 100.0, volume: float = 8.0) -> list[Row]:
    """Return candles that rise and fall, each with a range of its own."""
    rows: list[Row] = []
    for minute in range(count):
        open_ = price + minute % 7
        close = price + (minute + 1) % 7
        rows.append((open_, max(open_, close) + 2, min(open_, close) - 1, close, volume + minute % 3))
    return rows


def played(folder: Path, *product_ids: str, minutes: int = 30, start: int = 0, **how: Any) -> PlayedMarket:
    """Return a market of one wave a product; `start` is the minute playing begins with."""
    products = listed(product_ids or ("BIP-20DEC30-CDE",))
    files = [
        (candle_file(folder / f"{place}.csv", wave(minutes, 100.0 * (place + 1))), product)
        for place, product in enumerate(products)
    ]
    return read_market(files, start=(START + 60 * start) * NS, **how)


def synthetic(*product_ids: str, **how: Any) -> SyntheticMarket:
    """Return a synthetic market that starts at START."""
    return SyntheticMarket(listed(product_ids or ("BIP-20DEC30-CDE", "BTC-USD")), START * NS, **how)


Open = Callable[..., LocalExchange]
Connect = Callable[[LocalExchange], Client]


def exchanges() -> Iterator[Open]:
    """For a fixture: start local exchanges on free ports, and stop them after the test."""
    with ExitStack() as opened:

        def start(market: Market, **options: Any) -> LocalExchange:
            options = {"ws_port": 0, "rest_port": 0, "connections_per_second": 1000, **options}
            return opened.enter_context(LocalExchange(market, ExchangeOptions(**options)))

        yield start


def clients() -> Iterator[Connect]:
    """For a fixture: connect clients, and close them after the test."""
    connected: list[Client] = []

    def start(exchange: LocalExchange) -> Client:
        connected.append(Client(exchange.ws_url))
        return connected[-1]

    yield start
    for client in connected:
        client.socket.shutdown()
