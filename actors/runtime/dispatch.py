"""How the actors of the core take turns: one numbered input at a time, to the end, in the order of sending.

    input ─▶ number, record ─▶ route ─▶ step ─▶ due market timers ─▶ actor ─▶ run queue until empty ─▶ next step
                                                                                └▶ events for the journal: one batch

`Core` runs this on one thread at a time, `VirtualCore` in the caller's: the code that decides is this, and the same.
"""

from collections import deque
from datetime import UTC, datetime
from queue import SimpleQueue
from threading import get_ident
from time import monotonic
from typing import Any, Literal

import pykka
from msgspec.structs import replace
from pykka._envelope import Envelope  # Private by name: see tests/contract/test_pykka.py.
from pykka.messages import _ActorStop  # As above.

from actors.messages import Crashed, EventBatch, Fatal, Pulse
from actors.runtime.behaviour import After, Role
from actors.runtime.core_actor import CoreActor
from actors.runtime.faults import belongs_to_operator, describe, traceback_text
from actors.runtime.inbox import Envelopes
from actors.runtime.inputs import Route, Step, Waiting
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Refused, dead_letter
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.recording import Checkpoint
from actors.runtime.shell import Receiver, call_receive
from actors.runtime.timers import MarketTimers
from atlas.errors import InternalError

DAWN = datetime(1970, 1, 1, tzinfo=UTC)
"""What behaviours are told as `now` before the first market time is known."""

_CONTROL = (Pulse, _ActorStop)


class Dispatch:
    """The core without a decision on whose thread it runs; subclasses say so in `submit`.

    Market time is the newest `at` of a step and never goes back. A step that carries a later one first lets every
    timer due until then fire, in the order of due time and arming, each with `now` at its due time and each with all
    it causes. Before the first market time no timer fires; those armed by then count from it.
    """

    name = "core"

    def __init__(
        self,
        route: Route,
        post: Post,
        recorder: Recorder | None = None,
        journal: str = JOURNAL,
        *,
        number: int = 0,
        market_time: datetime | None = None,
        receiver: Receiver = call_receive,
    ) -> None:
        """`number` is the last input number of the run before, `market_time` what was known of it then."""
        self.timer = After
        self.number = number
        self.market_time = market_time
        self.failed: str | None = None
        self._route = route
        self._post = post
        self._recorder = recorder
        self._journal = journal
        self._receiver = receiver
        self._actors: dict[str, CoreActor] = {}
        self._inputs: SimpleQueue[Waiting] = SimpleQueue()
        self._timers = MarketTimers()
        self._run_queue: deque[tuple[CoreActor, Any, pykka.Future[Any] | None]] = deque()
        self._events: list[Any] = []
        self._turn: int | None = None  # The thread that is taking an input.
        self._begun = False
        self._checkpointed_on = None if market_time is None else market_time.date()

    # ── before the first input ──────────────────────────────────────────────────────────────────────────────────────

    def add(self, role: Role[Any]) -> None:
        """Place a role on the core. Raises InternalError once the core has begun: its inputs would not replay."""
        if self._begun:
            raise InternalError(f"{role.name} was added to the core after it began: add all actors first")
        CoreActor.start(role, self, self._post, self._receiver)

    def register(self, actor: CoreActor) -> None:
        """Take in an actor that Pykka has just started. Raises InternalError if its name is taken."""
        try:
            self._post.bind(actor.name, actor.actor_ref)
        except InternalError:
            actor.end()
            raise
        self._actors[actor.name] = actor

    def begin(self) -> None:
        """Start all behaviours in the order they were added, deliver what that caused, and write a checkpoint.

        This takes an input number of its own. Raises what a behaviour's `start` raises.
        """
        self._begun = True
        self.number += 1
        self._turn = get_ident()
        try:
            for actor in self._actors.values():
                actor.shell.start(self.now)
            self._drain()
            begun = tuple(self._events)
            self._hand_over()
            self._checkpoint("start", begun)
        finally:
            self._turn = None

    def restore(self, checkpoint: Checkpoint, codec: Codec) -> None:
        """Go on from a checkpoint instead of beginning. Raises InternalError if it is of other actors."""
        if set(checkpoint.actors) != set(self._actors):
            odd = ", ".join(sorted(set(checkpoint.actors) ^ set(self._actors)))
            raise InternalError(f"the checkpoint at input {checkpoint.number} does not fit these actors: {odd}")
        self._begun = True
        self.number = checkpoint.number
        self.market_time = checkpoint.market_time
        self._timers.restore(checkpoint.timers, checkpoint.early_timers, codec.decode)
        for name, saved in checkpoint.actors.items():
            self._actors[name].shell.restore(saved)

    # ── inputs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, message: Any) -> None:
        """Add an input to be routed; from any thread."""
        self.submit(Waiting(Envelope(message), None, monotonic()))

    def accept(self, name: str, envelope: Envelopes) -> None:
        """Take what was sent to a core actor: from the core it is part of this input, from elsewhere a new one."""
        if self._turn == get_ident():
            self._run_queue.append((self._actors[name], envelope.message, envelope.reply_to))
        else:
            self.submit(Waiting(envelope, name, monotonic()))

    def submit(self, waiting: Waiting) -> None:
        """Add an input."""
        raise NotImplementedError  # how inputs wait is what makes one core differ from another

    def take(self, waiting: Waiting) -> None:
        """Take one input and let all it causes run to the end. Nothing a behaviour does raises here."""
        self._turn = get_ident()
        try:
            message = waiting.envelope.message
            if isinstance(message, _CONTROL):
                self._control(waiting)
            elif self.failed is not None:
                self._refuse(waiting, f"the core takes no more inputs: {self.failed}")
            elif self._recorded(waiting):
                self._play(self._steps(waiting))
                if self._events:
                    self._hand_over()
                if self._recorder is not None:
                    self._checkpoint_at_midnight()
        except BaseException as error:  # behaviours raise nothing here: it is the core itself, which ends
            if not belongs_to_operator(error):
                self.fail(self.name, f"fault of the core at input {self.number}: {describe(error)}")
            raise
        finally:
            self._turn = None

    def ref(self, name: str) -> pykka.ActorRef[CoreActor]:
        """Return the reference of an actor of the core. Raises KeyError for another name."""
        return self._actors[name].actor_ref

    def state(self, name: str) -> Any:
        """Return the state of an actor's behaviour as it is, to be read between inputs only."""
        return self._actors[name].shell.state

    @property
    def now(self) -> datetime:
        """Market time as behaviours are told it."""
        return DAWN if self.market_time is None else self.market_time

    # ── what the shells call ────────────────────────────────────────────────────────────────────────────────────────

    def send(self, sender: str, to: str, message: Any) -> None:
        """Carry a behaviour's message: what is for the journal waits for the end of the input."""
        if to == self._journal:
            self._events.append(message)
        elif (actor := self._actors.get(to)) is not None and self._turn == get_ident():
            self._run_queue.append((actor, message, None))  # What `accept` would do, by a shorter way.
        else:
            self._post.send(sender, to, message)

    def arm(self, name: str, seconds: float, message: Any) -> None:
        """Arm a timer in market time."""
        self._timers.arm(name, self.market_time, seconds, message)

    def waiting(self) -> int:
        """How many inputs wait."""
        return self._inputs.qsize()

    def fail(self, name: str, reason: str) -> None:
        """Finish this input and take no more: what is not taken now is asked for again by the next process."""
        if self.failed is None:
            self.failed = reason
            if name == self.name:
                self._post.send(name, SUPERVISOR, Fatal(name=name, reason=reason))

    # ── one input ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _control(self, waiting: Waiting) -> None:
        """Pulse and stop reach no behaviour's state, so they are neither numbered nor recorded."""
        for actor in [self._actors[waiting.to]] if waiting.to is not None else self._actors.values():
            actor.handle(self.now, waiting.envelope.message, waiting.envelope.reply_to)

    def _recorded(self, waiting: Waiting) -> bool:
        """Number and record the input; one that cannot be recorded could not be replayed and is refused."""
        if self._recorder is not None:
            try:
                self._recorder.record(self.number + 1, waiting.to, waiting.envelope.message)
            except Exception as error:  # encoder or disk: the sender is told whichever
                self._refuse(waiting, f"it cannot be recorded: {describe(error)}", error)
                return False
        self.number += 1
        return True

    def _steps(self, waiting: Waiting) -> list[Step]:
        if waiting.to is not None:
            envelope = waiting.envelope
            self._run_queue.append((self._actors[waiting.to], envelope.message, envelope.reply_to))
            self._drain()
            return []
        try:
            return list(self._route(waiting.envelope.message))
        except Exception as error:  # whatever the message is: its sender is told, and the core goes on
            self._refuse(waiting, f"it cannot be routed: {describe(error)}", error)
            return []

    def _play(self, steps: list[Step]) -> None:
        for step in steps:
            at = step.at
            if at is not None and (self.market_time is None or at > self.market_time):
                self._advance(at)
            self.deliver(step.to, step.message)
            if self._run_queue:
                self._drain()

    def deliver(self, to: str, message: Any) -> None:
        """Give an actor its part of an input. Nothing waits before it, so it takes its turn without a queue."""
        actor = self._actors.get(to)
        if actor is None:
            self.send(self.name, to, message)
        else:
            actor.handle(self.market_time or DAWN, message, None)

    def _advance(self, at: datetime) -> None:
        if self.market_time is None:
            self._timers.begin(at)
            self._checkpointed_on = at.date()
        while (timer := self._timers.next_due(at)) is not None:
            self.market_time = timer.due
            self._post.send(timer.name, timer.name, timer.message)
            self._drain()
        self.market_time = at

    def _drain(self) -> None:
        queue, now = self._run_queue, self.now
        while queue:
            actor, message, reply_to = queue.popleft()
            actor.handle(now, message, reply_to)

    def _hand_over(self) -> None:
        if self._events:
            batch = EventBatch(number=self.number, at=self.market_time, events=tuple(self._events))
            self._events.clear()
            self._post.send(self.name, self._journal, batch)

    # ── checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _checkpoint(self, reason: Literal["start", "midnight"], begun: tuple[Any, ...] = ()) -> None:
        if self._recorder is None:
            return
        encode = self._recorder.codec.encode
        self._recorder.checkpoint(
            Checkpoint(
                number=self.number,
                wall=self._recorder.clock(),
                reason=reason,
                market_time=self.market_time,
                timers=tuple(replace(timer, message=encode(timer.message)) for timer in self._timers.pending),
                early_timers=tuple(replace(timer, message=encode(timer.message)) for timer in self._timers.early),
                actors={name: actor.shell.save() for name, actor in self._actors.items()},
                begun=tuple(encode(event) for event in begun),
            )
        )

    def _checkpoint_at_midnight(self) -> None:
        if self.market_time is None or self.market_time.date() == self._checkpointed_on:
            return
        self._checkpointed_on = self.market_time.date()
        try:
            self._checkpoint("midnight")
        except Exception as error:  # told; a replay then begins a day earlier, which is no reason to stop trading
            crashed = Crashed(
                name=self.name, error=f"no checkpoint: {describe(error)}", traceback=traceback_text(error)
            )
            self._post.send(self.name, SUPERVISOR, crashed)
            self._post.send(self.name, JOURNAL, crashed)

    def _refuse(self, waiting: Waiting, reason: str, error: BaseException | None = None) -> None:
        envelope = waiting.envelope
        if envelope.reply_to is not None:
            envelope.reply_to.set(Refused(reason))
        letter = dead_letter("input", waiting.to or self.name, envelope.message, reason,
                             "" if error is None else traceback_text(error))  # fmt: skip
        self._post.bury(letter, about=envelope.message)
