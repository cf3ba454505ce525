"""Replay: what a recorded core did, done again in virtual time."""

from collections.abc import Iterable, Iterator
from typing import Any

from actors.messages import EventBatch
from actors.runtime.behaviour import Role
from actors.runtime.inputs import Route
from actors.runtime.post import JOURNAL, Post, Sink
from actors.runtime.recorder import Codec
from actors.runtime.recording import Checkpoint, Record, RecordedInput
from actors.runtime.virtual import VirtualCore
from atlas.errors import DataError


class _Nowhere:
    """The outside of a replay: feed, history and alerter are not there, and what goes to them is forgotten."""

    def tell(self, message: Any) -> None:
        """Forget the message."""


def replay(
    records: Iterable[Record], roles: Iterable[Role[Any]], route: Route, codec: Codec, journal: str = JOURNAL
) -> Iterator[EventBatch]:
    """Play records as `recording.read` yields them; yield every batch of events the core hands to the journal.

    A checkpoint of reason `start` begins a core afresh, as the process did. `roles` are those of the recording, their
    states are taken from it. Records before the first checkpoint are passed over: nothing is known of the state then.
    Raises DataError if there are inputs and no checkpoint, if the numbers do not fit, or if a recorded input leaves the
    core unable to go on; InternalError if the checkpoint is of other actors.
    """
    playing = tuple(roles)
    core: VirtualCore | None = None
    passed_over = 0
    journalled = Sink()
    try:
        for record in records:
            if isinstance(record, Checkpoint):
                if core is None or record.reason == "start":
                    if core is not None:
                        core.close()
                    core = _core_from(record, playing, route, codec, journal, journalled)
                    if record.begun:
                        yield EventBatch(record.number, record.market_time, tuple(map(codec.decode, record.begun)))
            elif core is not None:
                _play(core, record, codec)
                yield from [message for message in journalled.messages if isinstance(message, EventBatch)]
                journalled.messages.clear()
            else:
                passed_over += 1
        if core is None and passed_over:
            raise DataError(
                f"the recording's {passed_over} inputs have no checkpoint before them: nothing is known of the state "
                "they met; give a --from at which there is one, or a --to behind the next midnight"
            )
    finally:
        if core is not None:
            core.close()


def _play(core: VirtualCore, record: RecordedInput, codec: Codec) -> None:
    core.run(codec.decode(record.message), to=record.to)
    if core.number != record.number:
        why = f" ({core.failed})" if core.failed is not None else ""
        raise DataError(
            f"the recording's input {record.number} was played as {core.number}{why}: was another version recording?"
        )


def _core_from(
    checkpoint: Checkpoint, roles: tuple[Role[Any], ...], route: Route, codec: Codec, journal: str, journalled: Sink
) -> VirtualCore:
    post = Post(otherwise=_Nowhere())
    post.bind(journal, journalled)
    core = VirtualCore(route, post, journal=journal)
    for role in roles:
        core.add(role)
    core.restore(checkpoint, codec)
    return core
