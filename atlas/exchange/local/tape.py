"""What is known of one product as of the market's clock: its last trade and quote, recent trades, candles, book."""

from collections import deque

from atlas.exchange.local.book import Book, best_lots
from atlas.exchange.local.history import CandleHistory, DayFigures
from atlas.exchange.local.instants import NS, in_break
from atlas.exchange.local.market import FIRST_TRADE_ID, Market, MarketTrade
from atlas.exchange.local.products import ListedProduct
from atlas.market.path import POINTS, candle_path

RECENT = 100
"""Trades kept for snapshots and for REST, whose most is 100 too."""


class Tape:
    """One product, trade by trade. Before the first trade it tells the last minutes before the market's start."""

    def __init__(self, market: Market, product: ListedProduct) -> None:
        self.product = product
        self.history = CandleHistory(lambda: market.minutes_before(product.product_id))
        self._market = market
        self._recent: deque[MarketTrade] = deque(maxlen=RECENT)
        self._earlier: list[MarketTrade] | None = None
        self._last: MarketTrade | None = None
        self._book: Book | None = None
        self.traded = 0
        self.halt = ""
        """`paused` or `delisted` while the exchange has taken the product from trading."""

    def record(self, trade: MarketTrade) -> None:
        """Take in the next trade."""
        self._last = trade
        self._recent.append(trade)
        self.traded += 1
        self.history.add(trade.time, trade.ticks, trade.lots)
        if self._book is not None:
            self._book.move(trade)

    @property
    def last(self) -> MarketTrade:
        """The last trade; before the first, one at the opening price that never was sent."""
        if self._last is not None:
            return self._last
        earlier = self._earlier_trades()
        if earlier:
            return earlier[-1]
        ticks = self._market.opening_ticks(self.product.product_id)
        name = self.product.product_id
        return MarketTrade(self._market.start, name, FIRST_TRADE_ID - 1, ticks, 1, False, ticks - 1, ticks)

    def recent(self, most: int) -> list[MarketTrade]:
        """Return the latest trades, oldest first; those before the market's start are its last minutes' paths."""
        found = list(self._recent)
        if len(found) < most:
            found = self._earlier_trades() + found
        return found[-most:] if most else []

    def closed(self, now: int) -> bool:
        """Tell whether the product's session is closed (derivatives in their weekly break)."""
        return self.product.kind == "FUTURE" and in_break(now)

    def quoted(self, now: int) -> bool:
        """Tell whether there are quotes: not in a halt, nor a synthetic market's break; a file plays as it is."""
        return not self.halt and (self._market.from_file or not self.closed(now))

    def best_lots(self) -> tuple[int, int]:
        """Return the sizes at the best bid and ask."""
        return best_lots(self.product, self._market.seed, self.last)

    def figures(self, now: int) -> DayFigures:
        """Return the figures of the last day and year."""
        return self.history.figures(now, self.last.ticks)

    def book(self) -> Book:
        """Return the book, built when first asked for."""
        if self._book is None:
            self._book = Book(self.product, self._market.seed, self.last)
        return self._book

    @property
    def kept_book(self) -> Book | None:
        """The book if somebody has asked for it."""
        return self._book

    def _earlier_trades(self) -> list[MarketTrade]:
        if self._earlier is None:
            self._earlier = self._walk_back()
        return self._earlier

    def _walk_back(self) -> list[MarketTrade]:
        rows = self.history.base()
        count = min(len(rows), RECENT // POINTS)
        if not count:
            return []
        columns = (rows.times, rows.open, rows.high, rows.low, rows.close, rows.volume)
        trades: list[MarketTrade] = []
        before = int(rows.open[-count])
        trade_id = FIRST_TRADE_ID - count * POINTS
        latest = (column[-count:].tolist() for column in columns)
        for start, open_, high, low, close, volume in zip(*latest, strict=True):
            for point, ticks in enumerate(candle_path(open_, high, low, close)):
                time = start * NS + point * (60 * NS // POINTS)
                bid = ticks - 1 if ticks >= before else ticks
                lots = max(volume // POINTS, 1)
                trades.append(
                    MarketTrade(time, self.product.product_id, trade_id, ticks, lots, ticks < before, bid, bid + 1)
                )
                before, trade_id = ticks, trade_id + 1
        return trades
