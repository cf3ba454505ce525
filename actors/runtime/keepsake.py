"""The keepsake: enough, in memory, to build a behaviour again exactly as it was before a message.

It is the state as encoded at the last checkpoint and the (now, message) pairs received since. A behaviour is a pure
function of state, now and message; so the decoded state, given the same pairs again with the effects thrown away, is
the state of before, to the last field. The effects were applied the first time and must not be again. No database is
needed, so a rebuild works just as well while the database is down. After a crash of the *process* the memory is gone:
then `db/rebuild.py` builds the states from what was committed, and the two meet in `Role.rebuild`, used here when the
keepsake itself cannot be decoded or its tail raises.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic

import msgspec

from actors.runtime.behaviour import Behaviour, S

_encoder = msgspec.msgpack.Encoder()


class Keepsake(Generic[S]):
    """The last checkpoint of a behaviour's state and the messages since, at most `tail` of them."""

    def __init__(self, make: Callable[[S], Behaviour[S]], state: S, tail: int) -> None:
        """Take the first checkpoint. Raises TypeError if the state holds what msgspec cannot encode."""
        self._make = make
        self._decoder = msgspec.msgpack.Decoder(type(state))
        self._longest = tail
        self._state = _encoder.encode(state)
        # One after the other, and no pairs: thousands of them would be looked through by the garbage collector.
        self._times: list[datetime] = []
        self._messages: list[Any] = []

    def checkpoint(self, state: S) -> None:
        """Encode the state and forget the messages before."""
        self._state = _encoder.encode(state)
        self._forget()

    def note(self, now: datetime, message: Any, state: S) -> None:
        """Keep a message the behaviour has handled; `state` is the one after it."""
        if len(self._times) < self._longest:
            self._times.append(now)
            self._messages.append(message)
        else:
            self.checkpoint(state)

    def rebuild(self) -> Behaviour[S]:
        """Return the behaviour as it was after the last message noted. Raises what decoding or the tail raises."""
        behaviour = self._make(self._decoder.decode(self._state))
        for now, message in zip(self._times, self._messages, strict=True):
            for _ in behaviour.receive(now, message):
                pass  # A receive written as a generator runs only as far as it is drawn from.
        return behaviour

    def restore(self, encoded: bytes) -> Behaviour[S]:
        """Begin again from an encoded state; return the behaviour. Raises msgspec.DecodeError on a foreign state."""
        behaviour = self._make(self._decoder.decode(encoded))
        self._state = encoded
        self._forget()
        return behaviour

    def _forget(self) -> None:
        self._times.clear()
        self._messages.clear()


def encoded(state: msgspec.Struct) -> bytes:
    """Return a state as a keepsake holds it (MessagePack)."""
    return _encoder.encode(state)
