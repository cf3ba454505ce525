"""How far and for how long a curve of money stands below its highest so far."""

from datetime import datetime, timedelta
from decimal import Decimal

ZERO = Decimal(0)


class Drawdown:
    """The drawdown of a curve told point by point, oldest first; it starts at a peak of `start` USD.

    When it started need not be known until `days` is asked for.
    """

    __slots__ = ("_deepest", "_fall", "_longest", "_peak", "_peak_at", "_share", "_under_start")

    def __init__(self, start: Decimal) -> None:
        self._deepest = self._share = ZERO
        """Those below the peaks before the one in force."""
        self._peak = start
        self._peak_at: datetime | None = None
        self._fall = ZERO
        """The deepest below the peak in force."""
        self._longest = timedelta()
        self._under_start: datetime | None = None

    @property
    def deepest(self) -> Decimal:
        """The deepest below a peak, USD."""
        return max(self._deepest, self._fall)

    @property
    def share(self) -> Decimal:
        """The deepest as a share of its peak."""
        return max(self._share, self._fall / self._peak) if self._peak > 0 else self._share

    def add(self, at: datetime, value: Decimal) -> None:
        """Take the next point; never one before the last."""
        fall = self._peak - value
        if fall > self._fall:
            self._fall = fall
        if self._fall and self._peak_at is None:
            self._under_start = at
        elif self._fall and self._peak_at is not None:
            self._longest = max(self._longest, at - self._peak_at)
        if fall <= 0:
            if self._fall:
                self._deepest, self._share = self.deepest, self.share
            self._peak, self._peak_at, self._fall = value, at, ZERO

    def days(self, start: datetime) -> Decimal:
        """Return the longest time from a peak to its recovery, or to the last point, in days of 24 hours."""
        first = timedelta() if self._under_start is None else self._under_start - start
        return Decimal(max(self._longest, first) // timedelta(seconds=1)) / 86400
