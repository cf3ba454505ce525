"""One Discord webhook: what a request looks like, and what each answer means for the alert that was sent.

`Webhook.post` makes one request and says what became of it; it never sleeps, never retries and never raises. How long
to wait and whether to try again is the alerter's. Limits and codes: Discord's developer documentation, "Rate Limits"
and "Execute Webhook", as read in July 2026.
"""

import logging
import math
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3.exceptions
from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem

from atlas.errors import ConfigurationError

TIMEOUT = (5.0, 10.0)
"""Seconds to connect and to wait for bytes of the answer."""

LONGEST_WAIT = 3600.0
"""The longest wait in seconds obeyed at once; Discord's own bans end within the hour or answer 429 again."""

_CEILING = Rate(5, Duration.SECOND * 2)
_UNLIMITED_ANSWER = 60.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FILE = "bars.png"
_UNKNOWN_MESSAGE, _TOO_OLD_TO_EDIT = 10008, 30046
"""Discord's codes for a message that was deleted, and for one older than an hour that was edited too often."""


class Delivered(msgspec.Struct, frozen=True):
    """Discord has it. `message_id` is None if the answer did not say."""

    message_id: str | None


class Refused(msgspec.Struct, frozen=True):
    """This message will never be accepted (400, 413): drop it."""

    reason: str


class ChannelGone(msgspec.Struct, frozen=True):
    """The webhook itself is refused (401, 403, 404, a redirect): never ask again with this URL."""

    reason: str


class Missing(msgspec.Struct, frozen=True):
    """The message to be edited is there no more, or too old for it: post it anew."""

    reason: str


class Limited(msgspec.Struct, frozen=True):
    """Nothing was delivered; ask again after `seconds`."""

    seconds: float
    reason: str


class Failed(msgspec.Struct, frozen=True):
    """No good answer (5xx, timeout, no connection). `doubtful`: the message may have arrived nevertheless."""

    reason: str
    doubtful: bool


Outcome = Delivered | Refused | ChannelGone | Missing | Limited | Failed


class Webhook:
    """A webhook of one Discord channel.

    The URL's last part is a secret: it appears in no outcome, no `repr` and no log record of urllib3.
    Raises ConfigurationError if `url` is no https URL (http is taken on loopback only).
    """

    def __init__(self, url: str, *, timeout: tuple[float, float] = TIMEOUT) -> None:
        parts = urlsplit(url.strip())
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        token = parts.path.rstrip("/").rpartition("/")[2]
        if not secure or not parts.hostname or not token:
            raise ConfigurationError(
                f"the Discord webhook URL (scheme {parts.scheme or 'none'!r}, host {parts.hostname or 'none'!r}) is "
                "not of the form https://discord.com/api/webhooks/<id>/<token>; copy it from the channel's integrations"
            )
        self._url = parts._replace(query="", fragment="").geturl()
        self._host = parts.hostname
        self._token = token
        self._timeout = timeout
        self._session = requests.Session()
        self._bucket = InMemoryBucket([_CEILING])
        self._shut_at: datetime | None = None
        self._shut_for = 0.0
        _hide_in_logs(token)

    def __repr__(self) -> str:
        return f"Webhook({self._host}, token hidden)"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def post(self, now: datetime, message: dict[str, Any], *, picture: bytes | None = None) -> Outcome:
        """Send one message (`embeds`, `content` …) and return what became of it.

        `now` is the wall clock. Mentions are switched off whatever the text says. `picture`, a PNG, is shown in the
        first embed; a 413 is answered by sending the same message without it.
        """
        return self._made(now, "POST", f"{self._url}?wait=true", message, picture)

    def edit(
        self, now: datetime, message_id: str, message: dict[str, Any], *, picture: bytes | None = None
    ) -> Outcome:
        """Replace a message that was posted, its picture included, and return what became of that."""
        return self._made(now, "PATCH", f"{self._url}/messages/{message_id}", {**message, "attachments": []}, picture)

    def _made(self, now: datetime, method: str, url: str, message: dict[str, Any], picture: bytes | None) -> Outcome:
        wait = self._wait(now)
        if wait > 0:
            return Limited(wait, "waiting for the rate limit")
        body = {**message, "allowed_mentions": {"parse": []}}
        try:
            answer = self._request(method, url, body, picture)
            if answer.status_code == 413 and picture is not None:
                answer = self._request(method, url, body, None)
        except requests.RequestException as error:
            return Failed(self.redact(f"{type(error).__name__}: {error}"), doubtful=_may_have_arrived(error))
        if method == "PATCH" and _json(answer).get("code") in (_UNKNOWN_MESSAGE, _TOO_OLD_TO_EDIT):
            return Missing(self.redact(f"Discord answered {answer.status_code}: {answer.text[:200]}"))
        return self._outcome(now, answer)

    def redact(self, text: str) -> str:
        """Return `text` without the token."""
        return text.replace(self._token, "[token]")

    def _request(self, method: str, url: str, body: dict[str, Any], picture: bytes | None) -> requests.Response:
        # A redirect is not followed: it would carry the token to another host.
        if picture is None:
            return self._session.request(method, url, json=body, timeout=self._timeout, allow_redirects=False)
        first, *others = body.get("embeds") or [{}]
        shown = [{**first, "image": {"url": f"attachment://{_FILE}"}}, *others]
        told = {**body, "embeds": shown, "attachments": [{"id": 0, "filename": _FILE}]}
        parts = {
            "payload_json": (None, msgspec.json.encode(told), "application/json"),
            "files[0]": (_FILE, picture, "image/png"),
        }
        return self._session.request(method, url, files=parts, timeout=self._timeout, allow_redirects=False)

    def _outcome(self, now: datetime, answer: requests.Response) -> Outcome:
        code = answer.status_code
        if code == 429:
            wait = _retry_after(answer)
            self._shut(now, wait)
            return Limited(wait, f"Discord answered 429, retry after {wait:g} s")
        if answer.headers.get("X-RateLimit-Remaining") == "0":
            self._shut(now, _seconds(answer.headers.get("X-RateLimit-Reset-After")) or 0.0)
        if 200 <= code < 300:
            return Delivered(_message_id(answer))
        said = self.redact(f"Discord answered {code}: {answer.text[:200]}".strip())
        if code in (401, 403, 404) or 300 <= code < 400:
            return ChannelGone(said)
        if code >= 500 or code == 408:
            return Failed(said, doubtful=True)
        return Refused(said)

    def _shut(self, now: datetime, seconds: float) -> None:
        self._shut_at, self._shut_for = now, seconds

    def _wait(self, now: datetime) -> float:
        """Seconds until a request may be made; 0 takes a place under the local ceiling."""
        if self._shut_at is not None:
            # A wall clock set back must not lengthen the wait: a time before the answer counts as over.
            passed = (now - self._shut_at) / timedelta(seconds=1)
            if 0 <= passed < self._shut_for:
                return self._shut_for - passed
            self._shut_at = None
        milliseconds = int(now.timestamp() * 1000)
        newest = self._bucket.peek(0)
        if newest is not None and newest.timestamp > milliseconds:
            self._bucket.flush()
        self._bucket.leak(milliseconds)
        place = RateItem("webhook", milliseconds)
        if self._bucket.put(place):
            return 0.0
        wait = self._bucket.waiting(place)
        assert isinstance(wait, int), "an in-memory bucket answers at once"
        return max(wait, 1) / 1000


def _seconds(text: object) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if math.isfinite(seconds) and seconds >= 0 else None


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(answer: requests.Response) -> float:
    """The longest of the header, which may be rounded, and the body; a 429 without either comes from the proxy."""
    said = (_seconds(answer.headers.get("Retry-After")), _seconds(_json(answer).get("retry_after")))
    return max((wait for wait in said if wait is not None), default=_UNLIMITED_ANSWER)


def _message_id(answer: requests.Response) -> str | None:
    identity = _json(answer).get("id")
    return str(identity) if identity else None


def _may_have_arrived(error: requests.RequestException) -> bool:
    """Whether bytes of the request can have reached Discord before the error."""
    if isinstance(
        error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError
    ):
        return False
    cause = error.args[0] if error.args else None
    if isinstance(cause, urllib3.exceptions.MaxRetryError):
        return not isinstance(cause.reason, urllib3.exceptions.NewConnectionError)
    return True


class _HideToken(logging.Filter):
    """Takes webhook tokens out of log records."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if any(token in text for token in self.tokens):
            record.msg = re.sub("|".join(map(re.escape, self.tokens)), "[token]", text)
            record.args = None
        return True


_hidden = _HideToken()


def _hide_in_logs(token: str) -> None:
    """urllib3 writes the path of every request to its debug log; a filter acts only on the logger it is added to."""
    _hidden.tokens.add(token)
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_hidden)
