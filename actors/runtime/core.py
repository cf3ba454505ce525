"""The core of the daemon: on its own thread, or on that of whoever brings an input that cannot wait for a thread."""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import msgspec
from pykka._envelope import Envelope  # Private by name: see tests/contract/test_pykka.py.

from actors.messages import Pulse
from actors.runtime.dispatch import Dispatch
from actors.runtime.faults import describe
from actors.runtime.inputs import Route, Waiting
from actors.runtime.post import Post
from actors.runtime.recorder import Recorder
from actors.runtime.shell import Receiver, call_receive
from atlas.errors import AtlasError, InternalError

_log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """How the core gets on: inputs taken, inputs waiting, and for how many seconds the one in hand has been there."""

    taken: int
    waiting: int
    oldest_waiting: float


class Core(Dispatch):
    """The core as a child of the supervisor: inputs are taken one at a time, in the order they came.

    What is `put` is taken by a daemon thread of its own. What is `hand`ed is taken by the thread that brings it if none
    is being taken: a thread that has to be woken first costs the tick path more than the input itself. Who holds
    `_taking` takes all that waits; nobody else touches an actor between start and stop.
    """

    _thread: threading.Thread | None = None
    _closed = False
    _in_hand_since: float | None = None

    def __init__(
        self,
        route: Route,
        post: Post,
        recorder: Recorder | None = None,
        *,
        number: int = 0,
        market_time: datetime | None = None,
        receiver: Receiver = call_receive,
    ) -> None:
        """See Dispatch."""
        super().__init__(route, post, recorder, number=number, market_time=market_time, receiver=receiver)
        self._taking = threading.Lock()
        self._taking.acquire()  # Nothing is taken before the behaviours have started, nor after the stop.
        self._calls: SimpleQueue[bool] = SimpleQueue()
        """Wakes the thread: True for an input, False for the stop."""

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
        self._calls.put(False)
        self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def submit(self, waiting: Waiting) -> None:
        """Add an input for the thread; after the stop it becomes a dead letter."""
        self._inputs.put(waiting)
        self._calls.put(True)
        if self._closed:
            self._refuse_rest()

    def hand(self, message: Any) -> None:
        """Add an input and take it here and now, behind what waits; if one is being taken it waits for that.

        Not for threads that watch over the core: one that hangs would hang them too.
        """
        if not self._taking.acquire(blocking=False):
            self.put(message)
            return
        try:
            self._inputs.put(Waiting(Envelope(message), None, monotonic()))
            self._take_inputs()
        finally:
            self._taking.release()

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
        more = not failures
        while more:
            self._taking.release()
            more = self._calls.get()
            self._taking.acquire()
            self._take_inputs()
        for actor in reversed(self._actors.values()):
            actor.end()
        self._closed = True
        self._refuse_rest()

    def _take_inputs(self) -> None:
        """Take all that waits. Only who holds `_taking` may."""
        while (waiting := self._next()) is not None:
            self._in_hand_since = waiting.since
            try:
                self.take(waiting)
            except BaseException:  # `take` has made it the core's end; who waits has still to be answered
                _log.exception("the core has failed at input %d", self.number)
            self._in_hand_since = None

    def _refuse_rest(self) -> None:
        while (waiting := self._next()) is not None:
            self._refuse(waiting, "the core has stopped")

    def _next(self) -> Waiting | None:
        """Return the input that has waited longest, None if none waits."""
        try:
            return self._inputs.get_nowait()
        except Empty:
            return None
