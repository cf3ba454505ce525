"""A local HTTP server that behaves like one Discord webhook, with its limits, its rate limit and its bad days.

Limits are those of Discord's documentation ("Embed Limits"): over them it answers 400, as Discord does. `answers` is a
queue of bad days served before it behaves again.
"""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

TOKEN = "s3cret-token_of.the-webhook"
PATH = f"/api/webhooks/123456789012345678/{TOKEN}"


class Answer(msgspec.Struct, frozen=True):
    """One prepared answer. `hang`: keep the connection open without a byte; `accept`: take the message all the same."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    hang: bool = False
    hang_up: bool = False
    accept: bool = False


class Received(msgspec.Struct, frozen=True):
    """One request as it came in."""

    path: str
    body: dict[str, Any]
    files: int


def rate_limited(retry_after: float, *, header: str | None = None) -> Answer:
    """A 429 as Discord sends it: fractional seconds in the body, the header rounded up."""
    body = json.dumps({"message": "You are being rate limited.", "retry_after": retry_after, "global": False}).encode()
    return Answer(429, {"Retry-After": header if header is not None else str(int(retry_after) + 1)}, body)


class DiscordServer:
    """Use as a context manager; `url` is the webhook, `messages` what was accepted, `requests` all that came."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.requests: list[Received] = []
        self.answers: deque[Answer] = deque()
        self.refuse_pictures = False
        self.released = threading.Event()
        self.arrived = threading.Condition()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The webhook's URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    def __enter__(self) -> "DiscordServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int, timeout: float = 20.0) -> list[dict[str, Any]]:
        """Return the messages once there are at least `count`; AssertionError if there never are."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.messages) >= count, timeout), f"only {len(self.messages)}"
            return list(self.messages)

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        kind = request.headers.get("Content-Type", "")
        body, files = _parts(kind, raw) if kind.startswith("multipart/") else (json.loads(raw), 0)
        with self.arrived:
            self.requests.append(Received(request.path, body, files))
            answer = self.answers.popleft() if self.answers else self._judge(request.path, body, files)
            if answer.accept:
                self.messages.append(body)
            if answer.status == 200 and not (answer.body or answer.hang or answer.hang_up):
                self.messages.append(body)
                answer = self._created(request.path, answer)
            self.arrived.notify_all()
        if answer.hang:
            self.released.wait(60)
            answer = Answer(hang_up=True)
        if answer.hang_up:
            request.close_connection = True
            return
        request.send_response(answer.status)
        for name, value in answer.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer.body)))
        request.end_headers()
        request.wfile.write(answer.body)

    def _created(self, path: str, answer: Answer) -> Answer:
        if "wait=true" not in path:
            return Answer(204, answer.headers)
        body = json.dumps({"id": str(10**18 + len(self.messages)), "type": 0}).encode()
        headers = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4", "X-RateLimit-Reset-After": "2.0"}
        return Answer(200, {**headers, **answer.headers}, body)

    def _judge(self, path: str, body: dict[str, Any], files: int) -> Answer:
        if not path.startswith(PATH):
            return Answer(404, {}, b'{"message": "Unknown Webhook", "code": 10015}')
        if files and self.refuse_pictures:
            return Answer(413, {}, b'{"message": "Request entity too large", "code": 40005}')
        fault = embed_fault(body)
        if fault:
            return Answer(400, {}, json.dumps({"embeds": [fault]}).encode())
        return Answer()


def embed_fault(body: dict[str, Any]) -> str | None:
    """Say which of Discord's limits the message breaks, None if it breaks none. Lengths in UTF-16 units."""
    embeds = body.get("embeds", [])
    if not embeds and not body.get("content"):
        return "Cannot send an empty message"
    if len(embeds) > 10:
        return "Must be 10 or fewer in length"
    total = 0
    for embed in embeds:
        fields = embed.get("fields", [])
        if len(fields) > 25:
            return "fields: Must be 25 or fewer in length"
        texts = [(embed.get("title", ""), 256), (embed.get("description", ""), 4096)]
        texts += [(embed.get("footer", {}).get("text", ""), 2048), (embed.get("author", {}).get("name", ""), 256)]
        for field in fields:
            if not field["name"].strip() or not field["value"].strip():
                return "field: This field is required"
            texts += [(field["name"], 256), (field["value"], 1024)]
        for text, limit in texts:
            length = len(text.encode("utf-16-le")) // 2
            total += length
            if length > limit:
                return f"Must be {limit} or fewer in length"
    return "Embed size exceeds maximum size of 6000" if total > 6000 else None


def _parts(kind: str, raw: bytes) -> tuple[dict[str, Any], int]:
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    body: dict[str, Any] = {}
    files = 0
    for part in raw.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="payload_json"' in head:
            body = json.loads(content)
        elif b"filename=" in head:
            files += 1
    return body, files
