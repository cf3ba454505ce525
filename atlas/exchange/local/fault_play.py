"""Faults as they are played: which wait, which last, which strike the connections next.

A fault begins by exchange time, so that a script plays alike at every speed. While the market stands (nobody
listens, or it has ended) what lasts goes on by wall time at the market's speed: a refused client could never come back
otherwise.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from time import monotonic, time
from typing import Any

from msgspec import Struct

from atlas.errors import UsageError
from atlas.exchange.local.fault import KINDS, Fault, Faults
from atlas.exchange.local.fault_text import ALTERING
from atlas.exchange.local.instants import MINUTE, NS, from_datetime, rfc3339
from atlas.exchange.local.products import canonical
from atlas.exchange.local.publications import HEARTBEATS
from atlas.exchange.local.timeline import Timeline

_log = logging.getLogger("atlas.exchange.local")


class Struck(Struct):
    """A fault that has begun: `at` in exchange nanoseconds, `began` and `ended` in unix seconds of wall time."""

    fault: Fault
    at: int
    began: float
    ended: float | None = None
    left: int | None = None
    stood: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.ended is not None

    def told(self) -> dict[str, Any]:
        """Return it as `/local/market` tells it."""
        return {
            "kind": self.fault.kind, "product": self.fault.product, "at": rfc3339(self.at), "began": self.began,
            "ended": self.ended,
        }  # fmt: skip


class FaultPlay:
    """The faults of one exchange. Every call, and all that is read, under the timeline's lock."""

    def __init__(
        self,
        timeline: Timeline,
        faults: Faults = Faults(),  # noqa: B008  immutable
        *,
        speed: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`clock` gives wall seconds. Raises UsageError for a fault that cannot be."""
        self._timeline, self._speed, self._clock = timeline, speed, clock
        self._start = timeline.now
        self._waiting = [self._checked(fault) for fault in faults.faults]
        self._lasting: list[Struck] = []
        self._due: list[Struck] = []
        self._stood = 0.0
        self._stands_since: float | None = None
        self.frames = 0
        """Frames sent so far, over all connections."""
        self.struck: list[Struck] = []
        """Every fault that has begun, in order."""
        self.silent = False
        self.altering: tuple[Fault, ...] = ()
        self._withholding: tuple[Fault, ...] = ()
        self.advance()

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, fault: Fault) -> None:
        """Take one more, for its time. Raises UsageError if it cannot be."""
        self._waiting.append(self._checked(fault))
        self.advance()

    def _checked(self, fault: Fault) -> Fault:
        if fault.product and canonical(fault.product) not in self._timeline.tapes:
            played = ", ".join(self._timeline.tapes)
            raise UsageError(f"{fault.kind}: product {fault.product!r} is not played; give one of {played}")
        return fault.checked()

    def calm(self) -> None:
        """End all that lasts."""
        for struck in list(self._lasting):
            self._end(struck)

    def stands(self) -> None:
        """The market's clock stands from now on."""
        if self._stands_since is None:
            self._stands_since = self._clock()

    def moves(self) -> None:
        """It moves again."""
        self._stood, self._stands_since = self._standing(), None

    def advance(self) -> None:
        """Begin what is due and end what is over, as of the market's clock."""
        if not self._waiting and not self._lasting:
            return
        for struck in [each for each in self._lasting if self._has_lasted(each)]:
            self._end(struck)
        elapsed = (self._timeline.now - self._start) / NS
        due = [each for each in self._waiting if each.at <= elapsed and each.after_frames <= self.frames]
        if due:
            self._waiting = [each for each in self._waiting if each not in due]
            for fault in due:
                self._begin(fault)

    def strikes(self) -> list[Struck]:
        """Hand over what strikes the connections that are open now; once."""
        due, self._due = self._due, []
        for struck in due:
            struck.at, struck.began, struck.stood = self._timeline.now, time(), self._standing()
            self.struck.append(struck)
            if struck.fault.kind == "stall":
                self._lasting.append(struck)
            else:
                struck.ended = struck.began
        return due

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return len(self._waiting) + len(self._due)

    @property
    def has_strikes(self) -> bool:
        """Whether something waits for a connection to strike."""
        return bool(self._due)

    def _standing(self) -> float:
        return self._stood + (0.0 if self._stands_since is None else self._clock() - self._stands_since)

    def _has_lasted(self, struck: Struck) -> bool:
        lasts = struck.fault.lasts
        if lasts is None:
            return False
        stood = (self._standing() - struck.stood) * self._speed
        return (self._timeline.now - struck.at) / NS + stood >= lasts

    def _begin(self, fault: Fault) -> None:
        struck = Struck(fault, self._timeline.now, time(), left=fault.count, stood=self._standing())
        _log.info("fault: %s %s", fault.kind, fault.product)
        strikes = KINDS[fault.kind].strikes
        if strikes in ("line", "frame"):
            self._due.append(struck)
            return
        self.struck.append(struck)
        if strikes == "once":
            self._revise(fault)
            struck.ended = struck.began
        else:
            self._lasting.append(struck)
            self._look()

    def _end(self, struck: Struck) -> None:
        struck.ended = time()
        self._lasting.remove(struck)
        self._look()

    def _look(self) -> None:
        """See anew what the frames and the market have to heed."""
        lasting = [struck.fault for struck in self._lasting]
        self.silent = any(fault.kind == "silence" for fault in lasting)
        self.altering = tuple(fault for fault in lasting if fault.kind in ALTERING)
        self._withholding = tuple(fault for fault in lasting if fault.kind == "withhold")
        halts = {fault.product: fault.kind for fault in lasting if fault.kind in ("paused", "delisted")}
        for name, tape in self._timeline.tapes.items():
            tape.halt = halts.get(name, "")

    def _revise(self, fault: Fault) -> None:
        at = self._timeline.now if fault.minute is None else from_datetime(fault.minute)
        history = self._timeline.tapes[canonical(fault.product)].history
        history.revise(at // MINUTE * 60, fault.field, fault.ticks)

    # ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, kind: str, meets: Callable[[Fault], bool] = lambda fault: True) -> Struck | None:
        """Return a fault of that kind that lasts, and count that it was met; None if there is none."""
        for struck in self._lasting:
            if struck.fault.kind == kind and meets(struck.fault):
                if struck.left is not None:
                    struck.left -= 1
                    if not struck.left:
                        self._end(struck)
                return struck
        return None

    def not_withheld(self, channel: str, held: Mapping[str, None]) -> Mapping[str, None]:
        """Return what of a channel's subscribed products is published now."""
        for fault in self._withholding:
            if fault.channel in ("", channel):
                if not fault.product or channel == HEARTBEATS:
                    held = {} if not fault.product else held
                else:
                    held = {name: None for name in held if name != canonical(fault.product)}
        return held

    def told(self) -> Iterator[dict[str, Any]]:
        """Yield every fault that has begun, as `/local/market` tells them."""
        return (struck.told() for struck in self.struck)
