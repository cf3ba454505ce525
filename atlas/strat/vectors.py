"""Bar types and labels of many bars at once: the rules of `bar_types` and `labels` over NumPy arrays.

Prices are int64 units of one tick, or float64. int64 is exact up to `LARGEST` units, and refused beyond. float64 is
compared as it is, without tolerance: exact while the products of the 33 % rule are (whole numbers up to 2 ** 46), and
NaN is refused. Work goes through the arrays in chunks that stay in the processor's cache; results are bytes, one a
bar, written into the arrays of `out` where given. Memory is linear: nothing but the results and one chunk.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.errors import ConfigurationError, DataError
from atlas.strat.bar_types import BarType, Color
from atlas.strat.labels import FAILED_TWO, Shape

Prices = NDArray[np.int64] | NDArray[np.float64]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

CHUNK: Final = 32_768
"""Bars a chunk: what is worked on at a time, some six columns of prices, stays in the second-level cache."""

LARGEST: Final = 2**54
"""Whole prices stay below it, so that 100 times a difference of two, and 500 times a price, fit 64 bits."""

UNTYPED: Final = -1
TYPES: Final[dict[int, BarType | None]] = {UNTYPED: None, 0: "1", 1: "2U", 2: "2D", 3: "3"}
"""Code of a type: bit 0 says the prior high was taken, bit 1 the prior low; the first bar has no type."""

COLORS: Final[dict[int, Color]] = {1: "green", -1: "red", 0: "neutral"}
SHAPES: Final[dict[int, Shape | None]] = {0: None, 1: "hammer", 2: "shooter"}


class BarLabels(msgspec.Struct, frozen=True):
    """Of n bars: types, colors and shapes by the codes above; failed and in force are False without a type."""

    types: Codes
    colors: Codes
    shapes: Codes
    failed: Flags
    in_force: Flags

    @classmethod
    def empty(cls, bars: int) -> "BarLabels":
        """Return arrays for so many bars, to be filled."""
        types, colors, shapes = (np.empty(bars, np.int8) for _ in range(3))
        return cls(types, colors, shapes, np.empty(bars, np.bool_), np.empty(bars, np.bool_))


def types_of(high: Prices, low: Prices, out: Codes | None = None, chunk: int = 4 * CHUNK) -> Codes:
    """Return the code of each bar's type against the bar before it.

    Compares only: any int64 will do, and float64 without NaN (which the readers of files refuse).

    Raises:
        DataError: the arrays are not of one length and one of the two kinds of prices.
    """
    bars = count_of(high, low)
    types = np.empty(bars, np.int8) if out is None else out
    require_length(types, bars)
    up, down = np.empty(chunk, np.bool_), np.empty(chunk, np.bool_)
    for start in range(0, bars, chunk):
        _type(high, low, start, min(start + chunk, bars), types, up, down)
    return types


def label_all(
    opened: Prices,
    high: Prices,
    low: Prices,
    close: Prices,
    failed: str = "color",
    out: BarLabels | None = None,
    chunk: int = CHUNK,
) -> BarLabels:
    """Return type, color, shape, failed 2 (under that setting) and in force of each bar.

    Raises:
        ConfigurationError: `failed` is none of the settings.
        DataError: the arrays are not of one length and kind, or a price is negative, too large or no number.
    """
    if failed not in FAILED_TWO:
        raise ConfigurationError(f"failed 2 = {failed!r}: use one of {' '.join(FAILED_TWO)}")
    bars = count_of(high, low, opened, close)
    labels = BarLabels.empty(bars) if out is None else out
    for codes in (labels.types, labels.colors, labels.shapes, labels.failed, labels.in_force):
        require_length(codes, bars)
    worker = _Labeller(high, min(chunk, bars), reclaim=failed == "reclaim")
    for start in range(0, bars, chunk):
        worker.label(opened, high, low, close, start, min(start + chunk, bars), labels)
    return labels


def count_of(*columns: Prices) -> int:
    """Return how many bars the columns have. Raises DataError if they are not of one length and kind."""
    kinds = {prices.dtype for prices in columns}
    if len(kinds) != 1 or not kinds <= {np.dtype(np.int64), np.dtype(np.float64)}:
        raise DataError(f"prices of {', '.join(sorted(map(str, kinds)))}: give all as int64, or all as float64")
    shapes = {prices.shape for prices in columns}
    if len(shapes) != 1 or len(columns[0].shape) != 1:
        raise DataError(f"columns of shapes {sorted(shapes)}: give one number a bar in each")
    return len(columns[0])


def require_length(results: Codes | Flags, bars: int) -> None:
    """Refuse an array for results that is not as long as the bars are many."""
    if results.shape != (bars,):
        raise DataError(f"an array of shape {results.shape} for the results of {bars} bars: make it as long")


def empty_like(prices: Prices, bars: int) -> Prices:
    """Return an array to be filled with so many prices of the same kind."""
    return np.empty_like(prices, shape=bars)


def check_range(prices: Prices) -> None:
    """Refuse prices that arithmetic on them could not hold."""
    if prices.dtype == np.int64:
        # Or-ing is the quickest bound: a negative number leaves its sign bit, a large one its highest.
        if not 0 <= int(np.bitwise_or.reduce(prices)) < LARGEST:
            wrong = prices[(prices < 0) | (prices >= LARGEST)][0]
            raise DataError(f"price {wrong}: whole prices are at least 0 and less than {LARGEST}; use a coarser unit")
    elif not np.isfinite(np.add.reduce(prices)):  # a sum of finite prices may be infinite: then look closer
        wrong = prices[~np.isfinite(prices)]
        if len(wrong):
            raise DataError(f"price {wrong[0]}: prices are finite numbers; mend it")


def _type(high: Prices, low: Prices, start: int, end: int, types: Codes, up: Flags, down: Flags) -> None:
    """Write the types of bars [start, end), and which of them took the prior high and low to the heads of two rooms."""
    first = max(start, 1)
    up[: first - start] = down[: first - start] = False
    np.greater(high[first:end], high[first - 1 : end - 1], up[first - start : end - start])
    np.less(low[first:end], low[first - 1 : end - 1], down[first - start : end - start])
    codes, bits = types[start:end], down[: end - start].view(np.int8)
    np.add(bits, bits, codes)
    np.bitwise_or(codes, up[: end - start].view(np.int8), codes)
    types[start:first] = UNTYPED


class _Labeller:
    """Labels bars chunk by chunk; holds the room for the steps in between."""

    def __init__(self, like: Prices, chunk: int, *, reclaim: bool) -> None:
        self._reclaim = reclaim
        self._flags = [np.empty(chunk, np.bool_) for _ in range(7)]
        self._prices: list[Prices] = [empty_like(like, chunk) for _ in range(2)]

    def label(
        self, opened: Prices, high: Prices, low: Prices, close: Prices, start: int, end: int, out: BarLabels
    ) -> None:
        """Write the labels of bars [start, end)."""
        o, h, lo, c = (prices[start:end] for prices in (opened, high, low, close))
        for prices in (o, h, lo, c):
            check_range(prices)
        above, below, up, down, green, red, scratch = (flags[: end - start] for flags in self._flags)
        _type(high, low, start, end, out.types, up, down)
        first = max(start, 1)
        above[: first - start] = below[: first - start] = False
        np.greater(close[first:end], high[first - 1 : end - 1], above[first - start :])
        np.less(close[first:end], low[first - 1 : end - 1], below[first - start :])
        np.greater(c, o, green)
        np.less(c, o, red)
        colors, failed, force = out.colors[start:end], out.failed[start:end], out.in_force[start:end]
        np.subtract(green.view(np.int8), red.view(np.int8), colors)
        self._shape(o, h, lo, c, out.shapes[start:end], scratch)
        # Of flags, `p > q` is "p and not q".
        if self._reclaim:
            np.greater(np.greater(up, down, failed), above, failed)
            np.greater(np.greater(down, up, scratch), below, scratch)
            np.logical_or(failed, scratch, failed)
        else:  # 1 for a 2U, -1 for a 2D, against the color's sign
            one_way = np.subtract(up.view(np.int8), down.view(np.int8), scratch.view(np.int8))
            np.equal(np.multiply(one_way, colors, one_way), -1, failed)
        np.logical_and(above, up, above)
        np.greater(above, np.greater(down, green, green), above)  # a 3 that is not green does not count upward
        np.logical_and(below, down, below)
        np.greater(below, np.greater(up, red, red), below)
        np.logical_or(above, below, force)

    def _shape(self, o: Prices, h: Prices, lo: Prices, c: Prices, shapes: Codes, shooter: Flags) -> None:
        body, limit = (prices[: len(o)] for prices in self._prices)
        hammer = shapes.view(np.bool_)
        np.subtract(h, lo, limit)
        np.multiply(limit, 33, limit)
        np.maximum(o, c, out=body)
        np.subtract(body, lo, body)
        np.multiply(body, 100, body)
        np.less_equal(body, limit, shooter)
        np.minimum(o, c, out=body)
        np.subtract(h, body, body)
        np.multiply(body, 100, body)
        np.less_equal(body, limit, hammer)
        code = shooter.view(np.int8)  # both at once only without a range: else the two distances add up to all of it
        np.add(code, code, code)
        np.bitwise_or(shapes, code, shapes)
        np.greater(limit, 0, shooter)  # no range, no shape
        np.multiply(shapes, code, shapes)
