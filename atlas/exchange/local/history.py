"""One product's minutes as of the market's clock, and what is made of them: longer candles, the day's figures."""

from array import array
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from msgspec import Struct

from atlas.exchange.local.instants import DAY, MINUTE, NS
from atlas.exchange.local.market import MinuteRows

_YEAR = 365 * 86_400
_DAY = 86_400


class Candle(Struct, frozen=True):
    """A candle in ticks and lots; `start` is unix seconds."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class DayFigures(Struct, frozen=True):
    """What a ticker tells of the last 24 hours and 52 weeks."""

    volume: int
    low: int
    high: int
    low_52_weeks: int
    high_52_weeks: int
    ago: int
    """The price 24 hours ago, or the first known since."""


class CandleHistory:
    """Minutes before the market's start plus the trades since."""

    def __init__(self, before: Callable[[], MinuteRows]) -> None:
        """`before` gives the minutes before the start; it is called when first needed."""
        self._before = before
        self._base: MinuteRows | None = None
        self._closed = tuple(array("q") for _ in range(6))
        self._forming: Candle | None = None
        self._figures: DayFigures | None = None
        self._figures_key = (-1, -1)
        self._year: tuple[int, int, int] | None = None  # day, low, high
        self._revised: list[tuple[int, str, int]] = []

    def add(self, time: int, ticks: int, lots: int) -> None:
        """Take in a trade; `time` in nanoseconds does not go back."""
        start = time // MINUTE * 60
        forming = self._forming
        if forming is not None and forming.start == start:
            self._forming = Candle(
                start, forming.open, max(forming.high, ticks), min(forming.low, ticks), ticks, forming.volume + lots
            )
            return
        if forming is not None:
            values = (forming.start, forming.open, forming.high, forming.low, forming.close, forming.volume)
            for column, value in zip(self._closed, values, strict=True):
                column.append(value)
        self._forming = Candle(start, ticks, ticks, ticks, ticks, lots)

    def base(self) -> MinuteRows:
        """Return the minutes before the market's start."""
        if self._base is None:
            self._base = self._before()
        return self._base

    def revise(self, start: int, field: str, ticks: int) -> None:
        """Tell the minute that opens at `start` (unix seconds) otherwise from now on: `field` by so many ticks."""
        self._revised.append((start, field, ticks))

    def rows(self, start: int, end: int) -> MinuteRows:
        """Return the minutes that open in [start, end), unix seconds, the forming one included."""
        base = self.base().cut(start, end)
        columns = [[base.times, base.open, base.high, base.low, base.close, base.volume]]
        first, last = bisect_left(self._closed[0], start), bisect_left(self._closed[0], end)
        columns.append([np.array(column[first:last], dtype=np.int64) for column in self._closed])
        forming = self._forming
        if forming is not None and start <= forming.start < end:
            values = (forming.start, forming.open, forming.high, forming.low, forming.close, forming.volume)
            columns.append([np.array([value], dtype=np.int64) for value in values])
        found = MinuteRows(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
        for minute, field, ticks in self._revised:
            at = found.times == minute
            getattr(found, field)[at] += ticks
            found.high[at] = np.maximum.reduce([found.high[at], found.low[at], found.open[at], found.close[at]])
            found.low[at] = np.minimum.reduce([found.low[at], found.open[at], found.close[at]])
        return found

    def candles(self, seconds: int, start: int, end: int) -> list[Candle]:
        """Return the candles of `seconds` (anchored at 1970 UTC) whose start lies in [start, end], ascending.

        Intervals in which nothing traded have none; the last may still be forming.
        """
        first = -(-start // seconds) * seconds
        last = end // seconds * seconds
        rows = self.rows(first, last + seconds)
        if not len(rows):
            return []
        bucket = rows.times // seconds * seconds
        cuts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
        ends = np.concatenate((cuts[1:], [len(rows)])) - 1
        columns = (
            bucket[cuts], rows.open[cuts], np.maximum.reduceat(rows.high, cuts), np.minimum.reduceat(rows.low, cuts),
            rows.close[ends], np.add.reduceat(rows.volume, cuts),
        )  # fmt: skip
        return [Candle(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]

    def figures(self, now: int, last: int) -> DayFigures:
        """Return the figures of the day and year up to `now` (nanoseconds), given the `last` price in ticks.

        The window's far edge moves once a minute.
        """
        forming = self._forming
        key = (now // MINUTE, -1 if forming is None else forming.start)
        if self._figures is None or key != self._figures_key:
            self._figures, self._figures_key = self._closed_figures(now, last), key
        figures = self._figures
        if forming is None or forming.start <= now // NS - _DAY:
            return figures
        return DayFigures(
            figures.volume + forming.volume,
            min(figures.low, forming.low), max(figures.high, forming.high),
            min(figures.low_52_weeks, forming.low), max(figures.high_52_weeks, forming.high),
            figures.ago,
        )  # fmt: skip

    def _closed_figures(self, now: int, last: int) -> DayFigures:
        second = now // MINUTE * 60
        edge = self._forming.start if self._forming is not None else second + 60
        rows = self.rows(second - _DAY, edge)
        day = now // DAY
        if self._year is None or self._year[0] != day:
            year = self.rows(second - _YEAR, edge)
            self._year = (day, int(year.low.min()), int(year.high.max())) if len(year) else (day, last, last)
        if not len(rows):
            return DayFigures(0, last, last, min(last, self._year[1]), max(last, self._year[2]), last)
        low, high = int(rows.low.min()), int(rows.high.max())
        self._year = (day, min(low, self._year[1]), max(high, self._year[2]))
        return DayFigures(int(rows.volume.sum()), low, high, self._year[1], self._year[2], int(rows.open[0]))
