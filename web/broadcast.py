"""One LISTEN connection, fanned out to every viewer of the live stream.

The daemon notifies `atlas_events` after each commit. What a notification says does not matter: it means "something
changed", and a viewer then asks for the page's content anew. Changes are numbered, so that a viewer who was away knows
whether it missed one.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing as closing_afterwards
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine

from atlas.errors import InternalError

logger = logging.getLogger(__name__)

CHANNEL = "atlas_events"

LOOK = 0.5
"""Seconds between two looks at whether the process is ending: streams end within this time."""

Follower = Callable[[Callable[[], None], Callable[[], bool]], None]
"""Takes `heard` to call at each change and `closing` to ask whether to return."""


class Broadcast:
    """Counts changes and wakes the viewers. `follower` runs on one thread from the first viewer on."""

    def __init__(self, capacity: int, follower: Follower) -> None:
        self.capacity = capacity
        self.closing = False
        self._follower = follower
        self._changed = threading.Condition()
        self._number = 0
        self._viewers = 0
        self._thread: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        """How many watch now."""
        return self._viewers

    @property
    def number(self) -> int:
        """The number of the latest change."""
        return self._number

    @property
    def change(self) -> int | None:
        """The number of the latest change, None before anybody listened for one."""
        return self._number or None

    def heard(self) -> None:
        """Something changed."""
        with self._changed:
            self._number += 1
            self._changed.notify_all()

    @contextmanager
    def viewer(self) -> Iterator[bool]:
        """Hold a place while watching; yields False if all are taken."""
        with self._changed:
            admitted = self._viewers < self.capacity
            if admitted:
                self._viewers += 1
                self._start()
        try:
            yield admitted
        finally:
            if admitted:
                with self._changed:
                    self._viewers -= 1

    def wait(self, seen: int, timeout: float) -> int:
        """Return the newest change's number as soon as it is beyond `seen`, or after `timeout` seconds or at close."""
        with self._changed:
            left = timeout
            while self._number <= seen and not self.closing and left > 0:
                self._changed.wait(min(LOOK, left))
                left -= LOOK
            return self._number

    def close(self) -> None:
        """End streams and the follower within `LOOK`. Takes no lock, so that a signal handler may call it."""
        self.closing = True

    def join(self, timeout: float) -> bool:
        """After `close`: wait for the follower; return whether it has let go of its connection."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="listen", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        self._follower(self.heard, lambda: self.closing)


def follow_database(engine: Engine, heard: Callable[[], None], closing: Callable[[], bool]) -> None:
    """Call `heard` at each notification until `closing`; connect again for ever, and count a reconnect as a change."""
    pause = threading.Event()
    while not closing():
        try:
            with _listening(engine) as connection:
                heard()
                while not closing():
                    for _ in connection.notifies(timeout=LOOK):
                        heard()
                        if closing():
                            break
        except Exception as error:
            # Whatever it is: nobody watches this thread, and a page that no longer changes looks like a quiet market.
            logger.warning("the live stream lost the database, trying again: %s", error)
            pause.wait(LOOK)


@contextmanager
def _listening(engine: Engine) -> Iterator[psycopg.Connection]:
    """A connection of its own that listens; it never goes back to the pool."""
    taken = engine.raw_connection()
    taken.detach()
    connection = taken.dbapi_connection
    if not isinstance(connection, psycopg.Connection):
        raise InternalError(f"the panel needs psycopg 3 to listen, not {type(connection).__name__}")
    with closing_afterwards(connection):
        connection.rollback()
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        yield connection
