"""Discord's limits, as its documentation states them: of a message, of the files with it, of requests in a time."""

import json
import time
from datetime import datetime
from typing import Any

MOST_BYTES = 10 * 1024 * 1024
"""Of all files of one message, without boosts of the server."""
EDITED_FOR = 3600.0
"""Seconds after which edits of a message are limited; here there are none."""


class RateLimit:
    """At most `most` requests within `seconds` of the first; 5 in 2 s is what a webhook's answers say."""

    def __init__(self, most: int = 5, seconds: float = 2.0) -> None:
        self._most, self._seconds = most, seconds
        self._begun, self._made = float("-inf"), 0

    def take(self) -> float:
        """Count a request; return the seconds it has come too early, 0 where it may be made."""
        if self._left() <= 0:
            self._begun, self._made = time.monotonic(), 0
        if self._made == self._most:
            return self._left()
        self._made += 1
        return 0.0

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of it."""
        return {
            "X-RateLimit-Limit": str(self._most),
            "X-RateLimit-Remaining": str(self._most - self._made),
            "X-RateLimit-Reset-After": f"{max(self._left(), 0):.3f}",
        }

    def _left(self) -> float:
        return self._begun + self._seconds - time.monotonic()


def file_fault(body: dict[str, Any], files: dict[str, bytes]) -> str | None:
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


def parts(kind: str, raw: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the message and the files of a request by its content type."""
    if not kind.startswith("multipart/"):
        return json.loads(raw), {}
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


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _time_fault(text: str | None) -> str | None:
    """Discord takes ISO 8601 only."""
    try:
        datetime.fromisoformat(text or "2026-01-01T00:00:00Z")
    except ValueError:
        return f"timestamp: Could not parse {text}. Should be ISO8601."
    return None
