"""The supervisor: the life of all actors on one screen, from ordered start to exact reverse stop.

It uses neither Pykka's `stop_all`, which gives up at the first stuck actor, nor `broadcast`, which stops at the first
dead one.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

from actors.runtime.faults import describe
from actors.runtime.post import SUPERVISOR, Post
from actors.runtime.threads import utc_now
from actors.runtime.watch import ActorHealth, Child, Watch

_log = logging.getLogger(__name__)


class Supervisor:
    """Starts children in the order given, pulses them, and stops them in reverse.

    Messages to it (`tell`) are taken in the sender's thread and never block; only the pulses have a thread of their
    own. `on_fatal` is called once, from any thread, with the reason for an orderly exit 70; it must not block.
    """

    def __init__(
        self,
        post: Post,
        on_fatal: Callable[[str], None],
        *,
        pulse_every: float = 5.0,
        stalled_after: float = 30.0,
        hung_after: float = 60.0,
        on_beat: Callable[[list[str]], None] = lambda stalled: None,
        clock: Callable[[], datetime] = utc_now,
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        """`seconds` is the monotonic clock by which deadlines and hanging are measured.

        `on_beat` is told at every beat who has made no progress for more than `stalled_after` seconds, nobody if all is
        well; it must not block.
        """
        self._watch = Watch(post, on_fatal, hung_after=hung_after, clock=clock, seconds=seconds)
        self._pulse_every, self._stalled_after, self._on_beat = pulse_every, stalled_after, on_beat
        self._seconds = seconds
        self._children: list[Child] = []
        self._ending = threading.Event()
        self._pulses: threading.Thread | None = None
        post.bind(SUPERVISOR, self)

    def start(self, children: Sequence[Child], timeout: float) -> None:
        """Start the children in order, each within `timeout` seconds, then the pulses.

        Raises what a child's start raises; those started stay so until `stop`, which the caller owes in any case.
        """
        for child in children:
            self._children.append(child)
            self._watch.add(child)
            _log.info("starting %s", child.name)
            try:
                child.start(timeout)
            except BaseException as error:  # noted for whoever looks, and raised
                self._watch.set_state(child, "failed", describe(error))
                raise
            self._watch.set_state(child, "running")
        self._pulses = threading.Thread(target=self._pulse, name=SUPERVISOR, daemon=True)
        self._pulses.start()

    def stop(self, timeout: float) -> list[str]:
        """Stop the children in exact reverse within `timeout` seconds in all; return the names of those that did not.

        A child may use half of the time left, so that a stuck one leaves some for those after it; the last may use
        all. With no time left the rest are still told to stop.
        """
        deadline = self._seconds() + timeout
        self._ending.set()
        if self._pulses is not None:
            self._pulses.join(timeout / 4)
        leftovers = []
        for position, child in reversed(list(enumerate(self._children))):
            left = max(deadline - self._seconds(), 0.0)
            _log.info("stopping %s", child.name)
            if self._stopped(child, left / 2 if position else left):
                self._watch.set_state(child, "stopped")
            else:
                leftovers.append(child.name)
        if leftovers:
            _log.error("still running after %g s: %s", timeout, ", ".join(leftovers))
        return leftovers

    def tell(self, message: Any) -> None:
        """Take a message of a shell or of the core; from any thread."""
        self._watch.take(message)

    def beat(self) -> None:
        """Look for what hangs, then pulse every child; the pulse thread does this every `pulse_every` seconds."""
        self._watch.beat(self._children)
        try:
            self._on_beat(self._watch.stalled(self._children, self._stalled_after))
        except Exception:  # the pulses must go on; a sign not given is missed by whoever waits for it
            _log.exception("the sign of life failed")

    def health(self) -> list[ActorHealth]:
        """Return every child and actor as it is now, in the order of starting."""
        return self._watch.health()

    def _pulse(self) -> None:
        while not self._ending.wait(self._pulse_every):
            self.beat()

    def _stopped(self, child: Child, timeout: float) -> bool:
        try:
            return child.stop(timeout)
        except Exception as error:  # told; the other children still have to be stopped
            _log.exception("%s failed to stop", child.name)
            self._watch.set_state(child, "failed", describe(error))
            return False
