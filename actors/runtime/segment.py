"""Segments: the files a recording lies in.

A segment is one zstd stream in a file named `<UTC hour of its first record>-<first number>.<kind>.zst`; kind is
`checkpoint` if it begins with one (each checkpoint begins a segment), else `inputs`. A record is its length and CRC-32
(4 bytes each, big-endian) and that many bytes. Segments are only ever appended to, so what a kill leaves is a segment
that breaks off: it is read up to its last whole record.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from atlas.errors import DataError

_HOUR = "%Y%m%dT%HZ"
_HEAD = struct.Struct(">II")
_CHUNK = 1 << 18
_CHECKPOINT = ".checkpoint.zst"


def segment_path(directory: Path, wall: datetime, number: int, *, checkpoint: bool) -> Path:
    """Return the path of the segment that begins with this record."""
    return directory / f"{wall.astimezone(UTC):{_HOUR}}-{number:015d}{_CHECKPOINT if checkpoint else '.inputs.zst'}"


def segments(directory: Path) -> list[Path]:
    """Return the segments in the order they were written; a directory that is not there has none."""
    # An `inputs` segment may begin with the very input after which a checkpoint was taken: it comes first.
    return sorted(directory.glob("*-*.*.zst"), key=lambda path: (path.name.split("-")[1][:15], begins_anew(path)))


def begins_anew(segment: Path) -> bool:
    """Whether the segment begins with a checkpoint."""
    return segment.name.endswith(_CHECKPOINT)


def segment_hour(segment: Path) -> datetime:
    """Return the UTC hour in a segment's name."""
    return datetime.strptime(segment.name.partition("-")[0], _HOUR).replace(tzinfo=UTC)


def damaged(segment: Path, what: str) -> DataError:
    """Return the error for a segment that cannot be trusted."""
    return DataError(f"the recording {segment.name} is damaged: {what}; replay from a later checkpoint")


class SegmentWriter:
    """A segment being written. What was not synced may be lost with the machine, and is taken back by `abandon`.

    Records are compressed and written together, by `sync`: compressor and file each let go of the interpreter and take
    it from the core again, which is to happen once for all records and not for each.
    """

    def __init__(self, path: Path) -> None:
        """Create the file. Raises FileExistsError: no segment is ever written twice."""
        self.path = path
        self._file = path.open("xb", buffering=0)
        self._stream = zstandard.ZstdCompressor(level=3).compressobj()
        self._held: list[bytes] = []
        self._safe = 0
        try:
            _sync_directory(path.parent)
        except OSError:
            self.abandon()
            raise

    def append(self, body: bytes) -> None:
        """Add a record, to be written by `sync`."""
        self._held.append(_HEAD.pack(len(body), zlib.crc32(body)))
        self._held.append(body)

    def sync(self) -> None:
        """Return once all records are on disk, and readable though the stream is not ended."""
        self._flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._safe = self._file.tell()

    def close(self) -> None:
        """End the stream."""
        self._flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)
        self._file.close()

    def abandon(self) -> None:
        """After a failed write: keep what was synced and nothing else. Raises OSError."""
        with self._file:
            if self._safe:
                self._file.truncate(self._safe)
            else:
                self.path.unlink()

    def _flush(self, mode: int) -> None:
        held, self._held = b"".join(self._held), []
        view = memoryview(self._stream.compress(held) + self._stream.flush(mode))
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())


def read_segment(segment: Path) -> Iterator[bytes]:
    """Yield the records of a segment, up to the last whole one. Raises DataError where it is damaged."""
    held = bytearray()
    for piece in _decompressed(segment):
        held += piece
        at = 0
        while len(held) - at >= _HEAD.size:
            length, checksum = _HEAD.unpack_from(held, at)
            end = at + _HEAD.size + length
            if len(held) < end:
                break
            body = bytes(held[at + _HEAD.size : end])
            if zlib.crc32(body) != checksum:
                raise damaged(segment, "a record's checksum does not fit")
            yield body
            at = end
        del held[:at]


def _decompressed(segment: Path) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    with segment.open("rb") as file:
        while chunk := file.read(_CHUNK):
            try:
                yield stream.decompress(chunk)
            except zstandard.ZstdError as error:
                raise damaged(segment, str(error)) from error


def _sync_directory(directory: Path) -> None:
    # Without this a crash of the machine may lose the file's name though its bytes are on disk.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
