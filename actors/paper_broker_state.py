"""What the paper broker keeps: the account, what is open at the venue, the orders that work, prices and books."""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.market.bar import Tick
from atlas.market.product import Product
from atlas.market.retold import Told
from atlas.money.book import AccountState, Order
from atlas.money.depth import Book
from atlas.money.unsettled import Unsettled
from atlas.strat.setup import Side

REMEMBERED = 256
"""Ids of finished orders kept, so that none of them is placed again."""


class Holding(msgspec.Struct):
    """What is open of one position at the venue; a trade replayed on subscription counts if it is after `since`.

    `funded` is the last full hour whose funding is settled. `doubt` is the end of the candle that does not tell whether
    stop or target came first, `ambiguous` that the stop was taken in one. `after_hole`: of its product's trades
    while it was open some stayed unknown (actors/paper_broker_hole.py).
    """

    symbol: str
    side: Side
    contracts: Decimal
    entry_price: Decimal
    margin: Decimal
    leverage: Decimal
    liquidation: Decimal | None
    since: datetime
    funded: datetime | None = None
    doubt: datetime | None = None
    ambiguous: bool = False
    after_hole: bool = False


class Hole(msgspec.Struct, frozen=True):
    """A hole in the feed of one product: the number of the last trade `known`, and whether it was `quoted` before.

    `told`: candles tell of it.
    """

    known: int | None
    quoted: bool
    told: bool = False


class BrokerState(msgspec.Struct):
    """`orders` work, oldest first, with the contracts not filled yet; `fills` and `moves` count those of each.

    `done` are the ids of the last orders filled, cancelled, expired or refused. `last` is the last trade of each
    product, `books` its order book where one is known. `blind`: products held over a restart whose trades since `last`
    nobody has told yet; their funding waits. `settling`: what happened while ATLAS was down is being settled, `settled`
    is how far that has come. `without` are products the feed is up without. `told` are the trades REST has told of
    while the feed was down, `rest` says that the last trade is one of them. `unsettled` is what was held over a restart
    until that time is settled, `walked` the last point of each product's candles in doing so. `holes` are the products
    whose trades may not all have been told, until the feed trades them again.
    """

    account: AccountState | None = None
    holdings: dict[str, Holding] = {}
    orders: dict[str, Order] = {}
    fills: dict[str, int] = {}
    moves: dict[str, int] = {}
    done: list[str] = []
    products: dict[str, Product] = {}
    last: dict[str, Tick] = {}
    books: dict[str, Book] = {}
    blind: list[str] = []
    feed_up: bool = False
    without: tuple[str, ...] = ()
    funding_armed: bool = False
    settling: bool = False
    settled: datetime | None = None
    told: Told = {}
    rest: bool = False
    unsettled: Unsettled | None = None
    walked: dict[str, Tick] = {}
    holes: dict[str, Hole] = {}
