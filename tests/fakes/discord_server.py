"""A local HTTP server that behaves like one Discord webhook, with its limits, its rate limit and its bad days.

Limits are those of Discord's documentation ("Embed Limits", "Execute Webhook", "Edit Webhook Message", "Uploading
Files"): over them it answers 400 or 413, as Discord does. `answers` is a queue of bad days served before it behaves;
what breaks a limit is taken on no day, and kept in `refused`.
"""

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from tests.fakes.discord_limits import EDITED_FOR, MOST_BYTES, RateLimit, embed_fault, file_fault, parts

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
    """One request as it came in; `files` are those uploaded, by name."""

    path: str
    body: dict[str, Any]
    files: dict[str, bytes]
    method: str = "POST"


def rate_limited(retry_after: float, *, header: str | None = None) -> Answer:
    """A 429 as Discord sends it: fractional seconds in the body, the header rounded up."""
    body = json.dumps({"message": "You are being rate limited.", "retry_after": retry_after, "global": False}).encode()
    return Answer(429, {"Retry-After": header if header is not None else str(int(retry_after) + 1)}, body)


class DiscordServer:
    """Use as a context manager; `url` is the webhook, `requests` all that came.

    `messages` is what was accepted, posts and edits in their order; `shown` what the channel shows now, by message id,
    each with its `files`; `told` the footers of what each request told that was not told before; `refused` the faults
    of what no Discord would take, `too_many` the requests beyond `limit`. A message in `deleted` is there no more, one
    in `aged`, or older than an hour, takes no edit.
    """

    def __init__(self, limit: RateLimit | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.requests: list[Received] = []
        self.answers: deque[Answer] = deque()
        self.shown: dict[str, dict[str, Any]] = {}
        self.told: list[str] = []
        self.deleted: set[str] = set()
        self.aged: set[str] = set()
        self.refused: list[str] = []
        self.too_many = 0
        self.refuse_pictures = False
        self._limit = limit
        self._posted: dict[str, float] = {}
        self.released = threading.Event()
        self.arrived = threading.Condition()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake._serve(self)

            def do_PATCH(self) -> None:
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

    def delete_newest(self, count: int) -> None:
        """Let a reader of the channel delete its newest messages."""
        with self.arrived:
            self.deleted.update([*self.shown][len(self.shown) - count :])

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        received = Received(request.path, *parts(request.headers.get("Content-Type", ""), raw), request.command)
        with self.arrived:
            self.requests.append(received)
            if fault := _fault(received):
                self.refused.append(fault)
                answer = self._judge(received)
            else:
                answer = self.answers.popleft() if self.answers else self._limited() or self._judge(received)
            if answer.accept and self._judge(received).status == 200:
                self._accept(received)
            if answer.status == 200 and not (answer.body or answer.hang or answer.hang_up):
                answer = self._created(received, self._accept(received), answer)
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

    def _accept(self, received: Received) -> str:
        """Post or edit; return the message's id."""
        self.messages.append(received.body)
        edited = _edited(received.path)
        embeds = received.body.get("embeds", [])
        # An edit repeats below what is new what the message said.
        self.told += [embed.get("footer", {}).get("text", "") for embed in (embeds[:1] if edited else embeds)]
        message_id = edited or str(10**18 + len(self.shown) + 1)
        self._posted.setdefault(message_id, time.monotonic())
        before = self.shown.get(message_id, {"files": {}})
        kept = {} if "attachments" in received.body else before["files"]
        self.shown[message_id] = {**before, **received.body, "files": {**kept, **received.files}}
        return message_id

    def _created(self, received: Received, message_id: str, answer: Answer) -> Answer:
        if "wait=true" not in received.path and received.method == "POST":
            return Answer(204, answer.headers)
        body = json.dumps({"id": message_id, "type": 0}).encode()
        plenty = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4", "X-RateLimit-Reset-After": "2.0"}
        return Answer(200, {**(self._limit.headers if self._limit else plenty), **answer.headers}, body)

    def _limited(self) -> Answer | None:
        early = 0.0 if self._limit is None else self._limit.take()
        if not early:
            return None
        self.too_many += 1
        return rate_limited(round(early, 3), header=f"{early:.3f}")

    def _judge(self, received: Received) -> Answer:
        path = received.path
        if not path.startswith(PATH):
            return Answer(404, {}, b'{"message": "Unknown Webhook", "code": 10015}')
        if received.method == "PATCH":
            edited = _edited(path)
            if edited not in self.shown or edited in self.deleted:
                return Answer(404, {}, b'{"message": "Unknown Message", "code": 10008}')
            if edited in self.aged or time.monotonic() - self._posted[edited] > EDITED_FOR:
                said = b'{"message": "Maximum number of edits to messages older than 1 hour reached", "code": 30046}'
                return Answer(400, {}, said)
        if (received.files and self.refuse_pictures) or _too_large(received):
            return Answer(413, {}, b'{"message": "Request entity too large", "code": 40005}')
        fault = _fault(received)
        if fault:
            return Answer(400, {}, json.dumps({"embeds": [fault]}).encode())
        return Answer()


def _fault(received: Received) -> str | None:
    """Say what is wrong with a message at any time."""
    if _too_large(received):
        return f"files: more than {MOST_BYTES} bytes"
    return embed_fault(received.body) or file_fault(received.body, received.files)


def _too_large(received: Received) -> bool:
    return sum(map(len, received.files.values())) > MOST_BYTES


def _edited(path: str) -> str | None:
    """Return the id of the message a path is about, None for the webhook's own."""
    _, found, message_id = path.partition("?")[0].partition(f"{PATH}/messages/")
    return message_id if found else None
