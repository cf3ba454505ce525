"""Labels that look further back than the bar before, of many bars at once: those `atlas.strat.series` keeps count of.

Prices as in `atlas.strat.vectors`; memory is linear. Runs are counted over whole columns. A mother bar depends on the
one before it, so those are found by walking along the bars, still some million a second.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.strat.labels import FiftyPercentState
from atlas.strat.series import PEAKS
from atlas.strat.setup import Side
from atlas.strat.vectors import Codes, Flags, Prices, check_range, count_of, types_of

FIFTY: Final[dict[int, FiftyPercentState | None]] = {
    -1: None, 0: "invalid", 1: "standby", 2: "active", 3: "complete", 4: "unknown",
}  # fmt: skip
_INVALID, _STANDBY, _ACTIVE, _COMPLETE, _UNKNOWN = 0, 1, 2, 3, 4
_CHUNK: Final = 65_536


class ContextArrays(msgspec.Struct, frozen=True):
    """Of n bars: comparisons in a row, the index of the mother bar each is inside of (-1 for none), and the 50 % rule.

    `fifty` are codes of FIFTY, as far as the bar alone tells.
    """

    lower_highs: NDArray[np.int64]
    higher_lows: NDArray[np.int64]
    mothers: NDArray[np.int64]
    fifty: Codes


def context_all(high: Prices, low: Prices, close: Prices) -> ContextArrays:
    """Return the context of each bar.

    Raises:
        DataError: the arrays are not of one length and kind, or a price is negative, too large or no number.
    """
    count_of(high, low, close)
    for prices in (high, low, close):
        if len(prices):
            check_range(prices)
    types = types_of(high, low)
    return ContextArrays(
        lower_highs=_runs(high[1:] < high[:-1]),
        higher_lows=_runs(low[1:] > low[:-1]),
        mothers=_mothers(high, low, types),
        fifty=_fifty(high, low, close, types),
    )


def ladder_at(extremes: Prices, bar: int, side: Side, target: float) -> list[int | float]:
    """Return the magnitude ladder beyond the first `target` of a setup of one bar, nearest first.

    `extremes` are the highs for a long, the lows for a short, and `target` is in their unit. It reaches as far as the
    one a series keeps, PEAKS.
    """
    older = extremes[bar::-1] if side == "long" else -extremes[bar::-1]
    furthest = np.maximum.accumulate(older)
    peaks = furthest[np.flatnonzero(np.diff(furthest, prepend=furthest[0] - 1))[:PEAKS]]
    rungs = peaks[peaks > (target if side == "long" else -target)]
    found: list[int | float] = (rungs if side == "long" else -rungs).tolist()
    return found


def _runs(held: Flags) -> NDArray[np.int64]:
    """Return how many comparisons in a row held up to each bar; the first bar has none."""
    places = np.arange(len(held) + 1)
    broken = np.zeros_like(places)
    np.copyto(broken[1:], places[1:], where=~held)
    return places - np.maximum.accumulate(broken)


def _mothers(high: Prices, low: Prices, types: Codes) -> NDArray[np.int64]:
    found = np.empty(len(types), np.int64)
    mother, top, bottom = -1, 0.0, 0.0
    for start in range(0, len(types), _CHUNK):
        end = start + _CHUNK
        mothers = []
        rows = zip(types[start:end].tolist(), high[start:end].tolist(), low[start:end].tolist(), strict=True)
        for bar, (kind, highest, lowest) in enumerate(rows, start):
            if mother >= 0 and (highest > top or lowest < bottom):
                mother = -1
            if mother < 0 and kind == 0:
                mother = bar - 1
                top, bottom = high[mother].item(), low[mother].item()
            mothers.append(mother)
        found[start:end] = mothers
    return found


def _fifty(high: Prices, low: Prices, close: Prices, types: Codes) -> Codes:
    found = np.full(len(types), _UNKNOWN, np.int8)
    middle = high[:-1] + low[:-1]  # twice the midpoint
    told, kinds = found[1:], types[1:]
    for kind, far, side in ((1, low, 1), (2, high, -1)):
        taken = kinds == kind
        told[taken & (side * (2 * close[1:] - middle) <= 0)] = _ACTIVE
        told[taken & (side * (2 * far[1:] - middle) > 0)] = _STANDBY
    told[kinds == 0] = _INVALID
    told[kinds == 3] = _COMPLETE
    found[:1] = -1
    return found
