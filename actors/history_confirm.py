"""Closed bars held against the exchange's own candles, within two minutes of the close and with few requests.

Shortly after a close the candles are asked for: one request of a product answers several timeframes. What is not equal,
or not there yet, is looked up again, now in its own granularity; the last look is told to the core as it is. What could
not be looked up stays unconfirmed: that stops nobody.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from actors.messages import ConfirmBars, ExchangeCandles, FrameBars
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.completeness import Look, agree, looks

LOOKS = 3
"""How often a bar is looked up that the exchange does not have, or has otherwise."""

MOST = 48
"""Bars of one product in one check: all of twelve timeframes three times, and some. Beyond that the oldest go."""


class Candles(Protocol):
    """What is needed of `atlas.exchange.rest.Rest`."""

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        """Return the bars that open in [start, end], oldest first."""


class Pace(msgspec.Struct, frozen=True):
    """Wall seconds from a close to the first look at its candle, and from one look to the next.

    The exchange caches its public candles for a second (coinbase.md 2). `after` + 2 × `again` leave 87 s of the two
    minutes for the requests of all products; see docs/decisions.md.
    """

    after: float = 3.0
    again: float = 15.0


COMPRESSED = Pace(0.2, 1.0)
"""Where a wall second is minutes of the market."""


class CheckDue(msgspec.Struct, frozen=True):
    """It is time to look these bars up; `made` looks were in vain."""

    symbol: str
    bars: tuple[Bar, ...]
    made: int = 0


class Check(msgspec.Struct):
    """The bars of one product to be looked up; `left` are the requests still to be made, None before the first."""

    symbol: str
    bars: list[Bar]
    made: int = 0
    left: list[Look] | None = None
    failures: int = 0


def due(asked: ConfirmBars) -> CheckDue:
    """Return what is to be done about bars that have closed, when it is time."""
    return CheckDue(asked.symbol, asked.bars)


def join(checks: list[Check], now_due: CheckDue) -> None:
    """Put bars into the check of their product that has not begun, or a new one at the end."""
    for check in checks:
        if check.symbol == now_due.symbol and check.made == now_due.made and check.left is None:
            bars = {(bar.timeframe, bar.open_time): bar for bar in (*check.bars, *now_due.bars)}
            check.bars = sorted(bars.values(), key=_age)[-MOST:]
            return
    checks.append(Check(now_due.symbol, sorted(now_due.bars, key=_age)[-MOST:], now_due.made))


def step(check: Check, exchange: Candles, most: int) -> tuple[ExchangeCandles | None, CheckDue | None]:
    """Make the check's next request; return what the core is told and what is to be looked up again.

    `most` is how many candles a request brings. Raises what the exchange raises.
    """
    if check.left is None:
        check.left = list(looks(check.bars, most, own=check.made > 0))
    look = check.left[0]
    candles = exchange.candles(check.symbol, look.granularity, look.first, look.last)
    del check.left[0]
    told: list[FrameBars] = []
    again: list[Bar] = []
    for timeframe in look.timeframes:
        ours = [bar for bar in check.bars if bar.timeframe == timeframe and bar.open_time >= look.first]
        if not ours:
            continue
        theirs = tuple(_theirs(candles, ours))
        if check.made + 1 >= LOOKS or (len(theirs) == len(ours) and all(map(agree, ours, theirs))):
            told.append(FrameBars(timeframe, theirs, None))
        else:
            again.extend(ours)
    return (
        ExchangeCandles(check.symbol, tuple(told)) if told else None,
        CheckDue(check.symbol, tuple(again), check.made + 1) if again else None,
    )


def _theirs(candles: list[Bar], ours: list[Bar]) -> Iterator[Bar]:
    """The exchange's bars of the timeframe from the first to the last of ours; all of these have closed."""
    begins, ends = ours[0].open_time, ours[-1].close_time
    within = (candle for candle in candles if begins <= candle.open_time < ends)
    closed, _ = aggregate(within, ours[0].timeframe, starts_whole=True, complete_until=ends)
    yield from closed


def _age(bar: Bar) -> datetime:
    return bar.close_time
