"""Bars as the daemon tells the display of them: past ones from REST, closed ones, and those that form."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages import BarClosed, Forming, FrameBars, FrameNow, PastBars
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from db.writer import Extras
from tests.web.scene import NOW, Daemon

BIP, FRAMES = "BIP-20DEC30-CDE", ("15m", "1h", "4h", "1d", "1w", "1M")
ONE = Decimal(1)
D = Decimal


def bars_until(end: datetime, timeframe: str, count: int, last: float, step: float, seed: int = 7) -> list[Bar]:
    """`count` bars of a walk that closes at `last` at `end`, each moving by about `step`."""
    rng, found, closes, close = random.Random(f"{timeframe}{seed}"), list[Bar](), end, last
    for _ in range(count):
        opened, ends = period(timeframe, closes - timedelta(microseconds=1))
        first = close - rng.gauss(0, step)
        high, low = max(first, close) + abs(rng.gauss(0, step / 2)), min(first, close) - abs(rng.gauss(0, step / 2))
        prices = (Decimal(round(price * 2)) / 2 for price in (first, high, low, close))
        found.append(Bar(timeframe, opened, ends, *prices, Decimal(rng.randint(5, 400))))
        closes, close = opened, first
    return found[::-1]


def tell_past(daemon: Daemon, symbol: str, frames: Sequence[FrameBars], as_of: datetime = NOW) -> None:
    """What REST told of the bars that had closed."""
    daemon.write(extras=Extras(past=(PastBars(symbol, as_of, tuple(frames)),)))


def tell_forming(
    daemon: Daemon, symbol: str, *frames: FrameNow, at: datetime = NOW, mode: str = "open"
) -> None:
    """How the current periods of a product stand."""
    daemon.write(extras=Extras(forming=(Forming(symbol, at, mode, frames),)))


def frame(
    timeframe: str, *row: str, prior: tuple[str, str] | None = None, at: datetime = NOW, known: bool = True
) -> FrameNow:
    """The current period: open, high, low, close of `row`, none without a trade; `prior` is the last high and low."""
    opened, closes = period(timeframe, at)
    bar = Bar(timeframe, opened, closes, *map(Decimal, row), ONE) if row else None
    high, low = map(Decimal, prior) if prior else (None, None)
    return FrameNow(timeframe, opened, closes, bar, high, low, known)


def closed_bar(bar: Bar, symbol: str = BIP, *, verified: bool = True) -> BarClosed:
    """The event of a bar's close."""
    return BarClosed(symbol, bar, None, verified)


def watched_market(daemon: Daemon) -> None:
    """Two products with a past on six timeframes, in the middle of their current periods."""
    for symbol, price, seed in ((BIP, 60300.0, 3), ("ETP-20DEC30-CDE", 60150.0, 5)):
        past, now = [], []
        for place, timeframe in enumerate(FRAMES):
            step = price * 0.0012 * 1.7**place
            opened, closes = period(timeframe, NOW + timedelta(minutes=7))
            past_bars = bars_until(opened, timeframe, 60, price - step * (0.4 - place % 3 * 0.4), step, seed)
            past.append(FrameBars(timeframe, tuple(past_bars), None))
            last, close = past_bars[-1], Decimal(str(price))
            high, low = max(last.close, close) + Decimal(40), min(last.close, close) - Decimal(30)
            bar = Bar(timeframe, opened, closes, last.close, high, low, close, Decimal(90))
            whole = timeframe != "1M" or symbol == BIP
            now.append(FrameNow(timeframe, opened, closes, bar, last.high, last.low, whole))
        tell_past(daemon, symbol, past)
        tell_forming(daemon, symbol, *now, at=NOW)
