"""`python hanging.py run …`: the daemon as it is, but impatient, and its journal hangs on SIGUSR1.

An actor that really hangs cannot be had otherwise: no input makes one.
"""

import signal
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import actors.system
from actors.journal import Journal
from actors.runtime.behaviour import Effect
from atlas.cli import main

hang = threading.Event()
handle = Journal.receive


def receive(self: Journal, now: datetime, message: Any) -> Iterable[Effect]:
    """Handle a message, or never come back."""
    if hang.is_set():
        threading.Event().wait()
    return handle(self, now, message)


if __name__ == "__main__":
    setattr(Journal, "receive", receive)  # noqa: B010  an assignment of it is what mypy forbids, and rightly
    actors.system.STALLED_AFTER, actors.system.HUNG_AFTER = 3.0, 8.0
    signal.signal(signal.SIGUSR1, lambda number, frame: hang.set())
    main()
