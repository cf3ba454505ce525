"""Why an entry is not taken: when it is placed, and once more when it arrives at the market."""

from datetime import datetime

from actors.paper_broker_account import available, cash_needed
from actors.paper_broker_prices import execution
from actors.paper_broker_state import BrokerState
from atlas.market.bar import Tick
from atlas.market.sessions import is_open
from atlas.money.book import Order
from atlas.money.bounds import refused_at
from atlas.rules import Rules

Refusal = tuple[str, str, str]
"""Reason (an entry's is the gate that rejects its trigger), value, threshold."""


def refusal_of(state: BrokerState, rules: Rules, order: Order, tick: Tick | None, now: datetime) -> Refusal | None:
    """Return reason, value and threshold if an entry cannot be carried, or is no trade any more, at this price."""
    if order.purpose != "entry":
        return None
    product = state.products.get(order.symbol)
    if product is None or tick is None:
        return "data_unverified", f"no price of {order.symbol}", "a listed product with a price"
    if order.symbol in state.told:
        return "data_unverified", f"the last price of {order.symbol} is REST's", "a trade of the feed"
    if not is_open(product, now):
        return "session_closed", "closed", "open"
    made = execution(order, tick, state.books.get(order.symbol), product, rules)
    if made is None:
        return "data_unverified", f"no book of {order.symbol} to fill from", "an order book that is not crossed"
    outside = refused_at(order.bounds, made.reference, made.price) if order.bounds is not None else None
    if outside is not None:
        return outside
    needed, usable = cash_needed(order, made, product, rules), available(state)
    if needed > usable:
        return "margin", f"{needed:.2f} USD", f"{usable:.2f} USD available"
    return None
