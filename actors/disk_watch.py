"""The watch over the disks ATLAS writes to: entries are halted before there is no room, exits go on.

The journal halts by itself, as `disk`, when a disk refuses what it writes; `disk_space` is the halt before that.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from actors.messages import Halt, Resume
from actors.route import RISK
from actors.runtime.post import Post

SOURCE = "disk_space"
RELIEF = 1.0
"""Percentage points below the limit at which entries are allowed again: at the limit itself they would flicker."""


class Usage(Protocol):
    """What is known of a disk, in bytes."""

    @property
    def used(self) -> int:
        """Bytes in use."""

    @property
    def free(self) -> int:
        """Bytes that may still be had; less than what is not in use where some is kept for root."""


class DiskWatch:
    """Looks at the disks of these places; those that are not there yet, at the disk they will be on."""

    def __init__(
        self, places: Sequence[Path], limit: float, post: Post, usage: Callable[[Path], Usage] = shutil.disk_usage
    ) -> None:
        """`limit` is in percent."""
        self._places, self._limit, self._post, self._usage = places, limit, post, usage
        self._halted = False

    def look(self) -> None:
        """Halt entries if a disk is too full, allow them again if none is. Raises OSError if a disk cannot be seen."""
        limit = self._limit - RELIEF if self._halted else self._limit
        full = next((place for place in self._places if self._percent(place) >= limit), None)
        if full is not None and not self._halted:
            reason = f"{self._limit:g} % of the disk of {full} is in use: make room, exits go on"
            self._post.send("disk watch", RISK, Halt(source=SOURCE, reason=reason))
        elif full is None and self._halted:
            self._post.send("disk watch", RISK, Resume(source=SOURCE))
        self._halted = full is not None

    def _percent(self, place: Path) -> float:
        usage = self._usage(next(folder for folder in (place, *place.parents) if folder.is_dir()))
        return 100 * usage.used / max(1, usage.used + usage.free)
