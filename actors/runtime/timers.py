"""Timers in market time, for the actors of the core."""

import heapq
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace


class Timer(msgspec.Struct, frozen=True, order=True):
    """One armed timer, ordered as timers fire: by due time, then in the order of arming."""

    due: datetime
    armed: int
    name: str
    message: Any


class EarlyTimer(msgspec.Struct, frozen=True):
    """A timer armed before the first market time is known: it counts from that."""

    seconds: float
    armed: int
    name: str
    message: Any


class MarketTimers:
    """All armed timers of the core."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._early: list[EarlyTimer] = []
        self._armed = 0

    def arm(self, name: str, market_time: datetime | None, seconds: float, message: Any) -> None:
        """Arm a timer `seconds` after market time; before that is known, after the first one."""
        self._armed += 1
        if market_time is None:
            self._early.append(EarlyTimer(seconds, self._armed, name, message))
        else:
            self._push(Timer(market_time + timedelta(seconds=seconds), self._armed, name, message))

    def begin(self, market_time: datetime) -> None:
        """Anchor the early timers: this is the first market time."""
        for early in self._early:
            due = market_time + timedelta(seconds=early.seconds)
            self._push(Timer(due, early.armed, early.name, early.message))
        self._early.clear()

    def next_due(self, until: datetime) -> Timer | None:
        """Take out the next timer due at or before `until`, if there is one."""
        if self._heap and self._heap[0].due <= until:
            return heapq.heappop(self._heap)
        return None

    def first(self, idle: Callable[[Timer], bool]) -> datetime | None:
        """Return when the next timer is due; take out and drop those before it that do nothing any more."""
        while self._heap and idle(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0].due if self._heap else None

    @property
    def pending(self) -> tuple[Timer, ...]:
        """The timers with a due time, next first."""
        return tuple(sorted(self._heap, key=lambda timer: (timer.due, timer.armed)))

    @property
    def early(self) -> tuple[EarlyTimer, ...]:
        """The timers that wait for the first market time, in the order of arming."""
        return tuple(self._early)

    def restore(self, pending: Iterable[Timer], early: Iterable[EarlyTimer], decode: Callable[[bytes], Any]) -> None:
        """Take over the timers of a checkpoint, their messages encoded; arming goes on counting after them."""
        self._heap = [replace(timer, message=decode(timer.message)) for timer in pending]
        heapq.heapify(self._heap)
        self._early = [replace(timer, message=decode(timer.message)) for timer in early]
        self._armed = max([timer.armed for timer in self._heap] + [timer.armed for timer in self._early], default=0)

    def _push(self, timer: Timer) -> None:
        heapq.heappush(self._heap, timer)
