"""Faults: everything the local exchange can be told to do wrong, when, and for how long (docs/faults.md).

What each kind is and takes stands in one table, `KINDS`. Times count exchange seconds since the start of play.
"""

from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from typing import Any

from msgspec import Struct, structs

from atlas.errors import UsageError
from atlas.exchange.local.publications import CHANNELS

HUGE = 4_800_000
"""Bytes of the largest frame seen: one level2 snapshot of BTC-USD (coinbase.md 0.8)."""
COMMON = ("at", "after_frames")
"""What every kind takes."""
HOW = ("no_ack", "omit", "error")
BODIES = ("json", "html", "empty")
FIELDS = ("high", "low", "close")
FRAME_CHANNELS = (*CHANNELS, "subscriptions")
"""Channels of frames; acknowledgements come as subscriptions."""


class Fault(Struct, frozen=True, kw_only=True):
    """One fault. A kind looks only at the parameters it takes; `checked` refuses others that were given."""

    kind: str
    at: float = 0.0
    after_frames: int = 0
    """Instead of `at`: once so many frames have been sent, over all connections."""
    lasts: float | None = None
    """`for` in a script; None: for good."""
    count: int | None = None
    """So many frames, requests, connections or subscriptions, then it is over; None: one frame, or any number."""
    product: str = ""
    channel: str = ""
    """"" for these two means any."""
    code: int = 1000
    reason: str = ""
    size: int = HUGE
    by: float = 0.0
    digits: int = 9
    how: str = "no_ack"
    message: str = "rate limit exceeded"
    path: str = ""
    """Only requests whose path ends so: `candles`, `ticker`, `time`, a product's id."""
    status: int | None = None
    """None: 429 for a handshake, 503 over REST."""
    body: str = "json"
    retry_after: float | None = None
    field: str = "high"
    ticks: int = 0
    minute: datetime | None = None

    def checked(self) -> "Fault":
        """Return the fault. Raises UsageError for a kind or a value that cannot be; it names the value and a remedy."""
        kind = KINDS.get(self.kind)
        if kind is None:
            raise UsageError(f"kind {self.kind!r} is unknown; give one of {', '.join(KINDS)}")
        for name in structs.asdict(self):
            if name not in ("kind", *COMMON, *kind.takes) and getattr(self, name) != getattr(_DEFAULTS, name):
                told = ", ".join(script_name(each) for each in (*COMMON, *kind.takes))
                raise UsageError(f"{self.kind} takes no {script_name(name)}; it takes {told}")
        for name in kind.needs:
            if getattr(self, name) == getattr(_DEFAULTS, name):
                raise UsageError(f"{self.kind} needs {script_name(name)}: {PARAMETERS[name]}")
        for name, allowed in _ALLOWED.items():
            if name in kind.takes and not allowed(value := getattr(self, name)):
                raise UsageError(f"{script_name(name)} is {value!r}; it must be {PARAMETERS[name]}")
        if self.kind == "refuse_subscription" and self.how == "omit" and not self.product:
            raise UsageError("how is 'omit' without a product; give the product that is left out")
        if not isfinite(self.at + self.by + (self.lasts or 0.0) + (self.retry_after or 0.0)):
            raise UsageError("a time is not finite; give at, for, by and retry_after as times such as 30s")
        if self.at < 0 or self.after_frames < 0:
            raise UsageError(f"at {self.at:g} s, after_frames {self.after_frames}: neither may lie before the start")
        if self.at and self.after_frames:
            raise UsageError("both at and after_frames are given; give the one it shall wait for")
        return self


class Kind(Struct, frozen=True):
    """What a kind does, in a line, and the parameters it takes and needs, besides `at` and `after_frames`.

    `strikes` once connections that are open (line, frame), or `while` it lasts whatever it concerns.
    """

    strikes: str
    does: str
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


_WHERE = ("count", "product", "channel")
_WHILE = ("lasts", "product", "channel")
_ENTRANCE = ("lasts", "count")

KINDS: dict[str, Kind] = {
    "silence": Kind("while", "nothing leaves any websocket; what waited comes when it ends", ("lasts",)),
    "stall": Kind("line", "the next frame stops half-way and goes on when it ends", ("lasts",)),
    "reset": Kind("line", "every connection ends with a TCP reset"),
    "close": Kind("line", "every connection is closed cleanly", ("code", "reason")),
    "hang_up": Kind("line", "every connection ends with FIN, without a close frame"),
    "gap": Kind("frame", "frames are numbered and never sent", _WHERE),
    "duplicate": Kind("frame", "frames come twice", _WHERE),
    "reorder": Kind("frame", "a frame comes after the one that follows it", _WHERE),
    "huge": Kind("frame", "a level2 snapshot of 4.8 MB", ("size", "product")),
    "unknown_channel": Kind("frame", "a frame of a channel nobody knows", ("count",)),
    "unknown_fields": Kind("while", "frames have fields nobody knows, at every level", _WHILE),
    "empty_quotes": Kind("while", "tickers have empty quotes", ("lasts", "product")),
    "fractions": Kind("while", "all times have so many digits of a second", ("lasts", "digits")),
    "clock_jump": Kind("while", "all times are ahead, or back", ("by", *_WHILE), ("by",)),
    "withhold": Kind("while", "a channel's, or a product's, frames are not sent and not numbered", _WHILE),
    "refuse_connection": Kind("while", "the handshake is answered with an error", ("status", *_ENTRANCE)),
    "refuse_subscription": Kind(
        "while",
        "a subscription is not acknowledged, or without the product, or answered with an error",
        ("how", "message", "product", "channel", *_ENTRANCE),
    ),
    "authentication_failure": Kind("while", "a subscription is answered with authentication failure", _ENTRANCE),
    "paused": Kind("while", "the product is listed as trading_disabled and does not trade", ("product", "lasts"),
                   ("product",)),
    "delisted": Kind("while", "the product is listed nowhere and does not trade", ("product", "lasts"), ("product",)),
    "rest_error": Kind("while", "REST answers with an error", ("status", "body", "retry_after", "path", *_ENTRANCE)),
    "rest_nonsense": Kind("while", "REST answers 200 with what is no JSON object", ("body", "path", *_ENTRANCE)),
    "rest_timeout": Kind("while", "REST does not answer as long as it lasts", ("path", "lasts")),
    "rest_reset": Kind("while", "REST ends the connection instead of answering", ("path", *_ENTRANCE)),
    "revised_candle": Kind(
        "once", "REST's candles of a minute differ from its trades", ("product", "field", "ticks", "minute"),
        ("product", "ticks"),
    ),
}  # fmt: skip
"""Kind → what it is, in the order of docs/faults.md."""

PARAMETERS: dict[str, str] = {
    "at": "a time since the start of play, such as 30s, 1.5m or 2h",
    "after_frames": "a whole number of frames",
    "lasts": "a time above 0, such as 500ms, 10s or 2m",
    "count": "a whole number above 0",
    "product": "a product's id",
    "channel": f"one of {', '.join(FRAME_CHANNELS)}",
    "code": "a close code from 1000 to 4999",
    "reason": "a text",
    "size": "bytes, 1000 to 100000000",
    "by": "a time other than 0, such as 90s or -5m",
    "digits": "0 to 9",
    "how": f"one of {', '.join(HOW)}",
    "message": "a text",
    "path": "the end of a path, such as candles",
    "status": "an HTTP status from 400 to 599",
    "body": f"one of {', '.join(BODIES)}",
    "retry_after": "seconds, 0 or more",
    "field": f"one of {', '.join(FIELDS)}",
    "ticks": "a whole number of ticks other than 0",
    "minute": "a time with its offset, such as 2026-01-01T00:14:00Z",
}
"""Parameter → what may be given, for errors and the documentation."""

_DEFAULTS = Fault(kind="")
_ALLOWED: dict[str, Any] = {
    "lasts": lambda value: value is None or value > 0,
    "count": lambda value: value is None or value > 0,
    "channel": lambda value: not value or value in FRAME_CHANNELS,
    "code": lambda value: 1000 <= value <= 4999,
    "size": lambda value: 1000 <= value <= 100_000_000,
    "digits": lambda value: 0 <= value <= 9,
    "how": HOW.__contains__,
    "status": lambda value: value is None or 400 <= value <= 599,
    "body": BODIES.__contains__,
    "retry_after": lambda value: value is None or value >= 0,
    "field": FIELDS.__contains__,
    "ticks": lambda value: value != 0,
    "minute": lambda value: value is None or value.tzinfo is not None,
}


def script_name(parameter: str) -> str:
    """Return a parameter's name in a script: `lasts` is written `for`, a word Python keeps for itself."""
    return "for" if parameter == "lasts" else parameter


class Faults(Struct, frozen=True):
    """A schedule: the faults a local exchange is given before it starts."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> "Faults":
        """Return the schedule of these faults, each checked. Raises UsageError naming the first that cannot be."""
        found = []
        for number, fault in enumerate(faults, start=1):
            try:
                found.append(fault.checked())
            except UsageError as error:
                raise UsageError(f"fault {number}: {error}") from None
        return cls(tuple(found))
