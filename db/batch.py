"""What the journal writes: events as encoded once, kept together by the input of the core that caused them."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from actors.messages import BarClosed, BarConfirmed, Event, Invalidated, LateTrade, SetupsReplaced, decode, encode


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One event: its derived id, its class's name, and the message as JSON, which is stored to the byte."""

    id: str
    kind: str
    payload: bytes

    def event(self) -> Event:
        """Return the event again. Raises msgspec.ValidationError if the payload is none."""
        event = decode(self.payload)
        if not isinstance(event, Event):
            raise msgspec.ValidationError(f"{self.id} is a {type(event).__name__}, not an event")
        return event


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """All events of one input, in order; no transaction splits it. `input` is None for what came from outside the core.

    `at` is market time at the input (None: not known yet), wall time for what came from outside.
    """

    input: int | None
    at: datetime | None
    entries: tuple[Entry, ...]

    def kept_when(self, *, full: bool) -> "Batch":
        """Return the batch without what is dropped when the spool is nearly full, or full."""
        dropped = DROPPED_WHEN_FULL if full else DROPPED_FIRST
        return Batch(self.input, self.at, tuple(entry for entry in self.entries if entry.kind not in dropped))


DROPPED_FIRST = frozenset({BarClosed.__name__, BarConfirmed.__name__, LateTrade.__name__})
"""Events that can be had again from the exchange (architecture.md, Persistence: candles are dropped first)."""

DROPPED_WHEN_FULL = DROPPED_FIRST | {SetupsReplaced.__name__, Invalidated.__name__}
"""Events that no money hangs on."""


def batch_of(events: Iterable[Event], *, input: int | None, at: datetime | None) -> Batch:
    """Return the events encoded."""
    return Batch(input, at, tuple(Entry(event.key, type(event).__name__, encode(event)) for event in events))
