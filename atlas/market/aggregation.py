"""Bars out of trades and of finer bars: first open, max high, min low, last close, sum volume (strat.md 1)."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.errors import ConfigurationError, DataError, InternalError
from atlas.market.bar import Bar
from atlas.market.timeframes import finer, period


class FormingBar(msgspec.Struct):
    """The bar of the current period so far. It holds at least one trade: a period without trades has no bar."""

    timeframe: str
    open_time: datetime
    close_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @classmethod
    def from_trade(cls, timeframe: str, at: datetime, price: Decimal, size: Decimal) -> "FormingBar":
        """Return the bar of the period that contains `at`, with its first trade in it."""
        opened, closes = period(timeframe, at)
        return cls(timeframe, opened, closes, price, price, price, price, size)

    @classmethod
    def from_bar(cls, bar: Bar, timeframe: str) -> "FormingBar":
        """Return the bar of `timeframe` that begins with `bar`, a bar of the same or of a finer timeframe.

        Raises:
            ConfigurationError: bars of that timeframe do not add up to `timeframe`.
        """
        if bar.timeframe != timeframe and bar.timeframe not in finer(timeframe):
            raise ConfigurationError(
                f"bars of {bar.timeframe} do not add up to {timeframe}: use one of {' '.join(finer(timeframe))}"
            )
        opened, closes = period(timeframe, bar.open_time)
        return cls(timeframe, opened, closes, bar.open, bar.high, bar.low, bar.close, bar.volume)

    def add(self, price: Decimal, size: Decimal) -> None:
        """Take one more trade. The caller has seen to it that it lies in this period and came after the others."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += size

    def add_many(self, high: Decimal, low: Decimal, close: Decimal, volume: Decimal) -> None:
        """Take many trades at once, by their extremes, the last of them and their volume; otherwise as `add`."""
        if high > self.high:
            self.high = high
        if low < self.low:
            self.low = low
        self.close = close
        self.volume += volume

    def merge(self, bar: Bar) -> None:
        """Take one more finer bar of this period, later than all before it.

        Raises:
            InternalError: the bar does not lie within this period.
        """
        if bar.open_time < self.open_time or bar.close_time > self.close_time:
            raise InternalError(
                f"a {bar.timeframe} bar at {bar.open_time:%Y-%m-%d %H:%M} is no part of the {self.timeframe} bar "
                f"at {self.open_time:%Y-%m-%d %H:%M}: report this"
            )
        if bar.high > self.high:
            self.high = bar.high
        if bar.low < self.low:
            self.low = bar.low
        self.close = bar.close
        self.volume += bar.volume

    def bar(self) -> Bar:
        """Return what has formed so far as an immutable bar."""
        return Bar(
            self.timeframe, self.open_time, self.close_time, self.open, self.high, self.low, self.close, self.volume
        )


def aggregate(
    bars: Iterable[Bar], timeframe: str, *, starts_whole: bool, complete_until: datetime | None = None
) -> tuple[list[Bar], Bar | None]:
    """Return the closed bars of `timeframe` that finer `bars` add up to, oldest first, and the one still forming.

    `bars` are ascending, of one timeframe; holes are no fault, and a period without bars gives none. Every trade
    before `complete_until` is in them (None: up to the close of the last bar): a last bucket that ends later is the
    forming one.
    `starts_whole` says that nothing is missing before the first bar (the market was asked from the bucket's open on).
    Otherwise a first bucket that opened before the first bar is partial, and dropped: it is neither listed nor a
    neighbour, nor the forming bar.

    Raises:
        ConfigurationError: bars of that timeframe do not add up to `timeframe`.
        DataError: the bars overlap or are not ascending.
    """
    closed: list[Bar] = []
    forming: FormingBar | None = None
    begins: datetime | None = None
    seen_until: datetime | None = None
    for bar in bars:
        if seen_until is None:
            opened, closes = period(timeframe, bar.open_time)
            begins = opened if starts_whole or bar.open_time == opened else closes
        elif bar.open_time < seen_until:
            raise DataError(
                f"the {bar.timeframe} bar at {bar.open_time:%Y-%m-%d %H:%M} begins before the one before it ends "
                f"({seen_until:%Y-%m-%d %H:%M}): bars must ascend and appear once"
            )
        seen_until = bar.close_time
        if begins is None or bar.open_time < begins:
            continue
        if forming is None:
            forming = FormingBar.from_bar(bar, timeframe)
        elif bar.open_time < forming.close_time:
            forming.merge(bar)
        else:
            closed.append(forming.bar())
            forming = FormingBar.from_bar(bar, timeframe)
    if forming is None:
        return closed, None
    known_until = complete_until or seen_until
    if known_until is not None and forming.close_time <= known_until:
        closed.append(forming.bar())
        return closed, None
    return closed, forming.bar()
