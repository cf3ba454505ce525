"""A setup: what a closed bar allows during the period that begins where it closed (strat.md 2)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Side = Literal["long", "short"]

FAMILIES = ("3-1", "2-1", "2-2", "3-2-2", "3-2", "rev-strat")
"""Every family of setups, as the table of strat.md 2 names them."""

TRADED_BY_DEFAULT = ("3-1", "2-1", "2-2", "3-2-2", "3-2")


def opposite(side: Side) -> Side:
    """Return the other side."""
    return "short" if side == "long" else "long"


class Setup(msgspec.Struct, frozen=True):
    """One side of one setup. Levels are raw, unrounded, and never change.

    `name` is the unresolved name, e.g. `2D-1-?`. `setup_time` is the open time of the setup bar C1; the setup lives in
    [valid_from, valid_until), the entry bar. `opposite_level` is the opposite extreme of C1: its break kills a
    one-sided setup before the trigger and invalidates a position of either kind during the entry bar. `measured` says
    that the target is trigger ± 1.5 × risk because the structural one was not beyond the trigger.
    """

    id: str
    symbol: str
    timeframe: str
    name: str
    family: str
    side: Side
    setup_time: datetime
    valid_from: datetime
    valid_until: datetime
    trigger: Decimal
    stop: Decimal
    target: Decimal
    opposite_level: Decimal
    two_sided: bool
    measured: bool


class ContinuityReading(msgspec.Struct, frozen=True):
    """How many frames agree with one side at one instant (strat.md 4).

    `frames` are those considered, highest first; each is in exactly one of `agree`, `disagree` and `unknown` (not
    enough history: it does not agree and is reported). `needed` is the minimum for a half-size entry. `opens` is how
    many of the frames' opens are independent: those on the same print count once; None where that was not measured.
    """

    side: Side
    mode: str
    frames: tuple[str, ...]
    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    unknown: tuple[str, ...]
    needed: int
    opens: int | None = None

    @property
    def score(self) -> str:
        """The count as a trader reads it, e.g. `3/4`; nothing agreeing is `0/4`, never empty (lesson 41)."""
        return f"{len(self.agree)}/{len(self.frames)}"

    @property
    def full(self) -> bool:
        """Whether every frame agrees: full size."""
        return len(self.agree) == len(self.frames)

    @property
    def enough(self) -> bool:
        """Whether at least the minimum agrees."""
        return len(self.agree) >= self.needed
