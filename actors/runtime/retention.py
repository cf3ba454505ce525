"""The recordings of one account: a directory for each set of rules, products and version it was run with."""

from datetime import datetime, timedelta
from pathlib import Path

from actors.runtime.recording import last_number
from actors.runtime.segment import segment_hour, segments

DESCRIBED = "decider.json"
"""What is beside the segments: what their decisions depended on."""


def recordings(account: Path) -> list[Path]:
    """Return the directories of an account that hold a recording, in the order of their names."""
    return sorted(path.parent for path in account.glob(f"*/{DESCRIBED}"))


def last_number_of(account: Path) -> int:
    """Return the highest input number in any recording of the account, 0 if there is none.

    Numbers are never given twice to one account: an event names the input that caused it.
    """
    return max(map(last_number, recordings(account)), default=0)


def recorded_between(directory: Path, begin: datetime, end: datetime) -> bool:
    """Return whether segments of the recording begin between the two, by the UTC hours in their names."""
    hour = begin.replace(minute=0, second=0, microsecond=0)
    return any(hour <= segment_hour(segment) < end for segment in segments(directory))


def prune_segments(directory: Path, now: datetime, kept: timedelta) -> list[str]:
    """Delete the segments whose hour ended more than `kept` before `now`; return their names."""
    old = [path for path in segments(directory) if segment_hour(path) + timedelta(hours=1) < now - kept]
    for path in old:
        path.unlink()
    return [path.name for path in old]


def prune_recordings(account: Path, current: Path, now: datetime, kept: timedelta) -> list[str]:
    """Delete the old segments of every recording, and whole recordings of earlier settings that are empty then.

    Returns the names of the segments. `current` is the recording being written and stays.
    """
    gone: list[str] = []
    for directory in recordings(account):
        gone += prune_segments(directory, now, kept)
        if directory != current and not segments(directory):
            (directory / DESCRIBED).unlink()
            directory.rmdir()
    return gone
