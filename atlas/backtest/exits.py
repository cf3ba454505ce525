"""The first exit of a position by the levels of its orders and its entry bar, found by searching (strat.md 6).

At one point of the path: liquidated, then stop, then a market exit that waits, then target; then a trade of the entry
bar beyond the other side of the setup bar orders a market exit. In a candle whose path is a guess, and which from some
point on holds both what costs and the target, the target waits: the stop is taken, `ambiguous`.
"""

from decimal import Decimal
from typing import Final

import msgspec

from atlas.backtest.track import Track, instant, next_beyond
from atlas.market.sessions import is_open
from atlas.money.book import Purpose
from atlas.strat.setup import Side

NEVER: Final = -1
_BEYOND_ALL: Final = 2**62


class Barriers(msgspec.Struct, frozen=True, gc=False):
    """The levels of a position in units, mirrored for a short so that up is its gain: at or below `stop` and
    `liquidation`, below `invalidation`, above `target`. The entry bar ends before row `entry_bar_end`.
    """

    stop: int
    liquidation: int
    target: int
    invalidation: int
    entry_bar_end: int


class Exit(msgspec.Struct, frozen=True, gc=False):
    """Where a position is left: the point, why, and whether the candle did not tell what came first.

    `price` is that of the point, in units. `seen`: the broker had no order for it before the risk monitor saw the
    trade. `at_level`: the path went through the level itself, at which it is filled.
    """

    point: int
    price: int
    reason: Purpose
    ambiguous: bool = False
    seen: bool = False
    at_level: bool = False


def barriers(
    track: Track,
    side: Side,
    stop: Decimal,
    liquidation: Decimal | None,
    target: Decimal,
    invalidation: Decimal | None,
    entry_bar_end: int,
    *,
    touch: bool,
) -> Barriers:
    """Return the levels as a search needs them; `invalidation` None where that is no exit."""
    if side == "long":
        return Barriers(
            track.at_most(stop),
            -_BEYOND_ALL if liquidation is None else track.at_most(liquidation),
            track.at_least(target) - 1 if touch else track.at_most(target),
            -_BEYOND_ALL if invalidation is None else track.at_least(invalidation),
            entry_bar_end,
        )
    return Barriers(
        -track.at_least(stop),
        -_BEYOND_ALL if liquidation is None else -track.at_least(liquidation),
        -track.at_most(target) - 1 if touch else -track.at_least(target),
        -_BEYOND_ALL if invalidation is None else -track.at_most(invalidation),
        entry_bar_end,
    )


def exit_from(track: Track, side: Side, levels: Barriers, point: int, waiting: Purpose | None = None) -> Exit | None:
    """Return the first exit at `point` or later; None if there is none. `waiting`: a market exit has been ordered."""
    row, place = divmod(point, track.points)
    rows = len(track)
    if row < rows and (place or waiting):
        found, waiting = _walk(track, side, levels, row, place, waiting)
        if found is not None:
            return found
        row += 1
        if waiting is not None:
            return exit_from(track, side, levels, track.points * row, waiting)
    costly = max(levels.stop, levels.liquidation)
    for until, nearest in (
        (min(levels.entry_bar_end, rows), max(costly, levels.invalidation - 1)),
        (rows, costly),
    ):
        while row < until:
            if side == "long":
                row = next_beyond(track.high, track.low, row, until, levels.target, nearest + 1)
            else:
                row = next_beyond(track.high, track.low, row, until, -nearest - 1, -levels.target)
            if row == NEVER:
                row = until
                break
            found, waiting = _walk(track, side, levels, row, 0, None)
            if found is not None:
                return found
            row += 1
            if waiting is not None:
                return exit_from(track, side, levels, track.points * row, waiting)
    return None


def _walk(
    track: Track, side: Side, levels: Barriers, row: int, place: int, waiting: Purpose | None
) -> tuple[Exit | None, Purpose | None]:
    """Take a row's points from `place` on; return the exit, and what waits for the next row if there is none."""
    sign = 1 if side == "long" else -1
    prices = [sign * price for price in track.path(row)]
    costly = max(levels.stop, levels.liquidation)
    inside = row < levels.entry_bar_end
    rest = prices[max(place, 1) :]
    doubtful = track.guessed and bool(rest) and min(rest) <= costly and max(rest) > levels.target
    for at in range(place, len(prices)):
        price, point = prices[at], track.points * row + at
        doubt = doubtful and at > 0  # its open came first
        if price <= costly:
            reason: Purpose = "liquidated" if price <= levels.liquidation else "stop"
            return Exit(point, sign * price, reason, doubt, at_level=track.through and at > 0), None
        if waiting is not None:
            return Exit(point, sign * price, waiting), None
        if price > levels.target and not doubt:
            return Exit(point, sign * price, "target", at_level=track.through and at > 0), None
        if inside and price < levels.invalidation:
            if is_open(track.product, instant(track.time(point))):
                return Exit(point, sign * price, "invalidated", seen=True), None
            waiting = "invalidated"  # no session: it gets the next trade there is
    return None, waiting
