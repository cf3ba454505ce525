"""The core on its thread."""

import logging
import threading
from collections.abc import Sequence
from queue import Empty
from time import monotonic

import msgspec
from pykka._envelope import Envelope  # Private by name: see tests/contract/test_pykka.py.

from actors.messages import Pulse
from actors.runtime.dispatch import Dispatch
from actors.runtime.faults import describe
from actors.runtime.inputs import Waiting
from atlas.errors import AtlasError, InternalError

_log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """How the core gets on: inputs taken, inputs waiting, and for how many seconds the one in hand has been there."""

    taken: int
    waiting: int
    oldest_waiting: float


class Core(Dispatch):
    """The core as a child of the supervisor: one daemon thread takes the inputs in the order they came."""

    _thread: threading.Thread | None = None
    _closed = False
    _in_hand_since: float | None = None

    @property
    def actors(self) -> Sequence[str]:
        """The names of the actors on the core, in the order they were added."""
        return tuple(self._actors)

    def start(self, timeout: float) -> None:
        """Start the thread and all behaviours on it; return when they have started.

        Raises what a behaviour's start raised, if that is an AtlasError, else InternalError; also after `timeout`
        seconds.
        """
        begun = threading.Event()
        failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(begun, failures), name=self.name, daemon=True)
        self._thread.start()
        if not begun.wait(timeout):
            raise InternalError(f"the core did not start within {timeout:g} s: see what its actors wait for")
        if failures:
            if isinstance(failures[0], AtlasError):
                raise failures[0]
            raise InternalError(f"the core could not start: {describe(failures[0])}") from failures[0]

    def stop(self, timeout: float) -> bool:
        """Take what waits now, then stop all actors, last added first; return whether that is done in time."""
        if self._thread is None:
            return True
        self._inputs.put(None)
        self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def submit(self, waiting: Waiting) -> None:
        """Add an input; after the stop it becomes a dead letter."""
        self._inputs.put(waiting)
        if self._closed:
            self._refuse_rest()

    def progress(self) -> Progress:
        """Return how the core gets on; from any thread."""
        since = self._in_hand_since
        return Progress(self.number, self.waiting(), 0.0 if since is None else monotonic() - since)

    def oldest_waiting(self) -> float:
        """For how many seconds the input in hand has been there, counting its waiting; 0 if the core is idle."""
        return self.progress().oldest_waiting

    def pulse(self, number: int) -> None:
        """Ask all actors of the core for a sign of life, behind the inputs that wait now."""
        self.submit(Waiting(Envelope(Pulse(number=number)), None, monotonic()))

    def _run(self, begun: threading.Event, failures: list[BaseException]) -> None:
        try:
            self.begin()
        except BaseException as error:  # whatever it is, it is raised where the core was started
            failures.append(error)
        begun.set()
        if not failures:
            self._take_inputs()
        for actor in reversed(self._actors.values()):
            actor.end()
        self._closed = True
        self._refuse_rest()

    def _take_inputs(self) -> None:
        while (waiting := self._inputs.get()) is not None:
            self._in_hand_since = waiting.since
            try:
                self.take(waiting)
            except BaseException:  # `take` has made it the core's end; this thread still has to answer who waits
                _log.exception("the core has failed at input %d", self.number)
            self._in_hand_since = None

    def _refuse_rest(self) -> None:
        while True:
            try:
                waiting = self._inputs.get_nowait()
            except Empty:
                return
            if waiting is not None:
                self._refuse(waiting, "the core has stopped")
