"""The shell around a behaviour: nothing a behaviour raises gets past it.

On a crash: flush the journal, rebuild the behaviour as it was before the message, deliver the message once more. The
second failure makes it a dead letter with traceback. Mailbox, timers and address belong to the actor and its
dispatcher, not to the behaviour, so they are untouched. What the shell itself reports (Flush, Crashed, Retired,
DeadLetter) goes straight to journal and supervisor and never into the core's batch of events: a run with a crash gives
the same batches as one without.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol

import msgspec

from actors.messages import Crashed, Fatal, Flush, Halt, Pulse, Pulsed, Retired
from actors.runtime.behaviour import After, AfterWall, Behaviour, Effect, Reply, Role, S, Send
from actors.runtime.faults import belongs_to_operator, describe, traceback_text
from actors.runtime.keepsake import Keepsake, encoded
from actors.runtime.policy import Restarts
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Refused, dead_letter

_log = logging.getLogger(__name__)

_EVERYWHERE = (Send, Reply)  # A union written in place would be built anew for every effect.

Receiver = Callable[[str, Behaviour[Any], datetime, Any], Iterable[Effect]]


class Carrier(Protocol):
    """The dispatcher, as a shell sees it: it carries the effects out."""

    @property
    def timer(self) -> type[After] | type[AfterWall]:
        """The kind of timer it has."""

    def send(self, sender: str, to: str, message: Any) -> None:
        """Send a behaviour's message."""

    def arm(self, name: str, seconds: float, message: Any) -> None:
        """Arm a timer of the actor."""

    def waiting(self) -> int:
        """How many messages wait before a new one."""

    def fail(self, name: str, reason: str) -> None:
        """Take no more: the actor has failed for good and the process is to end."""


class SavedShell(msgspec.Struct, frozen=True):
    """What a recorder's checkpoint holds of one actor: encoded state, restarts counted, why it takes no more."""

    state: bytes
    restarts: tuple[datetime, ...] = ()
    gone: str | None = None


def call_receive(name: str, behaviour: Behaviour[Any], now: datetime, message: Any) -> Iterable[Effect]:
    """Hand a message to the behaviour of the actor called `name`; a test replaces this to make it crash."""
    return behaviour.receive(now, message)


class Shell(Generic[S]):
    """One behaviour with its keepsake, restarts and policy. Used by one thread at a time."""

    def __init__(self, role: Role[S], carrier: Carrier, post: Post, receiver: Receiver = call_receive) -> None:
        """Raises TypeError if the role's state holds what msgspec cannot encode."""
        self.name = role.name
        self.gone: str | None = None
        self._role = role
        self._kept = role.kept
        self._carrier = carrier
        self._post = post
        self._receiver = receiver
        self._keepsake = Keepsake(role.make, role.state, role.tail)
        self._behaviour = self._keepsake.rebuild()  # Of a copy: a role can be placed again.
        self._restarts = Restarts(role.policy)

    @property
    def state(self) -> S:
        """The behaviour's state as it is."""
        return self._behaviour.state

    def start(self, now: datetime) -> None:
        """Start the behaviour and carry its effects out. Whatever it raises goes to who starts the actor."""
        effects = self._checked(self._behaviour.start(now))
        self._keepsake.checkpoint(self._behaviour.state)
        self._carry(effects)

    def receive(self, now: datetime, message: Any) -> Any:
        """Let the behaviour handle a message; return its reply, or Refused if the message became a dead letter."""
        if type(message) is Pulse:
            return self._pulsed(message)
        if self.gone is not None:
            return self._refuse(message, f"{self.name} takes no more messages: {self.gone}")
        try:
            effects = self._attempt(now, message)
        except BaseException as error:  # a behaviour's crash, whatever it is: rebuilt, and the message once more
            if belongs_to_operator(error):
                raise
            return self._deliver_again(now, message, error)
        return self._carry(effects) if effects else None

    def stop(self) -> None:
        """Let the behaviour let go of the world; what it raises is reported."""
        try:
            self._behaviour.stop()
        except BaseException as error:  # the others still have to be stopped
            if belongs_to_operator(error):
                raise
            self._report(error)

    def save(self) -> SavedShell:
        """Return what is needed to go on from here in another process."""
        return SavedShell(encoded(self._behaviour.state), self._restarts.times, self.gone)

    def restore(self, saved: SavedShell) -> None:
        """Go on from a saved shell. Raises msgspec.DecodeError if the state is another program's."""
        self._behaviour = self._keepsake.restore(saved.state)
        self._restarts = Restarts(self._role.policy, saved.restarts)
        self.gone = saved.gone

    def _attempt(self, now: datetime, message: Any) -> list[Effect]:
        behaviour = self._behaviour
        effects = self._receiver(self.name, behaviour, now, message)
        checked = self._checked(effects) if effects != () else []  # Most trades cause nothing.
        if self._kept:
            self._keepsake.note(now, message, behaviour.state)
        return checked

    def _checked(self, effects: Iterable[Effect]) -> list[Effect]:
        """Draw all effects and refuse what this dispatcher cannot carry, before any is carried out."""
        drawn = list(effects)
        for effect in drawn:
            if type(effect) is Send or isinstance(effect, _EVERYWHERE):  # Almost all are, and `is` is sooner asked.
                continue
            if not isinstance(effect, self._carrier.timer):
                raise TypeError(f"{self.name} returned {effect!r}: here only Send, Reply and "
                                f"{self._carrier.timer.__name__} can be carried out")  # fmt: skip
            if timedelta(seconds=effect.seconds) <= timedelta(0):
                raise ValueError(f"{self.name} returned {effect!r}: a timer needs at least one microsecond")
        return drawn

    def _carry(self, effects: list[Effect]) -> Any:
        answer = None
        for effect in effects:
            if type(effect) is Send or isinstance(effect, Send):
                self._carrier.send(self.name, effect.to, effect.message)
            elif isinstance(effect, Reply):
                answer = effect.answer
            else:
                self._carrier.arm(self.name, effect.seconds, effect.message)
        return answer

    def _pulsed(self, pulse: Pulse) -> Pulsed:
        pulsed = Pulsed(name=self.name, number=pulse.number, waiting=self._carrier.waiting())
        self._post.send(self.name, SUPERVISOR, pulsed)
        return pulsed

    # ── crashes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver_again(self, now: datetime, message: Any, first: BaseException) -> Any:
        if not self._role.kept:
            self._report(first)
            self._fail(describe(first))
            return self._refuse(message, self.gone or "", first)
        if not self._recover(now, first):
            return self._refuse(message, self.gone or "", first)
        try:
            effects = self._attempt(now, message)
        except BaseException as second:  # twice: a dead letter, with its traceback
            if belongs_to_operator(second):
                raise
            return self._poisoned(now, message, second)
        return self._carry(effects)

    def _poisoned(self, now: datetime, message: Any, second: BaseException) -> Refused:
        refused = self._refuse(message, f"failed twice: {describe(second)}", second)
        self._recover(now, second)
        if self._role.policy.poison_exits:
            self._fail(f"could not handle {type(message).__name__}: {describe(second)}")
        return refused

    def _recover(self, now: datetime, error: BaseException) -> bool:
        """Report, rebuild, and keep to the policy; return whether the actor goes on."""
        if self.name != JOURNAL:
            self._post.send(self.name, JOURNAL, Flush())
        self._report(error)
        try:
            self._rebuild(now)
        except BaseException as failure:  # it cannot be rebuilt: told, and given up by its policy
            if belongs_to_operator(failure):
                raise
            self._report(failure)
            self._give_up(f"it could not be rebuilt: {describe(failure)}")
            return False
        if self._restarts.exceeded_by(now):
            policy = self._role.policy
            self._exceeded(f"{len(self._restarts.times)} restarts within {policy.window:g} s, "
                           f"{policy.limit} allowed; the last error was {describe(error)}")  # fmt: skip
        return self.gone is None

    def _rebuild(self, now: datetime) -> None:
        self.stop()
        try:
            self._behaviour = self._keepsake.rebuild()
        except BaseException as error:  # reported; what memory cannot rebuild the database may
            if belongs_to_operator(error) or self._role.rebuild is None:
                raise
            self._report(error)
            self._behaviour = self._role.rebuild()
        effects = self._checked(self._behaviour.resume(now))
        self._keepsake.checkpoint(self._behaviour.state)
        self._carry(effects)

    def _exceeded(self, reason: str) -> None:
        if self._role.policy.action == "halt":
            self._halt_entries(reason)
            self._restarts.forget()
        else:
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        if self._role.policy.action == "exit":
            self._fail(reason)
            return
        if self._role.policy.action == "halt":
            self._halt_entries(reason)
        self.gone = reason
        self._tell_both(Retired(name=self.name, reason=reason))

    def _fail(self, reason: str) -> None:
        if self.gone is None:
            self.gone = reason
            self._post.send(self.name, SUPERVISOR, Fatal(name=self.name, reason=reason))
            self._carrier.fail(self.name, reason)

    def _halt_entries(self, reason: str) -> None:
        halt = Halt(source="supervisor", reason=f"{self.name}: {reason}")
        self._carrier.send(self.name, self._role.policy.risk_monitor, halt)

    def _refuse(self, message: Any, reason: str, error: BaseException | None = None) -> Refused:
        text = traceback_text(error) if error is not None else ""
        self._post.bury(dead_letter(self.name, self.name, message, reason, text), about=message)
        return Refused(reason)

    def _report(self, error: BaseException) -> None:
        _log.error("%s crashed: %s", self.name, describe(error), exc_info=error)
        self._tell_both(Crashed(name=self.name, error=describe(error), traceback=traceback_text(error)))

    def _tell_both(self, message: Crashed | Retired) -> None:
        self._post.send(self.name, SUPERVISOR, message)
        # The journal is not told of its own crashes: a journal that crashes on a report would never come to an end.
        if self.name != JOURNAL:
            self._post.send(self.name, JOURNAL, message)
