"""The watch over the actors: who is alive, who crashed how often, who hangs."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from actors.messages import Crashed, Fatal, Pulsed, Retired
from actors.runtime.faults import describe
from actors.runtime.post import SUPERVISOR, Post, dead_letter

_log = logging.getLogger(__name__)

State = Literal["starting", "running", "retired", "failed", "hung", "stopped"]


class Child(Protocol):
    """What the supervisor starts, watches and stops: the core, an actor on its own thread, the recorder."""

    name: str

    @property
    def actors(self) -> Sequence[str]:
        """The names of the actors it holds: those that answer its pulses."""

    def start(self, timeout: float) -> None:
        """Start, or raise within `timeout` seconds."""

    def stop(self, timeout: float) -> bool:
        """Begin to stop, also with no time left; return whether it has stopped within `timeout` seconds."""

    def pulse(self, number: int) -> None:
        """Ask its actors for a sign of life, without waiting for it."""

    def oldest_waiting(self) -> float:
        """How many seconds the oldest unfinished input has waited."""


class ActorHealth(msgspec.Struct, frozen=True):
    """One actor as the supervisor sees it. `last_progress` is the wall time of its last answer to a pulse."""

    name: str
    state: State
    waiting: int
    restarts: int
    last_progress: datetime | None
    last_error: str | None


class _Watched:
    """What is known of one actor."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: State = "starting"
        self.waiting = 0
        self.restarts = 0
        self.last_progress: datetime | None = None
        self.last_error: str | None = None
        self.answered: int | None = None
        """The newest pulse it has answered; None: it holds no actor and is not asked."""


class Watch:
    """What the supervisor knows of its children and their actors; used from any thread.

    A pulse waits its turn behind the messages that were there before it: the age of the oldest one not answered is how
    long an actor has been without progress, also where it still answers older ones. Hung is one that has been so for
    `hung_after` seconds, or a core whose oldest input is that old. A thread cannot be killed, so that is as fatal as a
    `Fatal`: `on_fatal` is called, once in all.
    """

    def __init__(
        self,
        post: Post,
        on_fatal: Callable[[str], None],
        *,
        hung_after: float,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
    ) -> None:
        self._post = post
        self._on_fatal = on_fatal
        self._hung_after = hung_after
        self._clock = clock
        self._seconds = seconds
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._fatal: str | None = None
        self._beats = 0
        self._pulsed_at: dict[int, float] = {}

    def add(self, child: Child) -> None:
        """Begin to watch a child and its actors."""
        with self._lock:
            for name in (child.name, *child.actors):
                self._watched[name] = _Watched(name)
            for name in child.actors:
                self._watched[name].answered = self._beats

    def set_state(self, child: Child, state: State, error: str | None = None) -> None:
        """Note how the child's start or stop went; a start does not hide that an actor has failed meanwhile."""
        with self._lock:
            for name in (child.name, *child.actors):
                watched = self._watched[name]
                if state != "running" or watched.state == "starting":
                    watched.state = state
                watched.last_error = error or watched.last_error

    def take(self, message: Any) -> None:
        """Take what shells and core report."""
        match message:
            case Pulsed():
                self._answered(message)
            case Crashed():
                self._note(message.name, error=message.error, restarts=1)
            case Retired():
                self._note(message.name, state="retired", error=message.reason)
            case Fatal():
                self._note(message.name, state="failed", error=message.reason)
                self._end(f"{message.name}: {message.reason}")
            case _:
                letter = dead_letter("unknown", SUPERVISOR, message, "the supervisor has no use for it")
                self._post.bury(letter, about=message)

    def beat(self, children: Sequence[Child]) -> None:
        """Look for what hangs, then pulse every child."""
        for child in children:
            for name, why in self._waits(child, self._hung_after):
                self._hang(name, why)
        self._begin_beat()
        for child in children:
            try:
                child.pulse(self._beats)
            except Exception as error:  # whatever it is, the others still have to be pulsed
                _log.exception("%s failed at its pulse", child.name)
                self._note(child.name, error=describe(error))

    def health(self) -> list[ActorHealth]:
        """Return every child and actor as it is now, in the order of starting."""
        with self._lock:
            return [
                ActorHealth(each.name, each.state, each.waiting, each.restarts, each.last_progress, each.last_error)
                for each in self._watched.values()
            ]

    def stalled(self, children: Sequence[Child], allowed: float) -> list[str]:
        """Return who has made no progress for more than `allowed` seconds, and why that is thought, in words."""
        return [f"{name}: {why}" for child in children for name, why in self._waits(child, allowed)]

    def _begin_beat(self) -> None:
        with self._lock:
            self._beats += 1
            self._pulsed_at[self._beats] = self._seconds()
            answered = min((each.answered for each in self._watched.values() if each.answered is not None), default=0)
            for number in [number for number in self._pulsed_at if number <= answered]:
                del self._pulsed_at[number]

    def _answered(self, pulsed: Pulsed) -> None:
        with self._lock:
            watched = self._watched.setdefault(pulsed.name, _Watched(pulsed.name))
            watched.waiting = pulsed.waiting
            watched.last_progress = self._clock()
            watched.answered = max(watched.answered or 0, pulsed.number)

    def _waits(self, child: Child, allowed: float) -> list[tuple[str, str]]:
        """Return who of a child's own has been without progress for more than `allowed` seconds: name and why."""
        found = []
        oldest = child.oldest_waiting()
        if oldest > allowed:
            found.append((child.name, f"its oldest input has waited {oldest:.0f} s"))
        with self._lock:
            for name in child.actors:
                sent = self._pulsed_at.get((self._watched[name].answered or 0) + 1)
                if sent is not None and self._seconds() - sent > allowed:
                    found.append((name, f"no answer to a pulse for {self._seconds() - sent:.0f} s"))
        return found

    def _hang(self, name: str, why: str) -> None:
        self._note(name, state="hung", error=why)
        self._end(f"{name} hangs: {why}, {self._hung_after:g} s allowed")

    def _note(self, name: str, *, state: State | None = None, error: str, restarts: int = 0) -> None:
        with self._lock:
            watched = self._watched.setdefault(name, _Watched(name))
            watched.state = state or watched.state
            watched.restarts += restarts
            watched.last_error = error

    def _end(self, reason: str) -> None:
        with self._lock:
            first, self._fatal = self._fatal is None, self._fatal or reason
        if first:
            _log.error("fatal: %s", reason)
            self._on_fatal(reason)
