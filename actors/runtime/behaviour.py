"""What a behaviour is: a plain class that turns (state, now, message) into effects.

A behaviour has no thread, no clock, no network, no database and no randomness inside when it runs on the core. It says
what should happen by returning effects; nothing happens before `receive` has returned all of them.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from actors.runtime.policy import Policy

S = TypeVar("S", bound=msgspec.Struct)


class Send(msgspec.Struct, frozen=True):
    """Send a message to the actor of that name."""

    to: str
    message: Any


class After(msgspec.Struct, frozen=True):
    """Deliver the message to the sender itself once `seconds` of market time have passed. Core actors only.

    `seconds` is at least one microsecond: a timer due at once would fire for ever without time passing.
    """

    seconds: float
    message: Any


class AfterWall(msgspec.Struct, frozen=True):
    """Deliver the message to the sender itself after `seconds` of wall time. Own-thread actors only."""

    seconds: float
    message: Any


class Reply(msgspec.Struct, frozen=True):
    """The answer to whoever asked; dropped if the message was told. The last one counts."""

    answer: Any


Effect = Send | After | AfterWall | Reply


class Behaviour(Generic[S]):
    """Base of all behaviours.

    `state` is a msgspec.Struct and holds everything that must survive a crash: a behaviour is rebuilt from it alone.
    It is a tree (no object twice in it), and messages are never changed nor made part of it in a mutable way.
    """

    state: S

    def start(self, now: datetime) -> Iterable[Effect]:
        """Return the effects of a first start or a process restart: above all the timers to be armed again."""
        return ()

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        """Return the effects of one message. `now` is market time on the core, wall time on an own thread."""
        raise NotImplementedError  # what a behaviour is

    def resume(self, now: datetime) -> Iterable[Effect]:
        """Return what is to be done after a crash and rebuild, before the message comes again.

        Timers and mailbox were kept. Only actors that hold something of the world (a socket) have use for it.
        """
        return ()

    def stop(self) -> None:
        """Let go of what is held of the world (sockets, connections): at the actor's stop, and when the shell
        discards this behaviour after a crash."""


class Role(msgspec.Struct, Generic[S], frozen=True):
    """An actor before it is placed anywhere: `core.add(role)` or `OwnThread(role, ...)`.

    `make` builds the behaviour around a state; whatever else it needs, `make` closes over. `state` is the first one.
    `rebuild` builds it from the database, when state and tail in memory cannot. `tail` is how many messages are
    replayed at most on a rebuild. It must be 0 (a checkpoint after every message) where `receive` itself touches the
    world, because replaying would touch it again. `kept` False: nothing is remembered to rebuild it from, where a crash
    ends everything anyway (a replay of files).
    """

    name: str
    make: Callable[[S], Behaviour[S]]
    state: S
    policy: Policy = Policy()
    rebuild: Callable[[], Behaviour[S]] | None = None
    tail: int = 64
    kept: bool = True
