"""Crash injection, for tests of any dispatcher: an actor crashes at a chosen message."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

from actors.runtime.behaviour import Behaviour, Effect


class _Crash(msgspec.Struct):
    when: Callable[[int, Any], bool]
    error: type[BaseException]
    moment: Literal["before", "after"]
    left: int


class Saboteur:
    """A receiver for shells (`OwnThread(..., receiver=saboteur.receive)`) that crashes where it was told to."""

    def __init__(self) -> None:
        self._plans: dict[str, list[_Crash]] = {}
        self._handled: dict[str, int] = {}
        self._crashed_on: dict[str, Any] = {}

    def crash_at(
        self,
        name: str,
        when: int | Callable[[Any], bool],
        *,
        times: int = 1,
        moment: Literal["before", "after"] = "after",
        error: type[BaseException] = RuntimeError,
    ) -> None:
        """Let the actor crash at its nth message (from 1, redeliveries not counted), or at those a predicate picks.

        `before` crashes instead of the behaviour's `receive`; `after` once it has changed the state, with its effects
        thrown away. `times` 2 crashes the redelivery too, which makes the message poison.
        """

        def chosen(count: int, message: Any) -> bool:
            return when(message) if callable(when) else count == when

        self._plans.setdefault(name, []).append(_Crash(chosen, error, moment, times))

    def receive(self, name: str, behaviour: Behaviour[Any], now: datetime, message: Any) -> Iterable[Effect]:
        """Hand the message to the behaviour, or crash."""
        if self._crashed_on.pop(name, None) is not message:
            self._handled[name] = self._handled.get(name, 0) + 1
        for crash in self._plans.get(name, ()):
            if crash.left and crash.when(self._handled[name], message):
                crash.left -= 1
                self._crashed_on[name] = message
                if crash.moment == "after":
                    list(behaviour.receive(now, message))
                raise crash.error(f"sabotage of {name} at message {self._handled[name]}")
        return behaviour.receive(now, message)
