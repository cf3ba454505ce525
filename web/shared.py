"""What many viewers ask for at the same change is made once.

Every viewer is told of a change at the same moment and asks for the content of its page. Made for each, twenty-four
overviews a second would leave little for anybody else; made once, they cost as much as one.
"""

import time
from collections.abc import Callable, Hashable
from math import inf
from threading import Lock
from typing import Final

OLDEST: Final = 1.0
"""Seconds after which it is made anew without a change: ages and deadlines go on while nothing happens."""
MOST: Final = 64
"""Contents kept for one change."""


class _Slot:
    """One content: whoever comes first makes it, the others wait for that."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.made_at = -inf
        self.content = ""


class Shared:
    """Contents by what was asked for, as of the latest change; `change` is its number, None where none is known."""

    def __init__(self, change: Callable[[], int | None]) -> None:
        self._change = change
        self._lock = Lock()
        self._of: int | None = None
        self._slots: dict[Hashable, _Slot] = {}

    def get(self, asked: Hashable, make: Callable[[], str]) -> str:
        """Return the content asked for, made after the latest change known when this was called.

        Raises what `make` raises; then the next to ask makes it.
        """
        change = self._change()
        if change is None:
            return make()
        with self._lock:
            if change != self._of or len(self._slots) >= MOST:
                self._of, self._slots = change, {}
            slot = self._slots.setdefault(asked, _Slot())
        with slot.lock:
            now = time.monotonic()
            if now - slot.made_at >= OLDEST:
                slot.content = make()
                slot.made_at = now
            return slot.content
