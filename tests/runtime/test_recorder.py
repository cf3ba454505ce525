"""The recording: every input in order, on disk when asked, readable up to whatever a kill left."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard

from actors.runtime import Codec, Recorder
from actors.runtime.recording import Checkpoint, Record, RecordedInput, last_number, read
from actors.runtime.retention import prune_segments
from actors.runtime.segment import SegmentWriter, segments
from actors.runtime.shell import SavedShell
from atlas.errors import DataError

EIGHT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
CODEC = Codec(encode=lambda message: str(message).encode(), decode=lambda text: text.decode())


class Clock:
    def __init__(self) -> None:
        self.now = EIGHT

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(tmp_path: Path, clock: Clock) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "inputs", CODEC, clock)
    recorder.start(timeout=1)
    yield recorder
    recorder.stop(timeout=1)


def checkpoint(number: int, wall: datetime = EIGHT, reason: Any = "start") -> Checkpoint:
    return Checkpoint(number, wall, reason, EIGHT, (), (), {"broker": SavedShell(b"state", (EIGHT,))})


def numbers(records: Any) -> list[int | str]:
    return [record.number if isinstance(record, RecordedInput) else f"c{record.number}" for record in records]


def names(directory: Path) -> list[str]:
    return [path.name for path in segments(directory)]


def test_what_is_recorded_is_read_back(recorder: Recorder, clock: Clock, tmp_path: Path) -> None:
    written: list[Record] = [checkpoint(1)]
    recorder.checkpoint(checkpoint(1))
    for number in range(2, 500):
        clock.now += timedelta(seconds=0.5)
        to = "broker" if number % 3 == 0 else None
        recorder.record(number, to, f"message {number}")
        written.append(RecordedInput(number, clock.now, to, f"message {number}".encode()))
        if number % 50 == 0:
            recorder.sync(number)
    recorder.stop(timeout=1)
    assert list(read(tmp_path / "inputs")) == written


def test_nothing_is_on_disk_before_sync_and_all_of_it_after(recorder: Recorder, tmp_path: Path) -> None:
    recorder.record(1, None, "a")
    assert list(read(tmp_path / "inputs")) == []
    recorder.sync(1)
    recorder.record(2, None, "b")
    assert numbers(read(tmp_path / "inputs")) == [1]
    recorder.pulse(1)
    assert numbers(read(tmp_path / "inputs")) == [1, 2]


def test_sync_waits_for_the_disk_and_only_if_there_is_something_new(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
    recorder.record(1, None, "a")
    recorder.record(2, None, "b")
    assert synced == []
    recorder.sync(1)
    before = len(synced)
    assert before == 2  # The directory, for the file's name, and the file.
    recorder.sync(2)
    recorder.sync()
    assert len(synced) == before


def test_all_records_of_a_sync_are_compressed_at_once(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed: list[bytes] = []
    stream = SimpleNamespace(compress=lambda piece: compressed.append(piece) or b"", flush=lambda mode: b"")
    monkeypatch.setattr(zstandard, "ZstdCompressor", lambda level: SimpleNamespace(compressobj=lambda: stream))
    for number in range(1, 200):
        recorder.record(number, None, "a")
    recorder.sync()
    assert len(compressed) == 1


def test_a_segment_an_hour_named_by_hour_and_first_number(recorder: Recorder, clock: Clock, tmp_path: Path) -> None:
    for number, minutes in enumerate((0, 29, 31, 95), start=1):
        clock.now = EIGHT + timedelta(minutes=minutes)
        recorder.record(number, None, "x")
    recorder.stop(timeout=1)
    assert names(tmp_path / "inputs") == [
        "20260302T08Z-000000000000001.inputs.zst",
        "20260302T09Z-000000000000003.inputs.zst",
        "20260302T10Z-000000000000004.inputs.zst",
    ]
    assert numbers(read(tmp_path / "inputs")) == [1, 2, 3, 4]


def test_a_checkpoint_begins_a_segment(recorder: Recorder, tmp_path: Path) -> None:
    recorder.checkpoint(checkpoint(1))
    recorder.record(2, None, "a")
    recorder.sync()
    recorder.checkpoint(checkpoint(2, reason="midnight"))
    recorder.record(3, None, "b")
    recorder.stop(timeout=1)
    assert len(names(tmp_path / "inputs")) == 2
    assert numbers(read(tmp_path / "inputs")) == ["c1", 2, "c2", 3]


def test_an_inputs_segment_comes_before_the_checkpoint_after_its_first_input(recorder: Recorder, clock: Clock,
                                                                            tmp_path: Path) -> None:  # fmt: skip
    recorder.record(6, None, "a")
    clock.now += timedelta(hours=1)
    recorder.record(7, None, "the hour's first")
    recorder.checkpoint(checkpoint(7, clock.now, "midnight"))
    recorder.record(8, None, "b")
    recorder.stop(timeout=1)
    assert numbers(read(tmp_path / "inputs")) == [6, 7, "c7", 8]


# ── reading from and to ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three_days(recorder: Recorder, clock: Clock, tmp_path: Path) -> Path:
    number = 0
    for day in range(3):
        clock.now = datetime(2026, 3, 2 + day, tzinfo=UTC)
        recorder.checkpoint(checkpoint(number, clock.now, "midnight"))
        for hour in range(24):
            clock.now = datetime(2026, 3, 2 + day, hour, 15, tzinfo=UTC)
            number += 1
            recorder.record(number, None, "x")
    recorder.stop(timeout=1)
    return tmp_path / "inputs"


def test_reading_from_a_moment_begins_at_the_checkpoint_before_it(three_days: Path) -> None:
    records = numbers(read(three_days, datetime(2026, 3, 3, 20, tzinfo=UTC), datetime(2026, 3, 4, 1, tzinfo=UTC)))
    assert records == ["c24", *range(25, 49), "c48", 49]


def test_a_checkpoint_at_the_moment_itself_is_taken(three_days: Path) -> None:
    assert numbers(read(three_days, datetime(2026, 3, 4, tzinfo=UTC)))[0] == "c48"


def test_reading_from_before_the_first_checkpoint_begins_there(three_days: Path) -> None:
    assert numbers(read(three_days, datetime(2020, 1, 1, tzinfo=UTC)))[:2] == ["c0", 1]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(read(tmp_path / "none")) == []
    assert last_number(tmp_path / "none") == 0


def test_the_last_number_is_where_the_next_run_goes_on(three_days: Path) -> None:
    assert last_number(three_days) == 72


# ── kills, damage, and full disks ───────────────────────────────────────────────────────────────────────────────────


def test_a_segment_cut_anywhere_is_read_up_to_its_last_whole_record(recorder: Recorder, tmp_path: Path) -> None:
    for number in range(1, 9):
        recorder.record(number, None, f"message {number} " + os.urandom(40).hex())
        recorder.sync(number)
    recorder.stop(timeout=1)
    [segment] = segments(tmp_path / "inputs")
    whole = segment.read_bytes()
    lengths = set()
    for size in range(len(whole) + 1):
        segment.write_bytes(whole[:size])
        found = numbers(read(tmp_path / "inputs"))
        assert found == list(range(1, len(found) + 1))
        lengths.add(len(found))
    assert lengths == set(range(9))


WRITER = """
import os, pathlib, signal, sys
from datetime import UTC, datetime
from actors.runtime import Codec, Recorder

recorder = Recorder(pathlib.Path(sys.argv[1]), Codec(str.encode, bytes.decode), lambda: datetime.now(UTC))
recorder.start(1)
for number in range(1, 300):
    recorder.record(number, None, f"message {number}")
recorder.sync(250)
for number in range(300, 400):
    recorder.record(number, None, "never synced")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_synced_survives_a_kill(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -9
    assert numbers(read(tmp_path)) == list(range(1, 300))
    assert last_number(tmp_path) == 299


def damage(change: Callable[[bytearray], None], segment: Path) -> None:
    content = bytearray(segment.read_bytes())
    change(content)
    segment.write_bytes(content)


def test_a_damaged_segment_is_said_to_be_so(recorder: Recorder, tmp_path: Path) -> None:
    for number in range(1, 100):
        recorder.record(number, None, os.urandom(50).hex())
    recorder.stop(timeout=1)
    [segment] = segments(tmp_path / "inputs")
    damage(lambda content: content.__setitem__(slice(500, 560), b"\0" * 60), segment)
    with pytest.raises(DataError, match=r"20260302T08Z-000000000000001\.inputs\.zst is damaged"):
        list(read(tmp_path / "inputs"))


def test_missing_inputs_are_said_to_be_missing(recorder: Recorder, clock: Clock, tmp_path: Path) -> None:
    for number in range(1, 4):
        recorder.record(number, None, "x")
        clock.now += timedelta(hours=1)
    recorder.stop(timeout=1)
    segments(tmp_path / "inputs")[1].unlink()
    with pytest.raises(DataError, match="input 2 is missing, the next is 3"):
        list(read(tmp_path / "inputs"))


def test_numbers_may_jump_between_runs(tmp_path: Path, clock: Clock) -> None:
    for first in (1, 40):
        recorder = Recorder(tmp_path, CODEC, clock)
        recorder.checkpoint(checkpoint(first))
        recorder.record(first + 1, None, "x")
        recorder.stop(timeout=1)
    assert numbers(read(tmp_path)) == ["c1", 2, "c40", 41]


@pytest.mark.parametrize("synced_before", [0, 3])
@pytest.mark.parametrize("failing", [(SegmentWriter, "append"), (os, "fsync")])
def test_after_a_full_disk_nothing_is_lost_or_doubled(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced_before: int, failing: tuple[Any, str]
) -> None:
    for number in range(1, synced_before + 1):
        recorder.record(number, None, "x")
    recorder.sync()
    for number in range(synced_before + 1, synced_before + 6):
        recorder.record(number, None, "x" * number)
    with monkeypatch.context() as disk:
        disk.setattr(*failing, full_disk(getattr(*failing)))
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                recorder.sync(synced_before + 5)
    recorder.sync()
    recorder.stop(timeout=1)
    assert numbers(read(tmp_path / "inputs")) == list(range(1, synced_before + 6))


def full_disk(write: Callable[..., None]) -> Callable[..., None]:
    """Return the function, failing once it has written: the worst moment."""

    def failing(*arguments: Any) -> None:
        write(*arguments)
        raise OSError(errno.ENOSPC, "No space left on device")

    return failing


def test_segments_older_than_fourteen_days_are_pruned(three_days: Path) -> None:
    pruned = prune_segments(three_days, datetime(2026, 3, 18, 2, 0, 1, tzinfo=UTC), timedelta(days=14))
    assert len(pruned) == 50
    assert pruned[-1].startswith("20260304T01Z")
    assert names(three_days)[0].startswith("20260304T02Z")
