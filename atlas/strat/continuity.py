"""Timeframe continuity: how many timeframes agree with a side at one instant (strat.md 4)."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.market.timeframes import period, require
from atlas.rules import StratRules
from atlas.strat.bar_types import bar_type
from atlas.strat.setup import ContinuityReading, Side

MODES: Final = ("open", "type")
FULL_FRAMES: Final = ("1M", "1w", "1d", "1h")
"""All of these on one side are full timeframe continuity, which is alertable."""

Agreement = Side | Literal["neither", "unknown"]
Turn = Literal["gained", "lost", "flipped"]


class FrameView(msgspec.Struct, frozen=True):
    """The current period of one timeframe as it stands.

    `open`, `high`, `low` and `last` are None while it has no trade. `prior_high` and `prior_low` are those of the last
    closed bar, None if there is none. `known` is False where the history does not reach back to the period's open, so
    that its open and extremes cannot be told. `opened` is when the period opened and `began` when its first trade
    printed, as exactly as that is known and never later; None where nobody asks for independent opens.
    """

    timeframe: str
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    last: Decimal | None
    prior_high: Decimal | None
    prior_low: Decimal | None
    known: bool = True
    opened: datetime | None = None
    began: datetime | None = None


def read(side: Side, price: Decimal, frames: Sequence[FrameView], needed: int, mode: str = "open") -> ContinuityReading:
    """Return which frames agree with `side` at `price`, the triggering trade's, or the last one at detection.

    Mode `open`: price strictly above the open of the frame's current period agrees with long, below with short. Mode
    `type`: the frame's forming bar, `price` included, agrees by its type: 2U long, 2D short, a 3 by its color. A period
    without a trade agrees with neither. Unknown frames do not agree, and the denominator stays.

    Raises:
        ConfigurationError: the mode is neither of the two.
    """
    return _reading(side, _agreements(frames, price, mode), needed, mode, own_opens(frames))


def read_both(
    price: Decimal, frames: Sequence[FrameView], needed: int, mode: str
) -> tuple[ContinuityReading, ContinuityReading]:
    """Return `read` for a long and for a short."""
    agreements, opens = _agreements(frames, price, mode), own_opens(frames)
    return (
        _reading("long", agreements, needed, mode, opens),
        _reading("short", agreements, needed, mode, opens),
    )


def full_side(price: Decimal, frames: Sequence[FrameView], mode: str = "open") -> Side | None:
    """Return the side all frames of FULL_FRAMES agree with, None if there is none or one of them is not given."""
    agreed = {frame.timeframe: _agreement(frame, price, mode) for frame in frames if frame.timeframe in FULL_FRAMES}
    sides = set(agreed.values())
    if len(agreed) < len(FULL_FRAMES):
        return None
    if sides == {"long"}:
        return "long"
    return "short" if sides == {"short"} else None


def full_levels(frames: Sequence[FrameView]) -> tuple[Decimal, Decimal] | None:
    """Return the lowest and the highest open of FULL_FRAMES: `full_side` is short below the one, long above the other.

    None while one of the opens is not known, not there yet, or not given. They move only when a period begins.
    """
    opens = [
        frame.open for frame in frames if frame.timeframe in FULL_FRAMES and frame.known and frame.open is not None
    ]
    return (min(opens), max(opens)) if len(opens) == len(FULL_FRAMES) else None


class FullContinuity(msgspec.Struct):
    """Full timeframe continuity as it comes and goes: its `side` now, None without it, and the `last` there was."""

    side: Side | None = None
    last: Side | None = None

    def turn(self, side: Side | None) -> Turn | None:
        """Take the `full_side` of now and return what became of it; None if nothing did.

        Gained on the side it was on last, or for the first time; flipped to the other side, whether or not the frames
        disagreed for a while in between; lost when they begin to disagree.
        """
        before, self.side = self.side, side
        if side == before:
            return None
        if side is None:
            return "lost"
        last, self.last = self.last, side
        return "gained" if last in (None, side) else "flipped"


def independent_opens(timeframes: Iterable[str], at: datetime, bars: Sequence[Bar]) -> int:
    """Return how many opens the current periods of `timeframes` have between them: those on the same print count once.

    `bars` are of a timeframe none of them is finer than, oldest first, the forming one last; they reach back to the
    first of the periods' opens. Two periods open on the same print when the first bar at or after their opens is the
    same. A period without a trade yet has no open.

    Raises:
        ConfigurationError: unknown timeframe.
    """
    times = [bar.open_time for bar in bars]
    first = {bisect_left(times, period(timeframe, at)[0]) for timeframe in timeframes}
    return len(first - {len(times)})


def own_opens(frames: Iterable[FrameView]) -> int | None:
    """Return how many of the frames' opens are independent, as `independent_opens`, from when the periods began.

    Two periods opened on the same print if the earlier of them had none before the later opened. A frame whose open is
    not known or not there yet has none. None if a frame does not say when it opened.
    """
    periods: list[tuple[datetime, datetime]] = []
    for frame in frames:
        if frame.known and frame.open is not None:
            if frame.opened is None or frame.began is None:
                return None
            periods.append((frame.opened, frame.began))
    independent, before = 0, None
    for opened, began in sorted(periods):
        if before is None or before < opened:
            independent += 1
        before = began
    return independent


def validate(rules: StratRules) -> None:
    """Check that continuity can be measured on every timeframe that setups are detected on (lessons 45, 46).

    Raises:
        ConfigurationError: a detection timeframe without a row, an unknown timeframe, a minimum out of reach, an
            unknown mode.
    """
    if rules.continuity_mode not in MODES:
        raise _unknown_mode(rules.continuity_mode)
    for timeframe in rules.timeframes:
        if require(timeframe) not in rules.continuity:
            raise ConfigurationError(
                f"no continuity rule for detection timeframe {timeframe}: add a row (frames and minimum) for it to the "
                f"settings, or detect only on {' '.join(rules.continuity)}"
            )
    for timeframe, (frames, minimum) in rules.continuity.items():
        for frame in (timeframe, *frames):
            require(frame)
        if len(set(frames)) != len(frames):
            raise ConfigurationError(f"continuity of {timeframe}: {' '.join(frames)} names a frame twice")
        if not 1 <= minimum <= len(frames):
            raise ConfigurationError(
                f"continuity of {timeframe}: a minimum of {minimum} cannot be met by {len(frames)} frames "
                f"({' '.join(frames)}): choose 1 to {len(frames)}"
            )


def _agreements(frames: Sequence[FrameView], price: Decimal, mode: str) -> tuple[tuple[str, Agreement], ...]:
    return tuple([(frame.timeframe, _agreement(frame, price, mode)) for frame in frames])


@lru_cache(maxsize=4096)
def _reading(
    side: Side, agreements: tuple[tuple[str, Agreement], ...], needed: int, mode: str, opens: int | None
) -> ContinuityReading:
    """Return the reading; there are few that differ, and each close of a bar and each trigger asks for some."""
    agree, disagree, unknown = list[str](), list[str](), list[str]()
    for name, agreed in agreements:
        (agree if agreed == side else unknown if agreed == "unknown" else disagree).append(name)
    names = tuple([name for name, _ in agreements])
    return ContinuityReading(side, mode, names, tuple(agree), tuple(disagree), tuple(unknown), needed, opens)


def _agreement(frame: FrameView, price: Decimal, mode: str) -> Agreement:
    if mode == "open":
        return _side_of_open(frame, price) if frame.known else "unknown"
    if mode == "type":
        return _by_type(frame, price) if frame.known else "unknown"
    raise _unknown_mode(mode)


def _side_of_open(frame: FrameView, price: Decimal) -> Agreement:
    if frame.open is None or price == frame.open:
        return "neither"
    return "long" if price > frame.open else "short"


def _by_type(frame: FrameView, price: Decimal) -> Agreement:
    if frame.prior_high is None or frame.prior_low is None:
        return "unknown"
    if frame.high is None or frame.low is None:
        return "neither"
    forming = bar_type(max(frame.high, price), min(frame.low, price), frame.prior_high, frame.prior_low)
    if forming == "1":
        return "neither"
    if forming == "3":
        return _side_of_open(frame, price)  # its color at this moment
    return "long" if forming == "2U" else "short"


def _unknown_mode(mode: str) -> ConfigurationError:
    return ConfigurationError(f"continuity_mode = {mode!r}: use one of {' '.join(MODES)}")
