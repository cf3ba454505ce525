"""The points of a candle file's paths as columns, made into trades only where somebody asks for one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from atlas.market.bar import Tick
from atlas.market.candle_bars import opens_of
from atlas.market.candle_file import CandleFile
from atlas.market.guess import Guess
from atlas.market.path import POINTS, PathRules, candle_paths
from atlas.market.stretch import Stretch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROS = 1_000_000
_MICRO = timedelta(microseconds=1)
QUARTER = Decimal("0.25")
"""The part of a candle's volume each of its points has."""
FEW = 100
"""Of so many numbers Python finds the greatest sooner than NumPy, which takes 4 µs for any."""


class Tape:
    """The candles of [start, end) that traded, n of them, as 4 n points numbered from 0."""

    def __init__(self, file: CandleFile, start: datetime, end: datetime, path: PathRules) -> None:
        rows = file.rows(int(start.timestamp()), int(end.timestamp()))
        kept = rows.volume != 0
        if not file.volume.any():  # A file that tells no volumes, not a market without a trade.
            kept[:] = True
        self._scale, self._unit = file.scale, Decimal(1).scaleb(-file.scale)
        self._quarter = QUARTER.scaleb(-file.volume_scale)
        self._interval = file.interval
        self._step = file.interval * MICROS // POINTS
        self._trusted = path.trusted
        self._times: NDArray[np.int64] = rows.times[kept]
        self._volume: NDArray[np.int64] = rows.volume[kept]
        self.high: NDArray[np.int64] = rows.high[kept]
        self.low: NDArray[np.int64] = rows.low[kept]
        self.units: NDArray[np.int64] = candle_paths(
            rows.open[kept], self.high, self.low, rows.close[kept], always_high_first=path.always_high_first
        ).ravel()
        # Looked at one by one: a view gives Python's integers sooner than the array.
        self._seconds, self._traded, self.points = (column.data for column in (self._times, self._volume, self.units))
        self.highs: memoryview = self.high.data
        self.lows: memoryview = self.low.data
        self._before = np.concatenate(([0], np.cumsum(self._volume))).data

    def __len__(self) -> int:
        return len(self.units)

    @property
    def scale(self) -> int:
        """Digits behind the point of a price."""
        return self._scale

    def turns(self, timeframes: Iterable[str]) -> NDArray[np.int64]:
        """Return the points with which a bar of one of the timeframes begins, ascending, the first of all included."""
        first = np.zeros(len(self._times), np.bool_)
        first[:1] = True
        for timeframe in timeframes:
            first[1:] |= np.diff(opens_of(self._times, timeframe)) != 0
        return np.flatnonzero(first) * POINTS

    def extremes(self, begins: NDArray[np.int64]) -> tuple[memoryview, memoryview]:
        """Return the highest and lowest price behind each of these points, up to before the next of them."""
        edges = np.stack([begins, begins + 1], axis=1).ravel()
        high, low = np.maximum.reduceat(self.units, edges), np.minimum.reduceat(self.units, edges)
        return high[1::2].copy().data, low[1::2].copy().data

    def micros(self, point: int) -> int:
        """Return when a point traded, in microseconds since 1970."""
        return self._seconds[point // POINTS] * MICROS + point % POINTS * self._step

    def time(self, point: int) -> datetime:
        """Return when a point traded."""
        seconds, rest = divmod(self.micros(point), MICROS)
        at = datetime.fromtimestamp(seconds, UTC)
        return at.replace(microsecond=rest) if rest else at

    def first_at(self, at: datetime) -> int:
        """Return the first point that traded at `at` or later."""
        return self.first_from(micros(at))

    def first_from(self, at: int) -> int:
        """As `first_at`, of microseconds since 1970."""
        candle = max(int(np.searchsorted(self._times, at // MICROS, "right")) - 1, 0)
        point = candle * POINTS
        while point < len(self) and self.micros(point) < at:
            point += 1
        return point

    def price(self, point: int) -> Decimal:
        """Return the price of a point."""
        return self.points[point] * self._unit

    def decimal(self, units: int) -> Decimal:
        """Return a price counted in units as a Decimal."""
        return units * self._unit

    def tick(self, point: int) -> Tick:
        """Return the trade of a point; its number counts from 1."""
        size = self._traded[point // POINTS] * self._quarter
        return Tick(point + 1, self.time(point), self.price(point), size)

    def passing(self, point: int, price: Decimal) -> Tick:
        """Return the trade with which the path passes a price on its way to a point: nothing of the candle's volume."""
        return Tick(point + 1, self.time(point), price, Decimal(0))

    def guess(self, point: int) -> Guess | None:
        """Return what the point's candle has still to trade; None where the path is trusted."""
        if self._trusted:
            return None
        candle, place = divmod(point, POINTS)
        left = self.points[point : (candle + 1) * POINTS]
        until = datetime.fromtimestamp(self._seconds[candle] + self._interval, UTC)
        return Guess(self.decimal(min(left)), self.decimal(max(left)), until, place == 0)

    def stretch(self, symbol: str, first: int, last: int, extremes: tuple[int, int] | None = None) -> Stretch:
        """Return the points [first, last) as one; `extremes` are the highest and the lowest where they are known."""
        units = self.units[first:last]
        if extremes is None:
            few = self.points[first:last] if last - first <= FEW else None
            extremes = (max(few), min(few)) if few is not None else (int(units.max()), int(units.min()))
        high, low = extremes
        volume = self._quarters(last) - self._quarters(first)
        return Stretch(
            symbol, self.tick(last - 1), self.decimal(high), self.decimal(low),
            volume * self._quarter, units, self._scale,
        )  # fmt: skip

    def ticks(self, increment: Decimal | None = None) -> Iterator[tuple[Tick, Guess | None]]:
        """Yield every trade, one by one; with an `increment` also each price passed between two points of a candle."""
        before: Decimal | None = None
        for point in range(len(self)):
            price = self.price(point)
            if increment is not None and before is not None and point % POINTS:
                step = increment if price > before else -increment
                passed = before + step
                while passed < price if step > 0 else passed > price:
                    yield self.passing(point, passed), self.guess(point)
                    passed += step
            yield self.tick(point), self.guess(point)
            before = price

    def _quarters(self, point: int) -> int:
        """The volume of all points before one, in quarters of a unit."""
        candle, place = divmod(point, POINTS)
        return self._before[candle] * POINTS + (self._traded[candle] * place if place else 0)


def micros(at: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (at - _EPOCH) // _MICRO
