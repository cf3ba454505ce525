"""When an order's turn has come, and what it gets: the price, and how much of it, of a trade or of the book."""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.market.bar import Tick
from atlas.market.product import Product
from atlas.money.book import Order
from atlas.money.depth import Book, take
from atlas.money.fees import Liquidity, slipped
from atlas.rules import Rules


class Execution(msgspec.Struct, frozen=True):
    """What an order gets at once. `reference` is the price before slippage; `book` is what it leaves of the book."""

    contracts: Decimal
    price: Decimal
    reference: Decimal
    book: Book | None = None


def execution(order: Order, tick: Tick, book: Book | None, product: Product, rules: Rules) -> Execution | None:
    """Return what an order whose turn has come gets at this trade.

    Limit orders get their price, with `fills.touch` that of the trade. The others get the trade's price worse by
    slippage, or with the model `depth` what they find in the book: maybe less than they want. Without a book to walk
    an entry gets nothing (None): nobody buys blindly. An exit then gets the trade's price worse by slippage: it must
    get out. A liquidation is the venue's own, of the whole position, and never walks.
    """
    if order.kind == "limit" and order.price is not None:
        price = tick.price if rules.fills.touch else order.price
        return Execution(order.contracts, price, price)
    if rules.fills.model == "depth" and order.purpose != "liquidated":
        if book is not None and not book.crossed:
            taken = take(book.against(order.side), order.contracts, product.size_increment)
            if taken.price is not None:
                return Execution(taken.contracts, taken.price, tick.price, book.without(order.side, taken.left))
        if order.purpose == "entry":
            return None
    price = slipped(tick.price, order.side, tick.bid, tick.ask, rules.fees)
    return Execution(order.contracts, price, tick.price)


def slippage_cost(order: Order, made: Execution, contract_size: Decimal) -> Decimal:
    """Return what the fill cost against the reference, USD; 0 where the book gave a better price."""
    worse = made.price - made.reference if order.side == "buy" else made.reference - made.price
    return max(worse * made.contracts * contract_size, Decimal(0))


def reached(order: Order, price: Decimal, *, touch: bool = False) -> bool:
    """Whether a trade reaches a resting order: a stop at or beyond its price, a limit strictly beyond its own.

    A stop that was reached before is a market order now. `touch`: a trade at its price reaches a limit too.
    """
    if order.price is None:
        return True
    if order.kind == "stop":
        return order.due is not None or (price <= order.price if order.side == "sell" else price >= order.price)
    if touch and price == order.price:
        return True
    return price > order.price if order.side == "sell" else price < order.price


def in_time(order: Order, at: datetime, live: bool) -> bool:
    """Whether an order is at the market by a trade stamped `at`: its latency is over.

    A market order that waits for the feed or the session fills at a trade seen live only: one replayed on subscription
    had printed before anybody could have hit it.
    """
    if order.due is not None:
        return at >= order.due
    return live or order.kind != "market"


def turn(order: Order) -> tuple[int, Decimal]:
    """Sort exits as they come at one trade: stops, market exits, limits, of those the nearer to the market first."""
    if order.kind == "limit" and order.price is not None:
        return 2, order.price if order.side == "sell" else -order.price
    return ("stop", "market").index(order.kind), Decimal(0)


def pays_as(order: Order) -> Liquidity:
    """What an order's fill pays for: a resting limit order is a maker."""
    if order.purpose == "liquidated":
        return "liquidation"
    return "maker" if order.kind == "limit" else "taker"
