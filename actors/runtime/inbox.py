"""Inboxes of our two kinds of Pykka actors.

Pykka's default inbox (`queue.Queue`) carries 0.1-0.3 M messages a second, `queue.SimpleQueue` 0.9-1.2 M
(architecture.md, measured with Pykka 4.5).
"""

import heapq
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from pykka._envelope import Envelope  # Private by name: see tests/contract/test_pykka.py.

Envelopes = Envelope[Any]


class ThreadInbox:
    """The mailbox of an actor with its own thread: a queue, and the actor's wall timers.

    `put` may be called by any thread, all else by the actor's own. A due timer goes before waiting messages, so that a
    flood of messages cannot starve it.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Envelopes] = SimpleQueue()
        self._timers: list[tuple[float, int, Any]] = []
        self._armed = 0
        self._bury: Callable[[Envelopes], None] | None = None

    def put(self, envelope: Envelopes, /) -> None:
        """Add a message; once the inbox is closed, hand it to whoever buries."""
        self._queue.put(envelope)
        if self._bury is not None:
            self._hand_over(self._bury)

    def get(self) -> Envelopes:
        """Return the next due timer or message; wait for it."""
        while True:
            wait: float | None = None
            if self._timers:
                wait = self._timers[0][0] - time.monotonic()
                if wait <= 0:
                    return Envelope(heapq.heappop(self._timers)[2])
            try:
                return self._queue.get(timeout=wait)
            except Empty:
                continue

    def empty(self) -> bool:
        """Whether no message waits. Timers do not count: Pykka asks at the end of the actor's life."""
        return self._queue.empty()

    def waiting(self) -> int:
        """How many messages wait."""
        return self._queue.qsize()

    def arm(self, seconds: float, message: Any) -> None:
        """Deliver the message after `seconds` of wall time; equal times in the order of arming."""
        self._armed += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._armed, message))

    def close(self, bury: Callable[[Envelopes], None]) -> None:
        """Hand over what waits and all that still comes. A message is handed over once, whichever thread does it."""
        self._bury = bury
        self._hand_over(bury)

    def _hand_over(self, bury: Callable[[Envelopes], None]) -> None:
        while True:
            try:
                envelope = self._queue.get_nowait()
            except Empty:
                return
            bury(envelope)


class TurnTaker(Protocol):
    """The dispatcher of core actors, as their inboxes see it."""

    def accept(self, name: str, envelope: Envelopes) -> None:
        """Take a message for the actor: on the run queue from the core itself, as an input from elsewhere."""


class CoreInbox:
    """The mailbox of a core actor: it holds nothing itself, `put` goes to what all core actors share."""

    def __init__(self) -> None:
        self._home: tuple[TurnTaker, str] | None = None

    def belong(self, dispatcher: TurnTaker, name: str) -> None:
        """Say whose mailbox this is; Pykka creates inboxes without arguments."""
        self._home = dispatcher, name

    def put(self, envelope: Envelopes, /) -> None:
        """Pass the message on."""
        if self._home is None:
            raise RuntimeError("a core actor's inbox was used before the actor was registered")
        dispatcher, name = self._home
        dispatcher.accept(name, envelope)

    def get(self) -> Envelopes:
        """Never called: a core actor has no loop of its own."""
        raise RuntimeError("a core actor takes its turns from the core and never waits on its inbox")

    def empty(self) -> bool:
        """Nothing ever waits here."""
        return True
