"""The past of one product as columns: the rows of its file, each with the points at which it traded.

A row is a candle, walked through four points (`atlas.market.path`), or one trade. Prices are whole units of
10 ** -scale, times microseconds since 1970 UTC. A point is counted as `points × row + its place in the row`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.market.candle_file import CandleFile
from atlas.market.past import PastFile, span
from atlas.market.path import POINTS, PathRules, candle_path, candle_paths
from atlas.market.product import Product

Ints = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
"""Microseconds."""
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an instant as microseconds since 1970 UTC."""
    return (at - EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    """Return microseconds since 1970 as an instant."""
    return EPOCH + at * _MICROSECOND  # half the time that making a timedelta takes


def instants(times: Sequence[int]) -> list[datetime]:
    """Return many of them, in a fifth of the time."""
    return [EPOCH + since for since in np.array(times, "timedelta64[us]").tolist()]


class Track(msgspec.Struct, frozen=True):
    """See the module. Rows before `first` were traded before the stretch begins: they make bars, and are not played.

    `unit` is what prices count, 10 ** -scale; `begins` is where the file begins, `step` from one point of a row to the
    next. Opens lie within their candles.
    """

    product: Product
    scale: int
    unit: Decimal
    begins: int
    times: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    points: int
    step: int
    first: int
    walk: PathRules

    def __len__(self) -> int:
        return len(self.times)

    @property
    def guessed(self) -> bool:
        """Whether the order within a row is a guess (strat.md 6)."""
        return self.points > 1 and not self.walk.trusted

    @property
    def through(self) -> bool:
        """Whether the price went through every level between two points of a row."""
        return self.points > 1 and self.walk.through

    @property
    def last_at(self) -> int:
        """When its last point was traded; 0 if it has none."""
        return self.time(self.points * len(self) - 1) if len(self) else 0

    def price(self, units: int) -> Decimal:
        """Return a price of the file as a Decimal."""
        return units * self.unit

    def at_most(self, price: Decimal) -> int:
        """Return the highest whole units at or below a price."""
        return int(price.scaleb(self.scale).to_integral_value(ROUND_FLOOR))

    def at_least(self, price: Decimal) -> int:
        """Return the lowest whole units at or above a price."""
        return int(price.scaleb(self.scale).to_integral_value(ROUND_CEILING))

    def path(self, row: int) -> tuple[int, ...]:
        """Return the prices of one row in the order they traded."""
        close = int(self.close[row])
        if self.points == 1:
            return (close,)
        return candle_path(
            int(self.open[row]),
            int(self.high[row]),
            int(self.low[row]),
            close,
            always_high_first=self.walk.always_high_first,
        )

    def paths(self, rows: Ints) -> Ints:
        """Return the prices of many rows, an array of shape (rows, points)."""
        if self.points == 1:
            return self.close[rows][:, None]
        return candle_paths(
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            always_high_first=self.walk.always_high_first,
        )

    def time(self, point: int) -> int:
        """Return when a point was traded."""
        row, place = divmod(point, self.points)
        return int(self.times[row]) + place * self.step

    def priced(self, point: int) -> int:
        """Return the price of a point, in units."""
        row, place = divmod(point, self.points)
        return self.path(row)[place] if place < self.points - 1 else int(self.close[row])

    def points_until(self, at: int, *, inclusive: bool) -> int:
        """Return how many points were traded before an instant, or at it too: the next one's number."""
        before = at if inclusive else at - 1
        row = int(self.times.searchsorted(before, "right")) - 1
        if row < 0:
            return 0
        return self.points * row + min((before - int(self.times[row])) // self.step + 1, self.points)

    def prices_at(self, instants: Ints) -> Ints:
        """Return the price of the last point at or before each instant, which must not lie before the first row."""
        rows = np.searchsorted(self.times, instants, side="right") - 1
        places = np.minimum((instants - self.times[rows]) // self.step, self.points - 1)
        prices: Ints = self.paths(rows)[np.arange(len(rows)), places]
        return prices


def track_of(product: Product, file: PastFile, start: datetime, end: datetime, walk: PathRules) -> Track:
    """Return what of a file was traded before `end`; candles without volume never traded, unless none has any."""
    begins = micros(span(file)[0])
    if isinstance(file, CandleFile):
        kept = slice(0, int(np.searchsorted(file.times, -(-micros(end) // SECOND))))
        # Views as plain arrays: those of a memory-mapped file cost three times as much to slice.
        times, volume = np.asarray(file.times)[kept], np.asarray(file.volume)[kept]
        columns = [np.asarray(column)[kept] for column in (file.open, file.high, file.low, file.close)]
        if file.volume.any() and not volume.all():
            traded = volume != 0
            times, columns = times[traded], [column[traded] for column in columns]
        opened, high, low, close = columns
        if ((opened < low) | (opened > high)).any():
            opened = np.minimum(np.maximum(opened, low), high)
        times, points = times * SECOND, POINTS
        step = file.interval * SECOND // POINTS
    else:
        kept = slice(0, int(np.searchsorted(file.times, micros(end))))
        times, points, step = np.asarray(file.times)[kept], 1, 1
        opened = high = low = close = np.asarray(file.price)[kept]
    first = int(np.searchsorted(times, micros(start)))
    unit = Decimal(1).scaleb(-file.scale)
    return Track(product, file.scale, unit, begins, times, opened, high, low, close, points, step, first, walk)


def first_beyond(high: Ints, low: Ints, begin: Ints, end: Ints, above: Ints, below: Ints) -> Ints:
    """Return the first row of each [begin, end) whose high is above the one level or its low below the other; -1: none.

    All arrays but the columns have one number a search. Windows double while nothing is found.
    """
    found = np.full(len(begin), -1, np.int64)
    active = np.flatnonzero(begin < end)
    at, width = begin[active], 16
    while len(active):
        rows = at[:, None] + np.arange(width)
        inside = rows < end[active, None]
        np.minimum(rows, len(high) - 1, out=rows)
        hit = high[rows] > above[active, None]
        hit |= low[rows] < below[active, None]
        hit &= inside
        place = hit.argmax(axis=1)
        numbers = np.arange(len(active))
        is_hit = hit[numbers, place]
        found[active[is_hit]] = rows[numbers[is_hit], place[is_hit]]
        going = ~is_hit & (at + width < end[active])
        active, at = active[going], at[going] + width
        width = min(2 * width, max(16, 2_000_000 // max(len(active), 1)))
    return found


def next_beyond(high: Ints, low: Ints, begin: int, end: int, above: int, below: int) -> int:
    """Return what `first_beyond` does, of one search."""
    width = 64
    while begin < end:
        until = min(begin + width, end)
        hit = (high[begin:until] > above) | (low[begin:until] < below)
        place = int(hit.argmax())
        if hit[place]:
            return begin + place
        begin, width = until, min(4 * width, 65_536)
    return -1
