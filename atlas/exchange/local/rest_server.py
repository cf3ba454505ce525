"""The REST side's HTTP server: loopback, HTTP/1.1 with keep-alive, one thread a client."""

import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.rate_limit import TokenBucket
from atlas.exchange.local.rest_routes import Answer, answer
from atlas.exchange.local.timeline import Timeline

LOCAL_MARKET = "/local/market"
"""Not the exchange's: how far the market has come."""
_TOO_MANY = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}


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
    ) -> None:
        """`progress` answers `/local/market`."""
        super().__init__(listening.getsockname()[:2], RestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.timeline = timeline
        self.options = options
        self.lock = lock
        self.progress = progress
        self._limits: dict[str, TokenBucket] = {}
        self._limits_lock = threading.Lock()

    def limit(self, address: str) -> tuple[bool, int]:
        """Count a request of a client's address: whether it may pass, and how many may still come at once."""
        with self._limits_lock:
            bucket = self._limits.get(address)
            if bucket is None:
                bucket = self._limits[address] = TokenBucket(self.options.rest_limit, self.options.rest_burst)
            return bucket.take(), bucket.remaining


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
            self._send(Answer(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY), limits)
            return
        query = parse_qs(url.query, keep_blank_values=True)
        authorized = bool(self.headers.get("Authorization"))
        with self.server.lock:
            found = answer(self.server.timeline, unquote(url.path), query, authorized=authorized)
        self._send(found, limits)

    def _send(self, found: Answer, headers: dict[str, str]) -> None:
        plain = isinstance(found.body, str)
        body = found.body.encode() if plain else json.dumps(found.body, separators=(",", ":")).encode()
        self.send_response(found.status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if plain else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a request is no event."""
