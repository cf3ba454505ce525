"""What the local exchange needs of a market: a stream of timed trades per product, and the minutes before its start."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.exchange.local.products import ListedProduct

FIRST_TRADE_ID = 100_000_001
"""The id of the first trade at or after a market's start; ids are dense per product, those before it count down."""


class MarketTrade(Struct, frozen=True):
    """A trade, and the best bid and ask it left behind."""

    time: int
    """Nanoseconds since 1970, whole microseconds."""
    product_id: str
    trade_id: int
    ticks: int
    lots: int
    maker_bought: bool
    """The side that rested: True when the taker sold, and the trade printed at the bid."""
    bid: int
    ask: int
    """In ticks."""


class MinuteRows(Struct, frozen=True):
    """n one-minute candles in which something traded, ascending: unix seconds, ticks and lots."""

    times: NDArray[np.int64]
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, start: int, end: int) -> "MinuteRows":
        """Return the rows that open in [start, end), unix seconds."""
        first, last = np.searchsorted(self.times, [start, end]).tolist()
        columns = (self.times, self.open, self.high, self.low, self.close, self.volume)
        return MinuteRows(*(column[first:last] for column in columns))


class Market(Protocol):
    """A market to play: the same object gives the same trades, whoever asks and however fast."""

    @property
    def products(self) -> Mapping[str, ListedProduct]:
        """What is listed, in order."""

    @property
    def start(self) -> int:
        """The instant its clock starts from, in nanoseconds."""

    @property
    def end(self) -> int | None:
        """The instant its clock ends at, in nanoseconds; None if never."""

    @property
    def from_file(self) -> bool:
        """Whether it is played from files, and so waits for its listeners."""

    @property
    def seed(self) -> int:
        """What the book's sizes are drawn from."""

    def trades(self) -> Iterator[MarketTrade]:
        """Yield the trades from the start on, by time; trades of one instant in the order of the products."""

    def minutes_before(self, product_id: str) -> MinuteRows:
        """Return the product's one-minute candles before the start."""

    def opening_ticks(self, product_id: str) -> int:
        """Return the price at the start, in ticks."""
