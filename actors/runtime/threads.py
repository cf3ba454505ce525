"""Actors with their own thread, for those that wait on the world."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, cast

import pykka
from pykka.messages import _ActorStop  # Private by name: see tests/contract/test_pykka.py.

from actors.messages import Fatal, OutboxReady, Pulse
from actors.runtime.behaviour import AfterWall, Role
from actors.runtime.faults import describe
from actors.runtime.inbox import Envelopes, ThreadInbox
from actors.runtime.post import SUPERVISOR, Post, Refused, dead_letter
from actors.runtime.shell import Receiver, Shell, call_receive
from atlas.errors import AtlasError, InternalError


def utc_now() -> datetime:
    """Return the wall clock, UTC."""
    return datetime.now(UTC)


def wall_seconds() -> float:
    """Return the monotonic clock, seconds: for silence and deadlines."""
    return monotonic()


class Beginning:
    """How the start of an own-thread actor went, for who waits for it."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.failure: BaseException | None = None


class ThreadActor(pykka.ThreadingActor):
    """The Pykka actor of one own-thread role."""

    use_daemon_thread = True

    def __init__(
        self, role: Role[Any], post: Post, clock: Callable[[], datetime], receiver: Receiver, beginning: Beginning
    ) -> None:
        super().__init__()
        self.timer = AfterWall
        self._post = post
        self._clock = clock
        self._beginning = beginning
        self._shell = Shell(role, self, post, receiver)

    @staticmethod
    def _create_actor_inbox() -> ThreadInbox:
        return ThreadInbox()

    def _inbox(self) -> ThreadInbox:
        return cast("ThreadInbox", self.actor_inbox)

    # ── what Pykka calls ────────────────────────────────────────────────────────────────────────────────────────────

    def on_start(self) -> None:
        """Take the name and start the behaviour; what it raises is kept for who starts the actor."""
        try:
            self._post.bind(self._shell.name, self.actor_ref)
            self._shell.start(self._clock())
        except BaseException as error:  # told to who starts it, and raised
            self._beginning.failure = error
            self._shell.stop()
            # Pykka runs no hook after this and ends the actor; SystemExit would end the thread and leave it "alive".
            raise InternalError(f"{self._shell.name} could not start: {describe(error)}") from error
        finally:
            self._beginning.over.set()

    def on_receive(self, message: Any) -> Any:
        """Hand a message or a due timer to the behaviour."""
        return self._shell.receive(self._clock(), message)

    def on_stop(self) -> None:
        """Let the behaviour let go of the world."""
        self._shell.stop()

    def on_failure(self, exception_type: Any, exception_value: BaseException | None, traceback: Any) -> None:
        """The shell itself has failed: Pykka has stopped this actor, so the process must end."""
        self._post.send(
            self._shell.name, SUPERVISOR, Fatal(self._shell.name, f"fault of the shell: {exception_value!r}")
        )

    def _actor_loop_teardown(self) -> None:
        self._inbox().close(self._bury)

    def _bury(self, envelope: Envelopes) -> None:
        message, reply_to = envelope.message, envelope.reply_to
        reason = f"{self._shell.name} has stopped"
        if isinstance(message, _ActorStop):
            if reply_to is not None:
                reply_to.set(None)
            return
        if reply_to is not None:
            reply_to.set(Refused(reason))
        if isinstance(message, OutboxReady):  # Nothing is lost: the next process looks at once.
            return
        self._post.bury(dead_letter("unknown", self._shell.name, message, reason), about=message)

    # ── what the shell calls ────────────────────────────────────────────────────────────────────────────────────────

    def send(self, sender: str, to: str, message: Any) -> None:
        """Send at once."""
        self._post.send(sender, to, message)

    def arm(self, name: str, seconds: float, message: Any) -> None:
        """Arm a wall timer."""
        self._inbox().arm(seconds, message)

    def waiting(self) -> int:
        """How many messages wait."""
        return self._inbox().waiting()

    def fail(self, name: str, reason: str) -> None:
        """Nothing to do: the shell takes no more, and the supervisor has been told."""


class OwnThread:
    """A role placed on its own thread, as a child of the supervisor."""

    def __init__(
        self,
        role: Role[Any],
        post: Post,
        *,
        clock: Callable[[], datetime] = utc_now,
        receiver: Receiver = call_receive,
    ) -> None:
        self.name = role.name
        self.actors: Sequence[str] = (role.name,)
        self._role, self._post, self._clock, self._receiver = role, post, clock, receiver
        self._ref: pykka.ActorRef[ThreadActor] | None = None

    @property
    def ref(self) -> pykka.ActorRef[ThreadActor]:
        """The actor's reference. Raises InternalError before `start`."""
        if self._ref is None:
            raise InternalError(f"{self.name} was not started")
        return self._ref

    def start(self, timeout: float) -> None:
        """Start the actor; return when its behaviour has started.

        Raises what the behaviour raised, if that is an AtlasError, else InternalError; also after `timeout` seconds.
        """
        beginning = Beginning()
        self._ref = ThreadActor.start(self._role, self._post, self._clock, self._receiver, beginning)
        if not beginning.over.wait(timeout):
            raise InternalError(f"{self.name} did not start within {timeout:g} s: see what it waits for")
        failure = beginning.failure
        if isinstance(failure, AtlasError):
            raise failure
        if failure is not None:
            raise InternalError(f"{self.name} could not start: {describe(failure)}") from failure

    def stop(self, timeout: float) -> bool:
        """Ask the actor to stop after what waits now; return whether it has within `timeout` seconds."""
        if self._ref is None:
            return True
        try:
            self._ref.stop(timeout=max(timeout, 0.0))
        except pykka.Timeout:
            return False
        return True

    def pulse(self, number: int) -> None:
        """Ask for a sign of life."""
        self._post.send(SUPERVISOR, self.name, Pulse(number=number))

    def oldest_waiting(self) -> float:
        """Not measured on own threads: an unanswered pulse says the same."""
        return 0.0
