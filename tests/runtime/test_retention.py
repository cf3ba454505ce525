"""The recordings of one account, of several settings: numbers, days, and what is deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.runtime import Codec, Recorder
from actors.runtime.retention import DESCRIBED, last_number_of, prune_recordings, recorded_between, recordings

DAYS = timedelta(days=14)


def moment(day: int, hour: int = 0) -> datetime:
    """Return an hour of March 2026."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def record(directory: Path, *inputs: tuple[int, datetime]) -> Path:
    """Record inputs, given by number and wall time, as a daemon would; return the directory."""
    now = inputs[0][1]
    recorder = Recorder(directory, Codec(encode=str.encode, decode=bytes.decode), lambda: now)
    recorder.start(timeout=1)
    for number, now in inputs:  # noqa: B007  the recorder's clock reads it
        recorder.record(number, None, "an input")
    recorder.stop(timeout=1)
    (directory / DESCRIBED).write_text("{}")
    return directory


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """Return the recordings of an account that was run with old settings until the 3rd, and with others since."""
    record(tmp_path / "old", (1, moment(1)), (7, moment(3, 5)))
    record(tmp_path / "new", (8, moment(3, 9)), (9, moment(17)), (10, moment(18)))
    (tmp_path / "no recording").mkdir()
    return tmp_path


def test_numbers_go_on_above_those_of_every_settings(account: Path) -> None:
    assert last_number_of(account) == 10
    assert last_number_of(account / "no recording") == 0
    record(account / "other", (900, moment(18, 5)))
    assert last_number_of(account) == 900


def test_a_recording_of_old_settings_is_deleted_with_its_last_segment(account: Path) -> None:
    gone = prune_recordings(account, account / "new", moment(17, 6) + timedelta(seconds=1), DAYS)
    assert [name.partition("-")[0] for name in gone] == ["20260301T00Z", "20260303T05Z"]
    assert recordings(account) == [account / "new"]
    assert not (account / "old").exists()


def test_the_recording_being_written_stays_though_it_is_empty(account: Path) -> None:
    prune_recordings(account, account / "new", moment(31) + DAYS, DAYS)
    assert recordings(account) == [account / "new"]


def test_a_segment_is_kept_until_its_hour_is_older_than_the_limit(account: Path) -> None:
    assert prune_recordings(account, account / "new", moment(15, 1), DAYS) == []
    assert len(prune_recordings(account, account / "new", moment(15, 1) + timedelta(seconds=1), DAYS)) == 1


def test_a_day_is_recorded_if_a_segment_begins_in_it(account: Path) -> None:
    assert recorded_between(account / "old", moment(3), moment(4))
    assert not recorded_between(account / "old", moment(2), moment(3))
    assert recorded_between(account / "old", moment(3, 5) + timedelta(minutes=5), moment(4))
    assert not recorded_between(account / "old", moment(4), moment(5))
