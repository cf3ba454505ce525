"""A local HTTP server that behaves like one Discord webhook, with its limits, its rate limit and its bad days.

Limits are those of Discord's documentation ("Embed Limits", "Execute Webhook", "Edit Webhook Message", "Uploading
Files"): over them it answers 400 or 413, as Discord does. `answers` is a queue of bad days served before it behaves.
"""

import json
import threading
from collections import deque
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

TOKEN = "s3cret-token_of.the-webhook"
MOST_BYTES = 10 * 1024 * 1024
"""Of all files of one message, without boosts of the server."""
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
    each with its `files`; `told` the footers of what each request told that was not told before. A message in `deleted`
    is there no more, one in `aged` takes no edit.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.requests: list[Received] = []
        self.answers: deque[Answer] = deque()
        self.shown: dict[str, dict[str, Any]] = {}
        self.told: list[str] = []
        self.deleted: set[str] = set()
        self.aged: set[str] = set()
        self.refuse_pictures = False
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

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        kind = request.headers.get("Content-Type", "")
        body, files = _parts(kind, raw) if kind.startswith("multipart/") else (json.loads(raw), {})
        received = Received(request.path, body, files, request.command)
        with self.arrived:
            self.requests.append(received)
            answer = self.answers.popleft() if self.answers else self._judge(received)
            if answer.accept:
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
        before = self.shown.get(message_id, {"files": {}})
        kept = {} if "attachments" in received.body else before["files"]
        self.shown[message_id] = {**before, **received.body, "files": {**kept, **received.files}}
        return message_id

    def _created(self, received: Received, message_id: str, answer: Answer) -> Answer:
        if "wait=true" not in received.path and received.method == "POST":
            return Answer(204, answer.headers)
        body = json.dumps({"id": message_id, "type": 0}).encode()
        headers = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4", "X-RateLimit-Reset-After": "2.0"}
        return Answer(200, {**headers, **answer.headers}, body)

    def _judge(self, received: Received) -> Answer:
        path, body, files = received.path, received.body, received.files
        if not path.startswith(PATH):
            return Answer(404, {}, b'{"message": "Unknown Webhook", "code": 10015}')
        if received.method == "PATCH":
            edited = _edited(path)
            if edited not in self.shown or edited in self.deleted:
                return Answer(404, {}, b'{"message": "Unknown Message", "code": 10008}')
            if edited in self.aged:
                said = b'{"message": "Maximum number of edits to messages older than 1 hour reached", "code": 30046}'
                return Answer(400, {}, said)
        if (files and self.refuse_pictures) or sum(map(len, files.values())) > MOST_BYTES:
            return Answer(413, {}, b'{"message": "Request entity too large", "code": 40005}')
        fault = embed_fault(body) or _file_fault(body, files)
        if fault:
            return Answer(400, {}, json.dumps({"embeds": [fault]}).encode())
        return Answer()


def _edited(path: str) -> str | None:
    """Return the id of the message a path is about, None for the webhook's own."""
    _, found, message_id = path.partition("?")[0].partition(f"{PATH}/messages/")
    return message_id if found else None


def _file_fault(body: dict[str, Any], files: dict[str, bytes]) -> str | None:
    """Say what is wrong with the files, or with what refers to them."""
    if len(files) > 10:
        return "files: Must be 10 or fewer"
    told = [one.get("filename") for one in body.get("attachments", [])]
    if any(name not in files for name in told):
        return "attachments: Unknown attachment"
    if any(not content.startswith(b"\x89PNG") for content in files.values()):
        return "files: not an image"
    for embed in body.get("embeds", []):
        scheme, _, name = embed.get("image", {}).get("url", "").partition("://")
        if scheme == "attachment" and name not in files:
            return "image: Not a well formed URL."
        if scheme not in ("", "attachment", "http", "https"):
            return "image: Scheme must be one of http, https, attachment"
    return None


def embed_fault(body: dict[str, Any]) -> str | None:
    """Say which of Discord's limits the message breaks, None if it breaks none. Lengths in UTF-16 units."""
    embeds = body.get("embeds", [])
    if not embeds and not body.get("content"):
        return "Cannot send an empty message"
    if len(embeds) > 10:
        return "Must be 10 or fewer in length"
    name = body.get("username", "ATLAS")
    if not 1 <= len(name) <= 80 or "discord" in name.lower() or "clyde" in name.lower():
        return "username: not allowed"
    texts = [(body.get("content", ""), 2000)]
    if any(_units(text) > limit for text, limit in texts):
        return "content: Must be 2000 or fewer in length"
    total = 0
    for embed in embeds:
        fields = embed.get("fields", [])
        if len(fields) > 25:
            return "fields: Must be 25 or fewer in length"
        if not any(embed.get(part) for part in ("title", "description", "fields", "footer", "author", "image")):
            return "embed: This field is required"
        if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
            return "color: int value should be between 0 and 16777215"
        if fault := _time_fault(embed.get("timestamp")):
            return fault
        texts = [(embed.get("title", ""), 256), (embed.get("description", ""), 4096)]
        texts += [(embed.get("footer", {}).get("text", ""), 2048), (embed.get("author", {}).get("name", ""), 256)]
        for field in fields:
            if not field["name"].strip() or not field["value"].strip():
                return "field: This field is required"
            texts += [(field["name"], 256), (field["value"], 1024)]
        for text, limit in texts:
            total += _units(text)
            if _units(text) > limit:
                return f"Must be {limit} or fewer in length"
    return "Embed size exceeds maximum size of 6000" if total > 6000 else None


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _time_fault(text: str | None) -> str | None:
    """Discord takes ISO 8601 only."""
    try:
        datetime.fromisoformat(text or "2026-01-01T00:00:00Z")
    except ValueError:
        return f"timestamp: Could not parse {text}. Should be ISO8601."
    return None


def _parts(kind: str, raw: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    body: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in raw.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="payload_json"' in head:
            body = json.loads(content)
        elif b"filename=" in head:
            name = head.partition(b'filename="')[2].partition(b'"')[0].decode()
            files[name] = content.removesuffix(b"\r\n")
    return body, files
