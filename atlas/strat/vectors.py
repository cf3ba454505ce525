"""Bar types and labels of many bars at once: the rules of `bar_types` and `labels` over NumPy arrays.

Prices are int64 units of one tick, or float64. int64 is exact up to `LARGEST` units, and refused beyond. float64 is
compared as it is, without tolerance: exact while the products of the 33 % rule are (whole numbers up to 2 ** 46), and
NaN is refused. Work goes through the arrays in chunks that stay in the processor's cache; results are bytes, one a
bar, written into the arrays of `out` where given. Memory is linear: nothing but the results and one chunk.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.errors import ConfigurationError, DataError
from atlas.strat.bar_types import BarType, Color
from atlas.strat.labels import FAILED_TWO, Shape

Prices = NDArray[np.int64] | NDArray[np.float64]
Column = Prices | NDArray[np.int32]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

CHUNK: Final = 32_768
"""Bars a chunk: what is worked on at a time, some six columns of prices, stays in the second-level cache."""

SMALL: Final = 2**31 // 100
"""Whole prices below it are labelled in 32 bits, which half the memory passes through: 100 times one still fits."""

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
    if bars:
        types[0] = UNTYPED
    room = np.empty(min(chunk, bars), np.bool_)
    for start in range(1, bars, chunk):
        end = min(start + chunk, bars)
        codes, taken = types[start:end], room[: end - start]
        np.greater(high[start:end], high[start - 1 : end - 1], codes.view(np.bool_))  # bit 0, where it belongs
        np.less(low[start:end], low[start - 1 : end - 1], taken)
        down = taken.view(np.int8)
        np.add(down, down, down)
        np.add(codes, down, codes)
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
    columns = (opened, high, low, close)
    if bars:
        _Labeller(high, 1, failed).label(columns, 0, labels)  # against itself: a 1, neither failed nor in force
        labels.types[0] = UNTYPED
    worker = _Labeller(high, max(min(chunk, bars - 1), 0), failed)
    for start in range(1, bars, chunk):
        if bars - start < worker.bars:
            worker = _Labeller(high, bars - start, failed)
        worker.label(columns, start, labels)
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
        if _highest(prices) >= LARGEST:
            wrong = prices[(prices < 0) | (prices >= LARGEST)][0]
            raise DataError(f"price {wrong}: whole prices are at least 0 and less than {LARGEST}; use a coarser unit")
    elif not np.isfinite(np.add.reduce(prices)):  # a sum of finite prices may be infinite: then look closer
        wrong = prices[~np.isfinite(prices)]
        if len(wrong):
            raise DataError(f"price {wrong[0]}: prices are finite numbers; mend it")


def _highest(prices: Prices) -> int:
    """Return the highest of some whole prices, where a negative number counts as a very large one."""
    return int(np.maximum.reduce(prices.view(np.uint64)))


def _type(taken: Flags, codes: Codes) -> None:
    """Write the codes of types: bit 0 where the prior high was taken (row 0), bit 1 where the prior low was (row 1)."""
    up, down = taken.view(np.int8)
    np.add(down, down, codes)
    np.add(codes, up, codes)


class _Labeller:
    """Labels so many `bars` at a time; holds the room for the steps in between."""

    def __init__(self, like: Prices, bars: int, failed: str) -> None:
        self.bars = bars
        self._reclaim = failed == "reclaim"
        self._flags = np.empty((6, bars), np.bool_)
        self._small = [np.empty(bars + 1, np.int32) for _ in range(4)]
        self._room: dict[np.dtype[Any], list[Column]] = {
            column.dtype: [np.empty_like(column, shape=bars) for _ in range(2)] for column in (like, self._small[0])
        }

    def label(self, columns: Sequence[Prices], start: int, out: BarLabels) -> None:
        """Write the labels of the bars from `start` on against the bars before them; bar 0 is its own."""
        end = start + self.bars
        opened, high, low, close = self._checked([prices[max(start - 1, 0) : end] for prices in columns])
        o, h, lo, c = (prices[-self.bars :] for prices in (opened, high, low, close))
        taken, beyond, shade = self._flags[:2], self._flags[2:4], self._flags[4:]  # pairs of rows: upward, downward
        np.greater(h, high[: self.bars], taken[0])
        np.less(lo, low[: self.bars], taken[1])
        np.greater(c, high[: self.bars], beyond[0])
        np.less(c, low[: self.bars], beyond[1])
        np.greater(c, o, shade[0])
        np.less(c, o, shade[1])
        colors, failed, force = out.colors[start:end], out.failed[start:end], out.in_force[start:end]
        _type(taken, out.types[start:end])
        np.subtract(shade[0].view(np.int8), shade[1].view(np.int8), colors)
        # Of flags, `p > q` is "p and not q".
        if self._reclaim:
            returned = np.greater(np.greater(taken, taken[::-1]), beyond)
            np.logical_or(returned[0], returned[1], failed)
        else:  # 1 for a 2U, -1 for a 2D, against the color's sign
            one_way = np.subtract(taken[0].view(np.int8), taken[1].view(np.int8), failed.view(np.int8))
            np.equal(np.multiply(one_way, colors, one_way), -1, failed)
        np.logical_and(beyond, taken, beyond)
        np.greater(taken[::-1], shade, shade)  # of a 3, the side that is not its color's
        np.greater(beyond, shade, beyond)
        np.logical_or(beyond[0], beyond[1], force)
        self._shape(o, h, lo, c, out.shapes[start:end])

    def _checked(self, columns: list[Prices]) -> Sequence[Column]:
        """Return the prices in 32 bits if all are SMALL, else as they are, checked."""
        if columns[0].dtype == np.int64 and all(_highest(prices) < SMALL for prices in columns):
            for small, prices in zip(self._small, columns, strict=True):
                np.copyto(small[: len(prices)], prices, casting="same_kind")
            return [small[: len(columns[0])] for small in self._small]
        for prices in columns:
            check_range(prices)
        return columns

    def _shape(self, o: Column, h: Column, lo: Column, c: Column, shapes: Codes) -> None:
        body, limit = self._room[o.dtype]
        hammer, shooter = shapes.view(np.bool_), self._flags[0]
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
