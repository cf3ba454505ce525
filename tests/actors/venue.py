"""A paper broker alone, and positions at it: what the tests of the broker play on."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from actors.messages import (
    Depth,
    FeedUp,
    Filled,
    MarketTime,
    PlaceOrder,
    ProductsListed,
    Trades,
)
from actors.paper_broker import PaperBroker
from actors.route import route
from actors.runtime.kit import Kit
from atlas.market.bar import Tick
from atlas.money.book import Order
from atlas.money.depth import Book, Level
from atlas.rules import Rules
from tests.actors.scene import BIP, NOON, product

D = Decimal
M = TypeVar("M")
RULES = Rules()


class Venue:
    """A broker alone, with the feed up, an account and a first price of 60000."""

    def __init__(
        self,
        symbol: str = BIP,
        *,
        begin: datetime = NOON,
        price: float = 60000,
        rules: Rules = RULES,
        **changes: Any,
    ) -> None:
        self.kit = Kit({"paper_broker": PaperBroker(rules)}, route,
                       outside=["risk_monitor", "entry_monitor", f"scanner:{symbol}"])  # fmt: skip
        self.symbol, self.ids = symbol, 0
        self.kit.run(MarketTime(begin))
        self.kit.run(ProductsListed((product(symbol, **changes),)))
        self.kit.run(FeedUp(begin))
        self.trade(price, begin)

    def trade(self, price: float, moment: datetime, *, source: Any = "feed", bid: Any = None, ask: Any = None) -> None:
        self.ids += 1
        tick = Tick(self.ids, moment, D(str(price)), D(1), bid, ask)
        self.kit.run(Trades(self.symbol, (tick,), source))

    def book(self, moment: datetime, bids: Sequence[tuple[Any, Any]], asks: Sequence[tuple[Any, Any]] = ()) -> None:
        """Tell the order book: (price, size) of each level, best first."""
        sides = (tuple(Level(D(str(price)), D(str(size))) for price, size in side) for side in (bids, asks))
        self.kit.run(Depth(self.symbol, moment, Book(*sides)))

    def place(self, order: Order) -> None:
        self.kit.run(PlaceOrder(order), to="paper_broker")

    def enter(self, contracts: float = 10, side: Literal["buy", "sell"] = "buy", leverage: float = 4.1) -> None:
        size, lever = D(str(contracts)), D(str(leverage))
        self.place(Order("p/entry", "p", self.symbol, side, "market", "entry", size, leverage=lever))

    def leave(self, kind: Any, purpose: Any, price: float | None = None, *, side: Any = "sell", n: float = 10) -> None:
        told = None if price is None else D(str(price))
        self.place(Order(f"p/{purpose}", "p", self.symbol, side, kind, purpose, D(str(n)), told))

    def place_exit(self, order_id: str, contracts: float) -> None:
        """A market exit of a part of the long position."""
        self.place(Order(order_id, "p", self.symbol, "sell", "market", "flatten", D(str(contracts))))

    def told(self, kind: type[M]) -> list[M]:
        return [message for message in self.kit.to("risk_monitor") if isinstance(message, kind)]

    @property
    def fills(self) -> list[tuple[str, Decimal, Decimal]]:
        """Purpose, reference and price of every fill."""
        return [(each.fill.purpose, each.fill.reference, each.fill.price) for each in self.told(Filled)]

    @property
    def parts(self) -> list[tuple[str, Decimal, Decimal]]:
        """Purpose, contracts and price of every fill."""
        return [(each.fill.purpose, each.fill.contracts, each.fill.price) for each in self.told(Filled)]

    @property
    def working(self) -> dict[str, Decimal]:
        """Contracts left of each order, by purpose."""
        return {order.purpose: order.contracts for order in self.state.orders.values()}

    @property
    def state(self) -> Any:
        return self.kit.state("paper_broker")


def long(stop: float = 59000, target: float = 62000, **options: Any) -> Venue:
    """A venue with 10 contracts long from 60000, slipped to 60030, a stop and a target beside them."""
    venue = Venue(**options)
    venue.enter()
    venue.leave("stop", "stop", stop)
    venue.leave("limit", "target", target)
    return venue


def short(stop: float = 61000, target: float = 58000, **options: Any) -> Venue:
    """The same, short from 59970."""
    venue = Venue(**options)
    venue.enter(side="sell", leverage=3.3)
    venue.leave("stop", "stop", stop, side="buy")
    venue.leave("limit", "target", target, side="buy")
    return venue
