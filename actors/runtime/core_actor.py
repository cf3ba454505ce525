"""The Pykka actor of a role on the core: a real reference, no thread of its own."""

from datetime import datetime
from typing import Any, Protocol, cast

import pykka
from pykka.messages import _ActorStop  # Private by name: see tests/contract/test_pykka.py.

from actors.runtime.behaviour import Role
from actors.runtime.inbox import CoreInbox, TurnTaker
from actors.runtime.post import Post, Refused, dead_letter
from actors.runtime.shell import Carrier, Receiver, Shell


class Dispatcher(Carrier, TurnTaker, Protocol):
    """The core, as its actors see it."""

    def register(self, actor: "CoreActor") -> None:
        """Take in an actor that Pykka has just started."""


class CoreActor(pykka.Actor):
    """An actor that takes its turns from a dispatcher."""

    def __init__(self, role: Role[Any], dispatcher: Dispatcher, post: Post, receiver: Receiver) -> None:
        super().__init__()
        self.name = role.name
        self.shell = Shell(role, dispatcher, post, receiver)
        self._dispatcher = dispatcher
        self._post = post
        self._stopped = False  # What `actor_stopped` says, without a lock to look at.
        cast("CoreInbox", self.actor_inbox).belong(dispatcher, role.name)

    @staticmethod
    def _create_actor_inbox() -> CoreInbox:
        return CoreInbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        self._dispatcher.register(self)

    def handle(self, now: datetime, message: Any, reply_to: pykka.Future[Any] | None) -> None:
        """Take one turn. What was sent before a stop and comes after it is a dead letter."""
        answer: Any = None
        if type(message) is _ActorStop:
            self.end()
        elif self._stopped:
            answer = Refused(f"{self.name} has stopped")
            self._post.bury(dead_letter("unknown", self.name, message, answer.reason), about=message)
        else:
            answer = self.shell.receive(now, message)
        if reply_to is not None:
            reply_to.set(answer)

    def end(self) -> None:
        """Stop this actor now; Pykka calls `on_stop`."""
        if not self.actor_stopped.is_set():
            self._stop()

    def on_stop(self) -> None:
        """Let the behaviour end."""
        self._stopped = True
        self.shell.stop()
