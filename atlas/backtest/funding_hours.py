"""The hours at which a product's funding is due in a stretch, each with its mark and rate (trading.md, Account)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np

from atlas.backtest.holding import Holding
from atlas.backtest.track import SECOND, Track, instant, micros
from atlas.market.sessions import breaks
from atlas.money.funding import funding

_HOUR = 3_600 * SECOND


class FundingHours:
    """The hours of one product from `start` to `end`, found at once: none inside a break, none on spot.

    `rate` gives an hour's rate, `atlas.money.funding.hourly_rate` or that of a file of past funding.
    """

    def __init__(self, track: Track, start: datetime, end: datetime, rate: Callable[[datetime], Decimal]) -> None:
        self._track, self._rate = track, rate
        first = micros(start) // _HOUR * _HOUR + _HOUR
        hours = np.arange(first, micros(end) + 1, _HOUR, dtype=np.int64)
        if track.product.kind != "future":
            hours = hours[:0]
        for begins, ends in breaks(track.product, start, end) if len(hours) else ():
            hours = hours[(hours - _HOUR < micros(begins)) | (hours > micros(ends))]
        self._hours = hours
        # The mark of each hour, 0 before the first trade: nothing is held then.
        self._marks = np.zeros(len(hours), np.int64)
        traded = int(hours.searchsorted(track.times[0])) if len(track) else len(hours)
        self._marks[traded:] = track.prices_at(hours[traded:])

    def due(self, holding: Holding, after: int, until: int) -> Sequence[tuple[int, Decimal]]:
        """Return the hours in (after, until] with what a position pays at each, USD; received is below 0."""
        if not len(self._hours):
            return ()
        first, last = self._hours.searchsorted([after, until], "right").tolist()
        return [
            (hour, self._of(holding, hour, self._track.price(mark)))
            for hour, mark in zip(self._hours[first:last].tolist(), self._marks[first:last].tolist(), strict=True)
        ]

    def marked(self, holding: Holding, hour: int, mark: Decimal) -> tuple[int, Decimal]:
        """Return one hour at another mark."""
        return hour, self._of(holding, hour, mark)

    def _of(self, holding: Holding, hour: int, mark: Decimal) -> Decimal:
        rate = self._rate(instant(hour))
        return funding(holding.candidate.side, holding.terms.contracts, self._track.product, mark, rate)
