"""The path a price took inside a candle, as far as a candle can tell: one rule for local exchange, replay, backtest.

A candle knows four prices and not their order. The rule (spec: the local exchange) is

* the open is clamped into [low, high]: some venues open a candle at the close before it, outside its own range;
* close ≥ open: open, low, high, close; else open, high, low, close;
* `always_high_first` (a setting; the common strategy of the bench needs it): open, high, low, close for every candle.

The four points lie a quarter of the candle apart, the first at its opening time.

A path may also be taken to go *through*: between two points of a candle every price was traded, at the time of the
later point. Only the first point of a candle then lies beyond anything without having touched it.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

POINTS = 4
"""Points in a candle's path."""

Price = TypeVar("Price", int, Decimal)


class PathRules(msgspec.Struct, frozen=True):
    """How a candle is taken to have traded.

    `trusted`: the path is what happened and no guess, so no trade is ambiguous (strat.md 6). `through`: the price went
    through every level between two points of a candle.
    """

    always_high_first: bool = False
    trusted: bool = False
    through: bool = False


GUESSED: Final = PathRules()
"""The path as far as a candle tells it: a guess."""


def candle_path(
    open_: Price, high: Price, low: Price, close: Price, *, always_high_first: bool = False
) -> tuple[Price, Price, Price, Price]:
    """Return the four prices of a candle in the order they are taken to have traded.

    Prices are Decimals, or ints counting ticks. `open_` may lie outside [low, high] and is clamped first.
    """
    first = min(max(open_, low), high)
    if always_high_first or close < first:
        return first, high, low, close
    return first, low, high, close


def candle_paths(
    open_: NDArray[np.int64],
    high: NDArray[np.int64],
    low: NDArray[np.int64],
    close: NDArray[np.int64],
    *,
    always_high_first: bool = False,
) -> NDArray[np.int64]:
    """Return the paths of n candles as an array of shape (n, 4): `candle_path` for whole columns of ticks."""
    first = np.clip(open_, low, high)
    high_first = np.full(first.shape, True) if always_high_first else close < first
    second = np.where(high_first, high, low)
    third = np.where(high_first, low, high)
    return np.stack([first, second, third, close], axis=1)


def point_time(opened: datetime, length: timedelta, point: int) -> datetime:
    """Return when point 0 … 3 of the path of a candle of `length` that opened at `opened` is taken to have traded."""
    if not 0 <= point < POINTS:
        raise ValueError(f"a candle's path has points 0 to {POINTS - 1}, not {point}")
    return opened + length * point / POINTS
