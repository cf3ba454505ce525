"""A seeded order book around the last trade: the level2 channel's content, and the sizes at the best bid and ask.

Behind the best bid and ask stand 600 levels a side, one in each stretch of the price axis; a stretch is so wide that
the book reaches at least 2 % from the best, or one tick where the tick is coarse. Where in its stretch a level stands
and what it holds is drawn from the seed and the stretch; what the best levels hold is drawn anew at each trade. So the
book needs no past: it is built when somebody first asks for it, and its best bid and ask are the ticker's at any time.
"""

from msgspec import Struct

from atlas.exchange.local.market import MarketTrade
from atlas.exchange.local.products import ListedProduct

DEPTH = 600
"""Levels a side, behind the best."""
REACH = 0.02
_MASK = (1 << 64) - 1
BID, OFFER = "bid", "offer"


class Level(Struct, frozen=True):
    """A level of the book, or a change to it: `lots` is absolute, 0 deletes."""

    side: str
    ticks: int
    lots: int


def drawn_number(*key: int) -> int:
    """Return 64 bits that depend on nothing but the key (splitmix64)."""
    state = 0x9E3779B97F4A7C15
    for part in key:
        state = (state ^ part) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state


def drawn_lots(product: ListedProduct, *key: int) -> int:
    """Return a size in lots, at least 1, that depends on nothing but the key."""
    most = 200 if product.kind == "FUTURE" else max(int(20_000 / float(product.first_price * product.lot.decimal)), 10)
    return 1 + drawn_number(*key) % most


def best_lots(product: ListedProduct, seed: int, trade: MarketTrade) -> tuple[int, int]:
    """Return what the best bid and the best ask hold after a trade, in lots."""
    return drawn_lots(product, seed, trade.trade_id, trade.bid), drawn_lots(product, seed, trade.trade_id, -trade.ask)


class Book:
    """One product's book. `move` follows the trades; `take_changes` hands over what changed since the last call."""

    def __init__(self, product: ListedProduct, seed: int, trade: MarketTrade) -> None:
        self._product = product
        self._seed = seed
        self._stretch = max(int(trade.ticks * REACH / DEPTH), 1)
        self._sides: dict[str, dict[int, int]] = {BID: {}, OFFER: {}}
        self._windows = {BID: range(0), OFFER: range(0)}
        self._best = {BID: 0, OFFER: 0}
        self._changed: dict[tuple[str, int], int] = {}
        self.move(trade)
        self._changed.clear()

    def move(self, trade: MarketTrade) -> None:
        """Shift the book to the quote a trade left behind."""
        bid_lots, ask_lots = best_lots(self._product, self._seed, trade)
        below, above = trade.bid // self._stretch, trade.ask // self._stretch + 1
        self._shift(BID, range(max(below - DEPTH, 1), below), trade.bid, bid_lots)
        self._shift(OFFER, range(above, above + DEPTH), trade.ask, ask_lots)

    def _shift(self, side: str, window: range, best: int, best_size: int) -> None:
        """Give one side the levels of a window of stretches, and its best."""
        held, last = self._windows[side], self._best[side]
        if last != best:
            self._set(side, last, 0)
        for stretch in _without(held, window):
            for ticks in self._drawn(side, stretch):
                self._set(side, ticks, 0)
        for stretch in _without(window, held):
            for ticks, lots in self._drawn(side, stretch).items():
                self._set(side, ticks, lots)
        self._set(side, best, best_size)
        self._windows[side], self._best[side] = window, best

    def _drawn(self, side: str, stretch: int) -> dict[int, int]:
        """Return the one level that stands in a stretch: its price and size."""
        sign = 1 if side == BID else -1
        place = drawn_number(self._seed, stretch) % self._stretch
        return {stretch * self._stretch + place: drawn_lots(self._product, self._seed, sign * stretch)}

    def _set(self, side: str, ticks: int, lots: int) -> None:
        levels = self._sides[side]
        if levels.get(ticks, 0) == lots:
            return
        self._changed[side, ticks] = lots
        if lots:
            levels[ticks] = lots
        else:
            del levels[ticks]

    def take_changes(self) -> list[Level]:
        """Return the changes since the last call in the exchange's order: bids descending, then offers ascending."""
        changed, self._changed = self._changed, {}
        return _ordered(changed)

    def levels(self) -> list[Level]:
        """Return the whole book: bids from the best downwards, then offers from the best upwards."""
        return _ordered({(side, ticks): lots for side, levels in self._sides.items() for ticks, lots in levels.items()})


def _without(these: range, those: range) -> list[int]:
    """Return what is in one range of prices and not in the other."""
    below = range(these.start, min(these.stop, those.start))
    above = range(max(these.start, those.stop), these.stop)
    return [*below, *above] if those else list(these)


def _ordered(levels: dict[tuple[str, int], int]) -> list[Level]:
    keys = sorted(levels, key=lambda key: (key[0], -key[1] if key[0] == BID else key[1]))
    return [Level(side, ticks, levels[side, ticks]) for side, ticks in keys]
