"""The core in virtual time: no thread, fed from a recording, from candles, or by a test."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any

from pykka._envelope import Envelope  # Private by name: see tests/contract/test_pykka.py.

from actors.runtime.dispatch import Dispatch
from actors.runtime.inputs import Waiting
from actors.runtime.timers import Timer
from atlas.errors import InternalError


class VirtualCore(Dispatch):
    """A core that takes each input at once, in the thread that puts it. To be used by one thread only."""

    def run(self, message: Any, to: str | None = None) -> None:
        """Take one input, to its end: routed, or addressed `to` one actor. Raises InternalError for an unknown one."""
        if to is not None and to not in self._actors:
            raise InternalError(f"no actor of the core is called {to!r}: it has {', '.join(self._actors)}")
        self.submit(Waiting(Envelope(message), to, monotonic()))

    def submit(self, waiting: Waiting) -> None:
        """Take the input; one put while another is being taken comes after it."""
        if self._turn is not None:
            self._inputs.put(waiting)
            return
        self.take(waiting)
        while not self._inputs.empty():
            self.take(self._inputs.get())

    def next_due(self, idle: Callable[[Timer], bool]) -> datetime | None:
        """Return when the next market timer is due, None without one; those that are `idle` are dropped before it."""
        return self._timers.first(idle)

    def close(self) -> None:
        """Stop all actors, last added first."""
        for actor in reversed(self._actors.values()):
            actor.end()
