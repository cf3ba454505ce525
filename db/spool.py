"""The spool: what the journal could not write to the database, on disk until it can.

An append-only file of frames (length, CRC-32, MessagePack), each on disk (fsync) before `append` returns, so that it
survives kill -9 and counts as committed. Frames are drained in order; draining one twice changes nothing, events having
ids of their own. When the file is nearly full, candles and late trades are no longer kept; when it is full, setups;
orders, fills, positions and the ledger always are.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import BinaryIO

import msgspec

from atlas.errors import DataError
from db.batch import Batch

LIMIT = 256 * 1024 * 1024
"""Bytes after which only what must never be lost is appended."""

NEARLY_FULL = 0.8
"""Share of the limit from which candles are dropped."""

_HEAD = Struct(">II")


class Spooled(msgspec.Struct, frozen=True, array_like=True):
    """What one `append` put on disk, and the fence number of the daemon that decided it.

    One frame for all of it: whatever a crash leaves unfinished is then always the last frame.
    """

    fence: int
    batches: tuple[Batch, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Spooled)


class Spool:
    """The spool file of one account; one process writes it (the holder of the account's lock)."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        """Open the file, or make it. What a kill left half-written at its end is cut off.

        Raises DataError if something before the end is damaged, OSError if the file cannot be had.
        """
        self.path = path
        self.dropped = 0
        self._limit = limit
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = open(path, "a+b")  # noqa: SIM115  held open for as long as the spool lives
        _sync_directory(path.parent)
        self._read = 0
        try:
            self._size = self._whole()
        except BaseException:  # however it ends, the file is open for a spool that is there
            self._file.close()
            raise
        self._file.truncate(self._size)

    @property
    def empty(self) -> bool:
        """Whether everything was drained."""
        return self._read >= self._size

    @property
    def waiting_bytes(self) -> int:
        """Bytes not yet drained."""
        return self._size - self._read

    def append(self, batches: Sequence[Batch], fence: int) -> int:
        """Put the batches on disk in order; return how many events were dropped for want of room.

        Raises OSError if the disk refuses; then nothing was appended.
        """
        kept, dropped = self._admitted(batches)
        if kept:
            frame = _framed(Spooled(fence, tuple(kept)))
            try:
                self._file.write(frame)
                self._file.flush()
                os.fdatasync(self._file.fileno())
            except OSError:
                self._reopen()
                raise
            self._size += len(frame)
        self.dropped += dropped
        return dropped

    def peek(self) -> tuple[Spooled, int] | None:
        """Return what the oldest append holds and the position after it, or None if all is drained."""
        return None if self.empty else next(self._frames(self._read))

    def drained(self, position: int) -> None:
        """Forget what is before `position`, which is in the database now. An empty spool becomes an empty file."""
        self._read = position
        if self.empty:
            self._file.truncate(0)
            os.fsync(self._file.fileno())
            self._size = self._read = 0

    def refuse(self, spooled: Spooled) -> Path:
        """Copy what must not be drained to a file beside, for inspection; return its path."""
        aside = self.path.with_name(f"{self.path.name}.refused-{spooled.fence}")
        with open(aside, "ab") as file:
            file.write(_framed(spooled))
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(aside.parent)
        return aside

    def close(self) -> None:
        """Close the file; what was appended is on disk already."""
        self._file.close()

    # ── reading and writing ─────────────────────────────────────────────────────────────────────────────────────────

    def _admitted(self, batches: Sequence[Batch]) -> tuple[Sequence[Batch], int]:
        if self._size < self._limit * NEARLY_FULL:
            return batches, 0
        kept = [batch.kept_when(full=self._size >= self._limit) for batch in batches]
        dropped = sum(len(batch.entries) for batch in batches) - sum(len(batch.entries) for batch in kept)
        return [batch for batch in kept if batch.entries], dropped

    def _whole(self) -> int:
        """Return where the last whole frame ends."""
        return max((end for _, end in self._frames(0)), default=0)

    def _frames(self, start: int) -> Iterator[tuple[Spooled, int]]:
        """Yield what was appended from `start` on, each with the position after it, up to what is not whole."""
        position = start
        total = os.fstat(self._file.fileno()).st_size
        with open(self.path, "rb") as file:
            file.seek(start)
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                length, checksum = _HEAD.unpack(head)
                end = position + _HEAD.size + length
                body = file.read(length)
                if not length or zlib.crc32(body) != checksum:
                    self._require_torn(file, position, end, total)
                    return
                yield _decoder.decode(body), end
                position = end

    def _require_torn(self, file: BinaryIO, position: int, end: int, total: int) -> None:
        """A kill can leave the end short or zeroed, never a bad frame with good ones behind it."""
        file.seek(position)
        if end >= total or not any(file.read()):
            return
        raise DataError(
            f"{self.path} is damaged at byte {position} of {total}: keep a copy for inspection, then move it away to "
            "start without what it held"
        )

    def _reopen(self) -> None:
        # A buffered writer keeps bytes the disk refused and would write them later, behind our back.
        try:
            self._file.close()
        except OSError:
            pass
        self._file = open(self.path, "a+b")  # noqa: SIM115  as in __init__
        self._file.truncate(self._size)


def _framed(spooled: Spooled) -> bytes:
    body = _encoder.encode(spooled)
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
