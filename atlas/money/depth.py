"""The order book of one product, as deep as it is known, and what an order that walks it gets."""

from decimal import Decimal

import msgspec

from atlas.money.rounding import fixed, to_increment


class Level(msgspec.Struct, frozen=True, array_like=True):
    """What stands at one price; `size` is in contracts for futures, in base currency for spot."""

    price: Decimal
    size: Decimal


Levels = tuple[Level, ...]


class Book(msgspec.Struct, frozen=True, array_like=True):
    """The best levels of both sides, best first. Empty where nothing stands or nothing is known."""

    bids: Levels = ()
    asks: Levels = ()

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask: for a moment such a book is not one to trade on."""
        return bool(self.bids) and bool(self.asks) and self.bids[0].price >= self.asks[0].price

    def against(self, deed: str) -> Levels:
        """Return the levels that a market order takes: the asks for a buy, the bids for a sell."""
        return self.asks if deed == "buy" else self.bids

    def without(self, deed: str, levels: Levels) -> "Book":
        """Return the book with `levels` left of the side that `deed` took from."""
        return Book(self.bids, levels) if deed == "buy" else Book(levels, self.asks)


class Taken(msgspec.Struct, frozen=True):
    """What an order got: contracts, their volume-weighted average price (None: nothing), and what is left standing."""

    contracts: Decimal
    price: Decimal | None
    left: Levels


def take(levels: Levels, contracts: Decimal, increment: Decimal) -> Taken:
    """Walk the levels, best first, for so many contracts: at most what stands there, in whole increments."""
    standing = sum((level.size for level in levels), Decimal(0))
    wanted = to_increment(min(contracts, standing), increment)
    if wanted <= 0:
        return Taken(Decimal(0), None, levels)
    open_, value, left = wanted, Decimal(0), list[Level]()
    for level in levels:
        part = min(open_, level.size)
        open_, value = open_ - part, value + part * level.price
        if part < level.size:
            left.append(Level(level.price, level.size - part))
    return Taken(wanted, fixed(value / wanted), tuple(left))
