"""A path that is only a guess: what a candle has still to trade when a point of its path is taken (strat.md 6).

A candle knows four prices and not their order, so which of two levels inside it was traded first is not known. Only its
open is certain: it came first. Candles fetched after downtime and candle files in a replay are such guesses; trades
that the exchange sent never are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import merge
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from atlas.market.bar import Bar, Tick
from atlas.market.past import walked
from atlas.market.path import POINTS, candle_path

AT_ONCE = timedelta(microseconds=1)


class Guess(msgspec.Struct, frozen=True, array_like=True):
    """The extremes of a candle from one point of its path on, that point included, and when the candle ends.

    `certain`: the point is the candle's open, which is known to have come first.
    """

    low: Decimal
    high: Decimal
    until: datetime
    certain: bool = False


def guesses(ticks: Sequence[Tick], until: datetime) -> Iterator[Guess]:
    """Yield what is left of a candle that ends at `until` at each point of its path, of which the first is its open."""
    for point in range(len(ticks)):
        left = [tick.price for tick in ticks[point:]]
        yield Guess(min(left), max(left), until, point == 0)


def walked_so_far(candle: Bar, first_id: int, as_of: datetime) -> tuple[Tick, ...]:
    """Return the points that a candle still forming at `as_of` has come to.

    A price that equals the one before it is a point not reached yet: the rest stand where they would in the whole
    candle, none later than `as_of`. Its volume so far is theirs in equal parts.
    """
    path = candle_path(candle.open, candle.high, candle.low, candle.close)
    prices = [path[0], *(price for before, price in pairwise(path) if price != before)]
    step, size = (candle.close_time - candle.open_time) / POINTS, candle.volume / len(prices)
    return tuple(
        Tick(first_id + point, min(candle.open_time + point * step, as_of), price, size)
        for point, price in enumerate(prices)
    )


def walk_missed(
    candles: Mapping[str, Iterable[Bar]], after: datetime, until: datetime
) -> Iterator[tuple[str, Tick, Guess]]:
    """Yield product, trade and guess of every point later than `after` of candles as of `until`, in order of time.

    Those of one instant come in the order of the products. Of a candle that contains `after` the points up to then are
    left out, but never the last: it comes just after `after` where it would come before. One that ends after `until` is
    walked as far as it has come. No real trade has a number below 1.
    """

    def of_one(symbol: str, bars: Iterable[Bar]) -> Iterator[tuple[str, Tick, Guess]]:
        for bar in bars:
            ticks = walked(bar, -POINTS) if bar.close_time <= until else walked_so_far(bar, -POINTS, until)
            if bar.open_time <= after < min(bar.close_time, until) and ticks[-1].time <= after:
                # Its last price may have traded since: late in a minute nothing else of it would be seen.
                ticks = (*ticks[:-1], replace(ticks[-1], time=after + AT_ONCE))
            for tick, guess in zip(ticks, guesses(ticks, bar.close_time), strict=True):
                if tick.time > after:
                    yield symbol, tick, guess

    yield from merge(*(of_one(symbol, bars) for symbol, bars in candles.items()), key=lambda one: one[1].time)
