"""A bar: open, high, low, close and volume over a half-open UTC interval."""

from datetime import datetime
from decimal import Decimal

import msgspec


class Bar(msgspec.Struct, frozen=True, array_like=True):
    """One bar of one timeframe over [open_time, close_time), both aware UTC (strat.md 1).

    `open` may lie outside [low, high]: some venues open a bar at the close before it; high and low are never widened.
    """

    timeframe: str
    open_time: datetime
    close_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Tick(msgspec.Struct, frozen=True, array_like=True):
    """One trade of the market, with the best bid and ask as of its place in the feed (None when not known).

    `size` is in contracts for futures, in base currency for spot. `aggressor` is the taker's side, "buy" or "sell", or
    None where the venue does not say.
    """

    trade_id: int
    time: datetime
    price: Decimal
    size: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    aggressor: str | None = None


def is_last(at: datetime, before: datetime | None, *, live: bool) -> bool:
    """Return whether a trade stamped `at` is the last one now, the one so far being of `before`.

    Of live trades the order they came in counts, also where two stamps are crossed. One that is replayed on
    subscription may be older than what is known.
    """
    return live or before is None or at >= before
