"""The REST side's HTTP server: loopback, HTTP/1.1 with keep-alive, one thread a client."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from atlas.exchange.local.fault_play import FaultPlay
from atlas.exchange.local.fault_rest import TOO_MANY, faulty_answer, rest_fault
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.rate_limit import TokenBucket
from atlas.exchange.local.rest_routes import Answer, answer
from atlas.exchange.local.timeline import Timeline

LOCAL_MARKET = "/local/market"
"""Not the exchange's: how far the market has come."""
_LOOK_EVERY = 0.05
"""Wall seconds after which a request without an answer looks whether its fault is over."""


class RestServer(ThreadingHTTPServer):
    """Serves one timeline from a listening socket."""

    daemon_threads = True

    def __init__(
        self,
        listening: socket.socket,
        timeline: Timeline,
        options: ExchangeOptions,
        lock: threading.Lock,
        progress: Callable[[], dict[str, Any]],
        play: FaultPlay,
    ) -> None:
        """`progress` answers `/local/market`; `play` are the faults."""
        super().__init__(listening.getsockname()[:2], RestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.timeline = timeline
        self.options = options
        self.lock = lock
        self.progress = progress
        self.play = play
        self.stopping = threading.Event()
        self._limits: dict[str, TokenBucket] = {}
        self._limits_lock = threading.Lock()

    def limit(self, address: str) -> tuple[bool, int]:
        """Count a request of a client's address: whether it may pass, and how many may still come at once."""
        with self._limits_lock:
            bucket = self._limits.get(address)
            if bucket is None:
                bucket = self._limits[address] = TokenBucket(self.options.rest_limit, self.options.rest_burst)
            return bucket.take(), bucket.remaining

    def shutdown(self) -> None:
        """Serve no more; whoever waits for a fault to end waits no longer."""
        self.stopping.set()
        super().shutdown()


class RestHandler(BaseHTTPRequestHandler):
    """Answers one client's requests."""

    protocol_version = "HTTP/1.1"
    server: RestServer
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: headers and body leave in one piece

    def do_GET(self) -> None:
        """Answer a GET. Its body, which the SDK sends as `{}`, is read and ignored."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if url.path == LOCAL_MARKET:
            with self.server.lock:
                progress = self.server.progress()
            self._send(Answer(HTTPStatus.OK, progress), {})
            return
        passes, remaining = self.server.limit(self.client_address[0])
        limits = {
            "x-ratelimit-limit": f"{self.server.options.rest_limit:g}",
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": "1",
        }
        if not passes:
            self._send(Answer(HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY), limits)
            return
        if self._goes_wrong(unquote(url.path), limits):
            return
        query = parse_qs(url.query, keep_blank_values=True)
        authorized = bool(self.headers.get("Authorization"))
        with self.server.lock:
            found = answer(self.server.timeline, unquote(url.path), query, authorized=authorized)
        self._send(found, limits)

    def _goes_wrong(self, path: str, limits: dict[str, str]) -> bool:
        """Let a fault answer in the exchange's place, if there is one for this path."""
        with self.server.lock:
            self.server.play.advance()
            fault = rest_fault(self.server.play, path)
        if fault is None:
            return False
        if fault.kind in ("rest_timeout", "rest_reset"):
            if fault.kind == "rest_timeout":
                self._wait_out(path)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return True
        more = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        self._send(faulty_answer(fault), limits | more)
        return True

    def _wait_out(self, path: str) -> None:
        """Say nothing until the fault is over."""
        while not self.server.stopping.wait(_LOOK_EVERY):
            with self.server.lock:
                self.server.play.advance()
                if rest_fault(self.server.play, path, "rest_timeout") is None:
                    return

    def _send(self, found: Answer, headers: dict[str, str]) -> None:
        plain = isinstance(found.body, str)
        body = found.body.encode() if plain else json.dumps(found.body, separators=(",", ":")).encode()
        self.send_response(found.status)
        kind = "application/json" if not plain else "text/html" if found.body.startswith("<") else "text/plain"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a request is no event."""
