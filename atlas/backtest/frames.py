"""The bars of a track on each timeframe, as columns: the aggregates of its rows, built once and whole.

The last one may still be forming; nobody asks, because nothing follows it.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
import numpy as np

from atlas.backtest.track import SECOND, Ints, Track, instant, micros
from atlas.market.timeframes import TIMEFRAMES, finer, period, seconds
from atlas.rules import Rules
from atlas.strat.continuity import FULL_FRAMES

REMEMBERED = 100
"""Closed bars of each timeframe that are known before the first trade, as a scanner is given at its start."""
_FIRST_MONDAY = 4 * 86_400 * SECOND


class FrameBars(msgspec.Struct, frozen=True):
    """Bars of one timeframe, oldest first; a partial first one is not among them.

    `rows` has one number more than there are bars: bar n is made of the rows [rows[n], rows[n + 1]). `known` is the
    place of the first bar that may be a neighbour: those before are longer ago than anybody remembers.
    """

    timeframe: str
    opens: Ints
    closes: Ints
    open: Ints
    high: Ints
    low: Ints
    rows: Ints

    def __len__(self) -> int:
        return len(self.opens)

    def holding(self, times: Ints) -> Ints:
        """Return the place of the bar that each instant lies in or after; -1 before the first."""
        return np.searchsorted(self.opens, times, side="right") - 1


def watched(rules: Rules) -> tuple[str, ...]:
    """Return the timeframes a scanner keeps, finest first: those it detects on, of continuity, and of alerts."""
    wanted = {*rules.strat.timeframes, *(FULL_FRAMES if rules.alerts.full_continuity else ())}
    for timeframe in rules.strat.timeframes:
        wanted.update(rules.strat.continuity[timeframe][0])
    return tuple(timeframe for timeframe in TIMEFRAMES if timeframe in wanted)


class _Buckets(msgspec.Struct, frozen=True):
    """All bars of a timeframe, partial ones too: their opens, first rows and extremes."""

    opens: Ints
    first: Ints
    high: Ints
    low: Ints


def frames_of(track: Track, timeframes: Iterable[str], start: datetime) -> dict[str, FrameBars]:
    """Return the bars of each timeframe, as far as a scanner that starts at `start` knows them.

    Each is made of the bars of the coarsest one before it that adds up to it.
    """
    made: dict[str, _Buckets] = {"": _Buckets(track.times, np.arange(len(track)), track.high, track.low)}
    found = {}
    for name in sorted(timeframes, key=TIMEFRAMES.index):
        finest = next((one for one in finer(name) if one in made), "")
        made[name] = _merged(made[finest], name)
        found[name] = _known(track, made[name], name, start)
    return found


def _merged(pieces: _Buckets, timeframe: str) -> _Buckets:
    first = _first_of_each(pieces.opens, timeframe)
    opens = _opens(pieces.opens[first], timeframe)
    if not len(first):
        return _Buckets(opens, first, pieces.high, pieces.low)
    high, low = np.maximum.reduceat(pieces.high, first), np.minimum.reduceat(pieces.low, first)
    return _Buckets(opens, pieces.first[first], high, low)


def _first_of_each(times: Ints, timeframe: str) -> Ints:
    """Return the place of the first time in each period that holds one."""
    step = (seconds(timeframe) or 0) * SECOND
    if len(times) and 0 < int(times[-1] - times[0]) < step * len(times):
        # Periods are fewer: each is looked for among the times.
        begins = np.arange(_opens(times[:1], timeframe)[0], times[-1] + 1, step)
        first = times.searchsorted(begins)
        return first[np.diff(first, append=len(times)) > 0]
    opens = _opens(times, timeframe)
    return np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))


def _known(track: Track, all_: _Buckets, timeframe: str, start: datetime) -> FrameBars:
    closes = _closes(all_.opens, timeframe)
    before = int(np.searchsorted(all_.opens, _whole_from(track, timeframe, start)))
    closed = int(np.searchsorted(closes, micros(start), side="right"))
    before = max(before, closed - REMEMBERED)
    rows = np.append(all_.first, len(track))[before:]
    return FrameBars(
        timeframe, all_.opens[before:], closes[before:], track.open[rows[:-1]], all_.high[before:], all_.low[before:],
        rows,
    )  # fmt: skip


def _whole_from(track: Track, timeframe: str, start: datetime) -> int:
    """Return the open of the first period that is known from its open on."""
    opened, closes = period(timeframe, instant(track.begins))
    whole = micros(opened) if micros(opened) == track.begins else micros(closes)
    current, ends = period(timeframe, start)
    return whole if micros(current) >= whole else micros(ends)


def _opens(times: Ints, timeframe: str) -> Ints:
    step = seconds(timeframe)
    if step is None:
        months = (times // SECOND).astype("datetime64[s]").astype("datetime64[M]")
        return months.astype("datetime64[s]").astype(np.int64) * SECOND
    anchor = _FIRST_MONDAY if timeframe == "1w" else 0
    shifted = times - anchor if anchor else times
    return shifted - shifted % (step * SECOND) + anchor


def _closes(opens: Ints, timeframe: str) -> Ints:
    step = seconds(timeframe)
    if step is None:
        months = (opens // SECOND).astype("datetime64[s]").astype("datetime64[M]") + 1
        return months.astype("datetime64[s]").astype(np.int64) * SECOND
    return opens + step * SECOND


def last_close(track: Track, timeframes: Iterable[str], start: datetime, end: datetime) -> int | None:
    """Return the close, in units, of the bar that was the last to close in the stretch; None if none did."""
    ended, found = micros(start), None
    for bars in frames_of(track, timeframes, start).values():
        # By the clock, or by a trade after it.
        until = max(micros(end), track.last_at)
        place = int(np.searchsorted(bars.closes, until, side="right")) - 1
        if place >= 0 and int(bars.closes[place]) > ended:
            ended, found = int(bars.closes[place]), int(track.close[bars.rows[place + 1] - 1])
    return found
