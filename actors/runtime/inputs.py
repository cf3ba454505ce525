"""The inputs of the core, and what a route makes of them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from actors.runtime.inbox import Envelopes


class Step(msgspec.Struct, frozen=True):
    """One delivery of a routed input. `at` is the market time it carries, if it carries one."""

    at: datetime | None
    to: str
    message: Any


Route = Callable[[Any], Iterable[Step]]
"""Says, from the message alone, who gets what of an input, in which order."""


class Waiting(msgspec.Struct, frozen=True):
    """An input not yet taken: routed if `to` is None, else for that actor. `since` is monotonic seconds."""

    envelope: Envelopes
    to: str | None
    since: float
