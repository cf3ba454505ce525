"""The order books of one connection, kept from channel level2 (coinbase.md 1.4).

A snapshot is the whole book, not sorted; updates give a level's new quantity, 0 deletes it. Each frame counts in the
connection's sequence, so a book is right or the connection is given up; books never outlive it.
"""

from bisect import bisect_left, insort
from datetime import datetime
from decimal import Decimal

from atlas.exchange.wire import BookEvent, BookLevel, Level2
from atlas.money.depth import Book, Level


class LiveBook:
    """One product's book, in full."""

    def __init__(self) -> None:
        self._prices: dict[str, list[Decimal]] = {"bid": [], "offer": []}
        self._sizes: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}

    def begin(self, levels: tuple[BookLevel, ...]) -> None:
        """Take a snapshot in place of all there was."""
        for side, sizes in self._sizes.items():
            sizes.clear()
            sizes.update((level.price, level.size) for level in levels if level.side == side and level.size)
            self._prices[side] = sorted(sizes)

    def change(self, level: BookLevel) -> None:
        """Take a level's new quantity; deleting one that is not there is normal."""
        prices, sizes = self._prices[level.side], self._sizes[level.side]
        if level.size:
            if level.price not in sizes:
                insort(prices, level.price)
            sizes[level.price] = level.size
        elif sizes.pop(level.price, None) is not None:
            del prices[bisect_left(prices, level.price)]

    def best(self, levels: int) -> Book:
        """Return the best `levels` of each side."""
        bids, asks = self._prices["bid"][: -levels - 1 : -1], self._prices["offer"][:levels]
        return Book(
            tuple(Level(price, self._sizes["bid"][price]) for price in bids),
            tuple(Level(price, self._sizes["offer"][price]) for price in asks),
        )


class Books:
    """The books of all products on one connection. `levels` is how many of each side are told."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._books: dict[str, LiveBook] = {}
        self._changed: dict[str, datetime] = {}
        self._told: dict[str, Book] = {}

    def take(self, frame: Level2) -> None:
        """Take a frame. Changes of a product whose snapshot has not come yet mean nothing."""
        for event in frame.events:
            if self._apply(event) and frame.at is not None:
                self._changed[event.product_id] = frame.at

    def _apply(self, event: BookEvent) -> bool:
        if event.kind == "snapshot":
            self._books.setdefault(event.product_id, LiveBook()).begin(event.levels)
            return True
        book = self._books.get(event.product_id)
        if book is None:
            return False
        for level in event.levels:
            book.change(level)
        return True

    def news(self, product_id: str) -> tuple[datetime, Book] | None:
        """Return the best levels and when they were stamped, if they have changed since this was last asked."""
        at = self._changed.pop(product_id, None)
        if at is None:
            return None
        best = self._books[product_id].best(self._levels)
        if best == self._told.get(product_id):
            return None
        self._told[product_id] = best
        return at, best
