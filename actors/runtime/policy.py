"""Restart intensity, as in Erlang's OTP: more than `limit` restarts within `window` seconds is too many."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """What happens to an actor that crashes too often.

    action  retire  it takes no more messages; the others go on
            halt    entries are halted by a `Halt` to `risk_monitor`; the actor goes on
            exit    the process ends in order with exit code 70, and is started afresh from outside
    With `poison_exits` a single message that fails twice is enough for the exit. Every crash is one restart: a message
    that fails twice counts two.
    """

    limit: int = 3
    window: float = 300.0
    action: Literal["retire", "halt", "exit"] = "retire"
    poison_exits: bool = False
    risk_monitor: str = "risk_monitor"


class Restarts:
    """The restarts of one actor within the policy's window, measured in the `now` of the messages."""

    def __init__(self, policy: Policy, times: Iterable[datetime] = ()) -> None:
        self._limit = policy.limit
        self._window = timedelta(seconds=policy.window)
        self._times = deque(times)

    def exceeded_by(self, now: datetime) -> bool:
        """Count one restart at `now`; return whether there are now more than `limit` in the window."""
        self._times.append(now)
        while now - self._times[0] > self._window:
            self._times.popleft()
        return len(self._times) > self._limit

    def forget(self) -> None:
        """Begin to count anew."""
        self._times.clear()

    @property
    def times(self) -> tuple[datetime, ...]:
        """When the counted restarts were."""
        return tuple(self._times)
