"""A paper broker alone, and positions at it: what the tests of the broker play on."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from actors.messages import (
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
from atlas.rules import Rules
from tests.actors.scene import BIP, NOON, product

D = Decimal
M = TypeVar("M")
RULES = Rules()


class Venue:
    """A broker alone, with the feed up, an account and a first price of 60000."""

    def __init__(self, *, begin: datetime = NOON, price: float = 60000, **changes: Any) -> None:
        self.kit = Kit({"paper_broker": PaperBroker(RULES)}, route,
                       outside=["risk_monitor", "entry_monitor", f"scanner:{BIP}"])  # fmt: skip
        self.ids = 0
        self.kit.run(MarketTime(begin))
        self.kit.run(ProductsListed((product(**changes),)))
        self.kit.run(FeedUp(begin))
        self.trade(price, begin)

    def trade(self, price: float, moment: datetime, *, source: Any = "feed", bid: Any = None, ask: Any = None) -> None:
        self.ids += 1
        tick = Tick(self.ids, moment, D(str(price)), D(1), bid, ask)
        self.kit.run(Trades(BIP, (tick,), source))

    def place(self, order: Order) -> None:
        self.kit.run(PlaceOrder(order), to="paper_broker")

    def enter(self, contracts: float = 10, side: Literal["buy", "sell"] = "buy", leverage: float = 4.1) -> None:
        self.place(Order("p/entry", "p", BIP, side, "market", "entry", D(str(contracts)), leverage=D(str(leverage))))

    def leave(self, kind: Any, purpose: Any, price: float | None = None, *, side: Any = "sell", n: int = 10) -> None:
        told = None if price is None else D(str(price))
        self.place(Order(f"p/{purpose}", "p", BIP, side, kind, purpose, D(n), told))

    def told(self, kind: type[M]) -> list[M]:
        return [message for message in self.kit.to("risk_monitor") if isinstance(message, kind)]

    @property
    def fills(self) -> list[tuple[str, Decimal, Decimal]]:
        """Purpose, reference and price of every fill."""
        return [(each.fill.purpose, each.fill.reference, each.fill.price) for each in self.told(Filled)]

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


def short(stop: float = 61000, target: float = 58000) -> Venue:
    """The same, short from 59970."""
    venue = Venue()
    venue.enter(side="sell", leverage=3.3)
    venue.leave("stop", "stop", stop, side="buy")
    venue.leave("limit", "target", target, side="buy")
    return venue
