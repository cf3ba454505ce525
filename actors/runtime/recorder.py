"""The recorder: every input of the core on disk before the events it caused are committed."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from actors.runtime.recording import Checkpoint, Record, RecordedInput, encode_record
from actors.runtime.segment import SegmentWriter, segment_path


class Codec(msgspec.Struct, frozen=True):
    """How messages become bytes and come back: the runtime itself knows none of the trading messages."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


class Recorder:
    """Takes records from the core without touching the disk, and writes them when asked to.

    `record` and `checkpoint` only encode and queue: nothing on the core blocks. `sync`, called by the journal before
    each commit and by the supervisor with each pulse, writes what is queued and waits for the disk. It is a child of
    the supervisor: the first to start and the last to stop.
    """

    name = "recorder"
    actors: Sequence[str] = ()

    def __init__(self, directory: Path, codec: Codec, clock: Callable[[], datetime]) -> None:
        """`clock` returns wall time, UTC. `start` makes the directory."""
        self.codec = codec
        self.clock = clock
        self._directory = directory
        self._queue: deque[tuple[Record, bytes]] = deque()
        self._lock = threading.Lock()
        self._synced = 0
        self._segment: SegmentWriter | None = None
        self._hour: datetime | None = None

    def record(self, number: int, to: str | None, message: Any) -> None:
        """Queue one input. Raises what the codec raises for a message it cannot encode."""
        recorded = RecordedInput(number, self.clock(), to, self.codec.encode(message))
        self._queue.append((recorded, encode_record(recorded)))

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Queue a checkpoint; it begins a new segment."""
        self._queue.append((checkpoint, encode_record(checkpoint)))

    def sync(self, upto_number: int | None = None) -> None:
        """Return once every record up to that input (None: every record so far) is on disk.

        Raises OSError if the disk refuses; the records stay queued and the next call tries again in a new segment.
        """
        if upto_number is not None and upto_number <= self._synced:
            return
        with self._lock:
            self._write_queue()

    def start(self, timeout: float) -> None:
        """Make the directory. Raises OSError if that cannot be."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def stop(self, timeout: float) -> bool:
        """Write what is queued and end the segment. Raises OSError if the disk refuses."""
        with self._lock:
            self._write_queue()
            if self._segment is not None:
                self._segment.close()
                self._segment = None
        return True

    def pulse(self, number: int) -> None:
        """Write what is queued, though no event asks for it. Raises OSError if the disk refuses."""
        self.sync()

    def oldest_waiting(self) -> float:
        """A queued record is no sign that anything hangs."""
        return 0.0

    def _write_queue(self) -> None:
        # The core appends meanwhile, so the deque is not to be iterated over.
        ready = [self._queue[position] for position in range(len(self._queue))]
        try:
            unsynced = 0
            for record, body in ready:
                if self._segment is not None and self._begins_segment(record):
                    self._commit(self._segment, unsynced)
                    self._segment.close()
                    self._segment, unsynced = None, 0
                if self._segment is None:
                    self._segment = self._open(record)
                self._segment.append(body)
                unsynced += 1
            if self._segment is not None:
                self._commit(self._segment, unsynced)
        except OSError:
            segment, self._segment = self._segment, None
            if segment is not None:
                segment.abandon()
            raise

    def _commit(self, segment: SegmentWriter, records: int) -> None:
        if records:
            segment.sync()
        for _ in range(records):
            record, _ = self._queue.popleft()
            self._synced = record.number

    def _begins_segment(self, record: Record) -> bool:
        return isinstance(record, Checkpoint) or _hour(record.wall) != self._hour

    def _open(self, record: Record) -> SegmentWriter:
        checkpoint = isinstance(record, Checkpoint)
        self._hour = _hour(record.wall)
        return SegmentWriter(segment_path(self._directory, record.wall, record.number, checkpoint=checkpoint))


def _hour(wall: datetime) -> datetime:
    return wall.replace(minute=0, second=0, microsecond=0)
