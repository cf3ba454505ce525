"""A small websocket server that speaks Advanced Trade as coinbase.md 1 describes, and can go wrong on purpose.

Every connection runs one script, a function of its Session; the last script serves all further connections. Frames are
built with invented values in the exchange's key order.
"""

import contextlib
import ctypes
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.server import Server, ServerConnection, serve

START = datetime(2031, 3, 4, 12, 0, tzinfo=UTC)

Script = Callable[["Session"], None]


def stamp(at: datetime) -> str:
    """RFC 3339 as the exchange writes it: trailing zeros of the fraction trimmed."""
    text = f"{at:%Y-%m-%dT%H:%M:%S}"
    return f"{text}.{f'{at.microsecond:06d}'.rstrip('0')}Z" if at.microsecond else f"{text}Z"


def trade(
    product_id: str, trade_id: int, price: str, at: datetime, size: str = "1", side: str = "SELL"
) -> dict[str, str]:
    """One trade; `side` is the maker's."""
    return {
        "product_id": product_id, "trade_id": str(trade_id), "price": price, "size": size, "time": stamp(at),
        "side": side,
    }  # fmt: skip


def ticker(product_id: str, price: str, bid: str, ask: str) -> dict[str, str]:
    """One ticker."""
    return {
        "type": "ticker", "product_id": product_id, "price": price, "volume_24_h": "12.5", "low_24_h": "90",
        "high_24_h": "110", "low_52_w": "50", "high_52_w": "150", "price_percent_chg_24_h": "0.5", "best_bid": bid,
        "best_ask": ask, "best_bid_quantity": "3", "best_ask_quantity": "4",
    }  # fmt: skip


class Session:
    """One connection of a client, with its sequence number over all channels and its subscriptions."""

    def __init__(self, connection: ServerConnection, server: "CoinbaseServer", number: int) -> None:
        self.connection, self.server, self.number = connection, server, number
        self.sequence = 0
        self.held: dict[str, list[str]] = {}
        self.requests: list[dict[str, Any]] = []
        self.counter = 1000 * number

    def frame(self, channel: str, events: Sequence[Mapping[str, Any]], at: datetime = START) -> bytes:
        """Return the next frame's bytes; the sequence number is used up."""
        envelope = {"channel": channel, "timestamp": stamp(at), "sequence_num": self.sequence, "events": list(events)}
        self.sequence += 1
        return json.dumps(envelope, separators=(",", ":")).encode()

    def send(self, channel: str, events: Sequence[Mapping[str, Any]], at: datetime = START) -> None:
        """Send the next frame."""
        self.text(self.frame(channel, events, at))

    def text(self, payload: bytes) -> None:
        """Send any bytes as one text frame."""
        self.connection.send(payload.decode())

    def trades(self, *trades: dict[str, str], kind: str = "update", at: datetime = START) -> None:
        """Send trades, given oldest first, as the exchange does: newest first."""
        self.send("market_trades", [{"type": kind, "trades": list(reversed(trades))}], at)

    def ticker(self, *tickers: dict[str, str], kind: str = "update", at: datetime = START) -> None:
        """Send tickers."""
        self.send("ticker", [{"type": kind, "tickers": list(tickers)}], at)

    def heartbeat(self, at: datetime = START) -> None:
        """Send a heartbeat; the counter grows by one."""
        self.counter += 1
        beat = {
            "current_time": f"{at:%Y-%m-%d %H:%M:%S} +0000 UTC m=+{self.counter}.5",
            "heartbeat_counter": self.counter,
        }
        self.send("heartbeats", [beat], at)

    def subscribe(self, at: datetime = START) -> None:
        """Take one message of the client; answer with snapshots first, then the whole set of subscriptions."""
        request = json.loads(self.connection.recv(timeout=20))
        self.requests.append(request)
        channel = request["channel"]
        ids = [product for product in request.get("product_ids", ["heartbeats"]) if product in self.server.known]
        if ids:
            self.held[channel] = ids
        for product_id in ids:
            if channel == "ticker":
                self.ticker(ticker(product_id, "100", "99", "101"), kind="snapshot", at=at)
            elif channel == "market_trades" and (recent := self.server.recent.get(product_id)):
                self.trades(*recent, kind="snapshot", at=at)
        self.send("subscriptions", [{"subscriptions": self.held}], at)

    def subscribe_all(self, at: datetime = START) -> None:
        """Take the three messages of a feed."""
        for _ in range(3):
            self.subscribe(at)

    def stay(self) -> None:
        """Keep the connection until the client goes or the server is stopped."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.connection.recv()

    # ── misbehaviour ────────────────────────────────────────────────────────────────────────────────────────────────

    def part_of(self, payload: bytes, count: int) -> bytes:
        """Write only the first `count` bytes of a frame to the wire; return the rest."""
        wire = Frame(Opcode.TEXT, payload).serialize(mask=False)
        self.connection.socket.sendall(wire[:count])
        return wire[count:]

    def raw(self, wire: bytes) -> None:
        """Write bytes to the wire."""
        self.connection.socket.sendall(wire)

    def reset(self) -> None:
        """End with a TCP reset instead of a closing handshake.

        Closing would not do, another thread is inside `recv`; connecting to nowhere (AF_UNSPEC) resets at once (Linux).
        """
        assert ctypes.CDLL(None, use_errno=True).connect(self.connection.socket.fileno(), bytes(16), 16) == 0

    def hang_up(self) -> None:
        """End the TCP connection without a close frame."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)


class CoinbaseServer:
    """The server; a context manager. `known` are the ids it lists, `recent` the trades it replays, oldest first."""

    def __init__(
        self,
        *scripts: Script,
        known: Sequence[str] = (),
        recent: Mapping[str, list[dict[str, str]]] = {},
        port: int = 0,
    ) -> None:
        self.scripts = scripts
        self.known = {*known, "heartbeats"}
        self.recent = dict(recent)
        self.sessions: list[Session] = []
        self._lock = threading.Lock()
        self._server: Server = serve(self._serve, "127.0.0.1", port, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> "CoinbaseServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(timeout=20)
        for session in self.sessions:
            with contextlib.suppress(OSError):
                session.connection.socket.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: ServerConnection) -> None:
        with self._lock:
            session = Session(connection, self, len(self.sessions) + 1)
            self.sessions.append(session)
            script = self.scripts[min(session.number, len(self.scripts)) - 1]
        with contextlib.suppress(ConnectionClosed, OSError):
            script(session)


def seconds(count: float) -> timedelta:
    """Return that many seconds."""
    return timedelta(seconds=count)


def every_second(since: datetime = START) -> Iterator[datetime]:
    """Yield since, a second later, and so on."""
    while True:
        yield since
        since += seconds(1)
