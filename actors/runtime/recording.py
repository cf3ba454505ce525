"""The recording of the core's inputs: what is in it, and how it is read back."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from actors.runtime.segment import begins_anew, damaged, read_segment, segment_hour, segments
from actors.runtime.shell import SavedShell
from actors.runtime.timers import EarlyTimer, Timer


class RecordedInput(msgspec.Struct, frozen=True, tag=True):
    """One input as the core took it. `to` is None for one that was routed; `message` is as the codec encoded it."""

    number: int
    wall: datetime
    to: str | None
    message: bytes


class Checkpoint(msgspec.Struct, frozen=True, tag=True):
    """Everything the core is, after input `number`: a replay begins from here.

    The messages of the timers are as the codec encoded them; `actors` holds every core actor by name, in the order
    they were added. `begun` are the events of the start itself, which no input caused: a replay hands them on.
    """

    number: int
    wall: datetime
    reason: Literal["start", "midnight"]
    market_time: datetime | None
    timers: tuple[Timer, ...]
    early_timers: tuple[EarlyTimer, ...]
    actors: dict[str, SavedShell]
    begun: tuple[bytes, ...] = ()


Record = Checkpoint | RecordedInput

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Checkpoint | RecordedInput)


def encode_record(record: Record) -> bytes:
    """Return the record as it lies in a segment (MessagePack)."""
    return _encoder.encode(record)


def read(directory: Path, from_: datetime | None = None, to: datetime | None = None) -> Iterator[Record]:
    """Yield checkpoints and inputs in the order the core took them.

    With `from_` (wall time) it begins at the last checkpoint at or before that, or at the first record there is: the
    state of a moment is reached only by playing from a checkpoint. `to` (wall time) is the last moment included.
    Raises DataError where a segment is damaged or inputs are missing within a run.
    """
    expected: int | None = None
    for segment in _needed(segments(directory), from_):
        for record in _records(segment):
            if to is not None and record.wall > to:
                return
            if isinstance(record, RecordedInput) and expected is not None:
                if record.number < expected:
                    continue  # Written again after a disk error that could not be taken back.
                if record.number > expected:
                    raise damaged(segment, f"input {expected} is missing, the next is {record.number}")
            expected = record.number + 1
            yield record


def last_number(directory: Path) -> int:
    """Return the highest input number recorded, 0 if nothing is: the next run must go on above it."""
    for segment in reversed(segments(directory)):
        numbers = [record.number for record in _records(segment)]
        if numbers:
            return max(numbers)
    return 0


def _records(segment: Path) -> Iterator[Record]:
    for body in read_segment(segment):
        try:
            yield _decoder.decode(body)
        except msgspec.DecodeError as error:
            raise damaged(segment, str(error)) from error


def _needed(paths: list[Path], from_: datetime | None) -> list[Path]:
    if from_ is None:
        return paths
    first = 0
    for position, segment in enumerate(paths):
        if begins_anew(segment) and segment_hour(segment) <= from_:
            opening = next(_records(segment), None)
            if opening is not None and opening.wall <= from_:
                first = position
    return paths[first:]
