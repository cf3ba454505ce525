"""The candles of the time in which ATLAS was down, of the products with open positions: one request at a time.

They come before all other candles, so that what happened is settled in the order of its time; and once more when those
are loaded, from where the first ended: candles of many products take minutes, in which the market goes on.

Some candles of before are asked for too: the last close then is the mark of an hour that is full soon after.

Where REST could not be reached at the start the feed goes on without them; they are `late`, and asked for once.
"""

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from actors.messages import Missed
from atlas.exchange.rest import pages
from atlas.market.bar import Bar
from atlas.market.timeframes import period

FINEST = "1m"
"""The finest candles the exchange has."""
BEFORE = timedelta(hours=1)
"""How far back the last close is looked for; of a product quiet for longer the last trade stored is the newest."""


class Candles(Protocol):
    """What is needed of `atlas.exchange.rest.Rest`."""

    def time(self) -> datetime:
        """Return the exchange's clock."""

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        """Return the bars that open in [start, end], oldest first."""


class Downtime(msgspec.Struct):
    """`after` is the market time of the last committed input, `since` the last sign of life.

    `as_of` is the exchange's clock of the candles on their way, `requests` the product, first and last open of those
    still to be made; `again` says that this is the second time, the last. `late`: the feed does not wait.
    """

    symbols: tuple[str, ...]
    after: datetime
    since: datetime
    as_of: datetime | None = None
    requests: list[tuple[str, datetime, datetime]] = []
    fetched: dict[str, list[Bar]] = {}
    failures: int = 0
    again: bool = False
    late: bool = False


def step(down: Downtime, exchange: Candles) -> Missed | None:
    """Make the next request; return what was missed once all of it is there. Raises what the exchange raises."""
    if down.as_of is None:
        down.as_of = exchange.time()
        since = period(FINEST, down.after)[0] - BEFORE
        down.requests = [(symbol, *page) for symbol in down.symbols for page in pages(FINEST, since, down.as_of)]
    else:
        symbol, first, last = down.requests[0]
        down.fetched.setdefault(symbol, []).extend(exchange.candles(symbol, FINEST, first, last))
        del down.requests[0]
    if down.requests:
        return None
    opened = period(FINEST, down.after)[0]
    known = {symbol: [bar for bar in bars if bar.open_time <= down.as_of] for symbol, bars in down.fetched.items()}
    candles = {symbol: tuple(bar for bar in bars if bar.open_time >= opened) for symbol, bars in known.items()}
    before = {symbol: bar for symbol, bars in known.items() for bar in bars if bar.open_time < opened}
    until = max(down.as_of, down.after)
    return Missed(down.after, down.since, until, candles, last=down.again or down.late, before=before)


def following(down: Downtime, told: Missed) -> Downtime | None:
    """Return what is to be asked for when the other candles are loaded; None after the second time."""
    return None if told.last else Downtime(down.symbols, told.until, down.since, again=True)
