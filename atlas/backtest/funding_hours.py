"""The hours at which a product's funding is due in a stretch, each with its mark and rate (trading.md, Account)."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np

from atlas.backtest.holding import Holding
from atlas.backtest.track import SECOND, Track, instant, micros
from atlas.market.funding_file import FundingFile
from atlas.market.sessions import breaks
from atlas.money.funding import funding

_HOUR = 3_600 * SECOND


class FundingHours:
    """The hours of one product from `start` to `end`, found at once: none inside a break, none on spot.

    `rate` is that of each hour that no file of past funding tells (`atlas.money.funding.hourly_rate`). Where none tells
    another and it is 0 nothing is ever due.
    """

    def __init__(
        self, track: Track, start: datetime, end: datetime, rate: Decimal, file: FundingFile | None = None
    ) -> None:
        self._track, self._rate, self._file = track, rate, file
        first = micros(start) // _HOUR * _HOUR + _HOUR
        hours = np.arange(first, micros(end) + 1, _HOUR, dtype=np.int64)
        if track.product.kind != "future" or (rate == 0 and file is None):
            hours = hours[:0]
        for begins, ends in breaks(track.product, start, end) if len(hours) else ():
            hours = hours[(hours - _HOUR < micros(begins)) | (hours > micros(ends))]
        # The mark of each hour, 0 before the first trade: nothing is held then.
        marks = np.zeros(len(hours), np.int64)
        traded = int(hours.searchsorted(track.times[0])) if len(track) else len(hours)
        marks[traded:] = track.prices_at(hours[traded:])
        self._hours: list[int] = hours.tolist()
        self._marks: list[int] = marks.tolist()

    def due(self, holding: Holding, after: int, until: int) -> Sequence[tuple[int, Decimal]]:
        """Return the hours in (after, until] with what a position pays at each, USD; received is below 0."""
        if not self._hours:
            return ()
        first = bisect_right(self._hours, after)
        last = bisect_right(self._hours, until, first)
        return [
            (hour, self._of(holding, hour, self._track.price(mark)))
            for hour, mark in zip(self._hours[first:last], self._marks[first:last], strict=True)
        ]

    def marked(self, holding: Holding, hour: int, mark: Decimal) -> tuple[int, Decimal]:
        """Return one hour at another mark."""
        return hour, self._of(holding, hour, mark)

    def _of(self, holding: Holding, hour: int, mark: Decimal) -> Decimal:
        told = None if self._file is None else self._file.rate(instant(hour))
        rate = self._rate if told is None else told
        return funding(holding.candidate.side, holding.terms.contracts, self._track.product, mark, rate)
