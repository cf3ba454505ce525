"""The test kit: a virtual core whose every message can be seen, and whose actors crash when told to."""

from collections.abc import Iterable, Mapping
from copy import copy
from datetime import datetime
from typing import Any

import msgspec

from actors.messages import EventBatch
from actors.runtime.behaviour import Behaviour, Role
from actors.runtime.inputs import Route
from actors.runtime.policy import Policy
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.recorder import Recorder
from actors.runtime.sabotage import Saboteur
from actors.runtime.virtual import VirtualCore


class Sent(msgspec.Struct, frozen=True):
    """One message on its way: in which input and at which market time, from whom, to whom."""

    number: int
    now: datetime
    sender: str
    to: str
    message: Any


def role_of(name: str, behaviour: Behaviour[Any], policy: Policy | None = None) -> Role[Any]:
    """Return the role of a behaviour made by hand; it is rebuilt as a shallow copy around the state."""

    def make(state: Any) -> Behaviour[Any]:
        made = copy(behaviour)
        made.state = state
        return made

    return Role(name=name, make=make, state=behaviour.state, policy=policy or Policy())


class Kit:
    """A virtual core for tests.

    `sent` lists every message in the order of sending, also those of the runtime (Crashed, Flush, Retired ...) and
    those to the journal one by one; `batches` is what the journal got of them. Names in `outside`, and journal and
    supervisor, are sinks that keep what they are told (`sinks`); all other names are unknown, as in production.
    """

    def __init__(
        self,
        actors: Mapping[str, Behaviour[Any]] | Iterable[Role[Any]],
        route: Route,
        *,
        outside: Iterable[str] = (),
        recorder: Recorder | None = None,
        market_time: datetime | None = None,
    ) -> None:
        """`actors` are behaviours by name, or roles; they are started at once, in order."""
        self.sent: list[Sent] = []
        self.noted: Any = None
        self.sinks = {name: Sink() for name in (JOURNAL, SUPERVISOR, *outside)}
        self.saboteur = Saboteur()
        self.crash_at = self.saboteur.crash_at
        self.post = _SeenPost(self)
        self.core = _SeenCore(
            route, self.post, recorder, market_time=market_time, receiver=self.saboteur.receive, seen_by=self
        )
        for name, sink in self.sinks.items():
            self.post.bind(name, sink)
        roles = [role_of(*item) for item in actors.items()] if isinstance(actors, Mapping) else actors
        for role in roles:
            self.core.add(role)
        self.core.begin()

    def run(self, message: Any, to: str | None = None) -> None:
        """Take one input, routed or addressed, to its end."""
        self.core.run(message, to)

    def to(self, name: str) -> list[Any]:
        """Return the messages sent to that name, in order."""
        return [sent.message for sent in self.sent if sent.to == name]

    @property
    def batches(self) -> list[EventBatch]:
        """What the journal was handed, one batch an input."""
        return [message for message in self.sinks[JOURNAL].messages if isinstance(message, EventBatch)]

    def state(self, name: str) -> Any:
        """Return the state of an actor's behaviour."""
        return self.core.state(name)

    def close(self) -> None:
        """Stop all actors."""
        self.core.close()

    def note(self, sender: str, to: str, message: Any) -> None:
        """Note a message sent."""
        self.sent.append(Sent(self.core.number, self.core.now, sender, to, message))


class _SeenPost(Post):
    def __init__(self, kit: Kit) -> None:
        super().__init__()
        self._kit = kit

    def send(self, sender: str, to: str, message: Any) -> None:
        if not isinstance(message, EventBatch) and message is not self._kit.noted:
            self._kit.note(sender, to, message)
        super().send(sender, to, message)


class _SeenCore(VirtualCore):
    def __init__(self, *arguments: Any, seen_by: Kit, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kit = seen_by

    def deliver(self, to: str, message: Any) -> None:
        """Note it here: it is not sent."""
        if to in self._actors:
            self._kit.note(self.name, to, message)
        super().deliver(to, message)

    def send(self, sender: str, to: str, message: Any) -> None:
        """Note it here: between actors of the core it does not go by the post."""
        self._kit.note(sender, to, message)
        self._kit.noted, before = message, self._kit.noted
        try:
            super().send(sender, to, message)
        finally:
            self._kit.noted = before
