"""The post: names instead of references, and dead letters instead of exceptions in the sender."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import pykka

from actors.messages import DeadLetter, OutboxReady
from atlas.errors import InternalError, UnavailableError

JOURNAL = "journal"
SUPERVISOR = "supervisor"

_log = logging.getLogger(__name__)


class Address(Protocol):
    """Where messages to a name go: an actor's reference, the supervisor, or a test's sink."""

    def tell(self, message: Any) -> None:
        """Take the message without blocking; raise pykka.ActorDeadError if nobody is there."""


class Refused:
    """The answer to an ask whose message became a dead letter."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Sink:
    """An address that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def tell(self, message: Any) -> None:
        """Keep the message."""
        self.messages.append(message)


def dead_letter(sender: str, to: str, message: Any, reason: str, traceback: str = "") -> DeadLetter:
    """Return the dead letter for a message; its text is cut at 2000 characters."""
    return DeadLetter(to=to, sender=sender, text=repr(message)[:2000], reason=reason, traceback=traceback)


class Post:
    """Delivers messages by name, from any thread.

    A message to an unknown or stopped name becomes a dead letter: kept (the newest `keep`), counted in `buried`, sent
    to the journal, and handed to `on_dead_letter` in the sender's thread. `otherwise` takes what goes to names nobody
    is bound to, where the outside is left out on purpose (a replay).
    """

    def __init__(
        self,
        on_dead_letter: Callable[[DeadLetter], None] | None = None,
        *,
        otherwise: Address | None = None,
        keep: int = 1000,
    ) -> None:
        self._addresses: dict[str, Address] = {}
        self._on_dead_letter = on_dead_letter
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self.dead_letters: deque[DeadLetter] = deque(maxlen=keep)
        self.buried = 0

    def bind(self, name: str, address: Address) -> None:
        """Give the name to an address. Raises InternalError if a living actor holds it already."""
        with self._lock:
            held = self._addresses.get(name)
            if held is not None and not (isinstance(held, pykka.ActorRef) and not held.is_alive()):
                raise InternalError(f"two actors are called {name!r}: give one of them another name")
            self._addresses[name] = address

    def send(self, sender: str, to: str, message: Any) -> None:
        """Hand the message to whoever is called `to`; never raises for want of a receiver."""
        address = self._addresses.get(to, self._otherwise)
        if address is None:
            self.bury(dead_letter(sender, to, message, f"nobody is called {to!r}"), about=message)
            return
        try:
            address.tell(message)
        except pykka.ActorDeadError:
            if not isinstance(message, OutboxReady):  # Nothing is lost: the next process looks at once.
                self.bury(dead_letter(sender, to, message, f"{to} has stopped"), about=message)

    def ask(self, to: str, message: Any, timeout: float) -> Any:
        """Return the answer of the actor called `to`.

        Raises UnavailableError if nobody is there or no answer came within `timeout` seconds, InternalError if the
        message failed there. Never to be used on the core.
        """
        ref = self._addresses.get(to)
        if not isinstance(ref, pykka.ActorRef):
            raise UnavailableError(f"no actor is called {to!r}: it was never started")
        try:
            answer = ref.ask(message, timeout=timeout)
        except pykka.ActorDeadError as error:
            raise UnavailableError(f"{to} has stopped and cannot answer {type(message).__name__}") from error
        except pykka.Timeout as error:
            raise UnavailableError(
                f"{to} gave no answer to {type(message).__name__} within {timeout} s: it is busy or hung"
            ) from error
        if isinstance(answer, Refused):
            raise InternalError(f"{to} could not handle {type(message).__name__}: {answer.reason}")
        return answer

    def bury(self, letter: DeadLetter, *, about: Any = None) -> None:
        """Keep and count a dead letter and show it to journal and listener, except one about a dead letter."""
        with self._lock:
            self.dead_letters.append(letter)
            self.buried += 1
        _log.warning("dead letter from %s to %s: %s: %s", letter.sender, letter.to, letter.reason, letter.text[:200])
        if isinstance(about, DeadLetter):
            return
        journal = self._addresses.get(JOURNAL)
        if journal is not None and letter.to != JOURNAL:
            try:
                journal.tell(letter)
            except pykka.ActorDeadError:
                _log.warning("the journal has stopped: the dead letter to %s is kept in memory only", letter.to)
        if self._on_dead_letter is not None:
            try:
                self._on_dead_letter(letter)
            except Exception:  # a fault of the listener's must not stop the sender, who has done nothing wrong
                _log.exception("the listener for dead letters failed")
