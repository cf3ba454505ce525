"""A local HTTP server with prepared answers, for an exchange that refuses, stalls or talks nonsense."""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """One answer. `hang`: none at all until the server stops; `hang_up`: the connection ends without a byte."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}
    hang: bool = False
    hang_up: bool = False


class Request(msgspec.Struct, frozen=True):
    """One request as it came in."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


Route = Callable[[Request], Reply]


def of_json(value: Any, status: int = 200) -> Reply:
    """Return an answer with a JSON body."""
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


class RestServer:
    """The server; a context manager. `route` answers each request, after the replies of `first` are used up."""

    def __init__(self, route: Route, first: Mapping[str, list[Reply]] = {}) -> None:
        self.requests: list[Request] = []
        self.first = {path: list(replies) for path, replies in first.items()}
        self.stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # One write an answer: two would wait for the acknowledgement of the first, 40 ms each time.

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))  # The client sends `{}` with every GET.
                address = urlsplit(self.path)
                request = Request(address.path, parse_qs(address.query), dict(self.headers.items()))
                outer.requests.append(request)
                waiting = outer.first.get(address.path, outer.first.get("*", []))
                reply = waiting.pop(0) if waiting else route(request)
                if reply.hang:
                    outer.stopping.wait()
                if reply.hang or reply.hang_up:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "RestServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=20)
