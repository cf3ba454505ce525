"""The local exchange as one object: start it, connect to its two URLs, stop it."""

import asyncio
import http
import logging
import socket
import threading
import time
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from atlas.errors import InternalError, UnavailableError
from atlas.exchange.local.conductor import Conductor
from atlas.exchange.local.connection import Connection
from atlas.exchange.local.fault import Fault, Faults
from atlas.exchange.local.fault_play import FaultPlay, Struck
from atlas.exchange.local.instants import MINUTE, NS, rfc3339
from atlas.exchange.local.market import Market
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.paced_socket import PacedSocket
from atlas.exchange.local.rate_limit import TokenBucket
from atlas.exchange.local.rest_server import RestServer
from atlas.exchange.local.timeline import Timeline, heartbeat_period

CLOSE_PATIENCE = 1.0
"""Seconds a client has to answer the closing handshake."""
_LARGEST_MESSAGE = 1 << 16
_LIVE = 2 * MINUTE


class LocalExchange:
    """A websocket and a REST server on loopback that play one market.

    `finished` is set when a played market has come to its end. Use it as a context manager, or `start` and `stop`.
    `faults` are what goes wrong on purpose, each at its time.
    """

    def __init__(
        self,
        market: Market,
        options: ExchangeOptions | None = None,
        faults: Faults = Faults(),  # noqa: B008  immutable
    ) -> None:
        self.options = (options or ExchangeOptions()).checked()
        self.finished = threading.Event()
        self._timeline = Timeline(market, heartbeat_every=heartbeat_period(self.options.speed))
        self._play = FaultPlay(self._timeline, faults, speed=self.options.speed)
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._connects: dict[str, TokenBucket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._conductor: Conductor | None = None
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._rest: RestServer | None = None
        self.ws_url = self.rest_url = ""

    def __enter__(self) -> "LocalExchange":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and play. Returns once both URLs answer. Raises UnavailableError if a port cannot be had."""
        ws_socket = _listen(self.options.host, self.options.ws_port, "--ws-port")
        try:
            rest_socket = _listen(self.options.host, self.options.rest_port, "--rest-port")
        except UnavailableError:
            ws_socket.close()
            raise
        for tape in self._timeline.tapes.values():
            tape.history.base()  # now, not under the lock when the first client asks
        host, ws_port = ws_socket.getsockname()[:2]
        self.ws_url = f"ws://{host}:{ws_port}"
        self.rest_url = f"http://{host}:{rest_socket.getsockname()[1]}"
        self._rest = RestServer(rest_socket, self._timeline, self.options, self._lock, self._progress, self._play)
        ready = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(ws_socket, ready), name="exchange-ws", daemon=True),
            threading.Thread(
                target=self._rest.serve_forever, kwargs={"poll_interval": 0.05}, name="exchange-rest", daemon=True
            ),
        ]
        for thread in self._threads:
            thread.start()
        ready.wait()
        self._raise_failure()

    def stop(self) -> None:
        """Close every connection (1001, going away) and both servers. Raises what made the exchange fail, if it did."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._rest is not None:
            self._rest.shutdown()
            self._rest.server_close()
            self._rest = None
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._raise_failure()

    def strike(self, fault: Fault) -> None:
        """Let one more fault come, from any thread: at its time, or now if that is past. Raises UsageError."""
        with self._lock:
            self._play.add(fault)

    def calm(self) -> None:
        """End all faults that last, from any thread; what waits for its time still comes."""
        with self._lock:
            self._play.calm()

    def struck(self) -> list[Struck]:
        """Return the faults that have begun so far, in order."""
        with self._lock:
            return list(self._play.struck)

    @property
    def failed(self) -> bool:
        """Whether it broke down; `stop` then raises why."""
        return self._failure is not None

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise InternalError(f"the local exchange broke down: {failure!r}; please report this") from failure

    def _progress(self) -> dict[str, Any]:
        timeline = self._timeline
        return {
            "now": rfc3339(timeline.now),
            "finished": timeline.finished,
            "speed": self.options.speed,
            "trades_sent": timeline.trades_sent,
            "clients": len(self._connections),
            "frames": self._play.frames,
            "faults_waiting": self._play.waiting,
            "faults": list(self._play.told()),
        }

    def _run(self, listening: socket.socket, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(listening, ready))
        except BaseException as error:  # kept for start and stop to raise in the caller's thread
            self._failure = error
        finally:
            ready.set()

    async def _serve(self, listening: socket.socket, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._conductor = Conductor(
            self._timeline, self.options, lambda: self._connections, self._lock, play=self._play,
            behind_wall=self._behind_wall(),
        )  # fmt: skip
        async with serve(
            self._converse, sock=listening, create_connection=PacedSocket, process_request=self._admit,
            compression=None, ping_interval=None,
            close_timeout=CLOSE_PATIENCE, max_size=_LARGEST_MESSAGE, logger=logging.getLogger("atlas.exchange.local"),
        ):  # fmt: skip
            playing = asyncio.create_task(self._conductor.play(self.finished.set))
            stopping = asyncio.create_task(self._stopping.wait())
            ready.set()
            await asyncio.wait([playing, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if playing.done():
                playing.result()
            playing.cancel()

    def _behind_wall(self) -> float | None:
        """Return how far a live synthetic market starts behind the wall's clock; None for any other market."""
        behind = time.time_ns() - self._timeline.now
        live = not self._timeline.market.from_file and self.options.speed == 1 and 0 <= behind < _LIVE
        return behind / NS if live else None

    async def _converse(self, websocket: ServerConnection) -> None:
        assert self._conductor is not None
        assert isinstance(websocket, PacedSocket)
        connection = Connection(websocket, self._timeline, self.options, self._lock, self._play)
        self._connections.append(connection)
        try:
            await connection.converse(self._conductor.heard)
        finally:
            self._connections.remove(connection)
            self._conductor.heard.set()

    def _admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Refuse a client that connects too often, or that a fault keeps out."""
        with self._lock:
            self._play.advance()
            refused = self._play.take("refuse_connection")
        if refused is not None:
            status = http.HTTPStatus(refused.fault.status or http.HTTPStatus.TOO_MANY_REQUESTS)
            return websocket.respond(status, f"{status.phrase}\n")
        address = str(websocket.remote_address[0])
        limit = self.options.connections_per_second
        if self._connects.setdefault(address, TokenBucket(limit, limit)).take():
            return None
        return websocket.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "rate limit exceeded\n")


def _listen(host: str, port: int, option: str) -> socket.socket:
    try:
        listening = socket.create_server((host, port), backlog=64)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {host}:{port} ({error.strerror or error}); stop what uses it, or give another {option} "
            "(0 takes any free port)"
        ) from None
    # Accepted sockets inherit it. asyncio would set it itself, but not on a socket made without naming its protocol;
    # with Nagle's algorithm each frame and the ping behind it would wait 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
