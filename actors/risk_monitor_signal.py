"""From the product that gives the signal to the one that is traded: whose price counts, and at which ratio.

A trigger is taken by a trade of the signal product. What is traded has a last trade of its own: that is the reference
of the entry, and executed ÷ signal price at that instant is the ratio its levels are translated by (trading.md,
Products). A last trade that is too old, or none, leaves the ratio unknown, which the gate `divergence` rejects.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from actors.messages import EntryTriggered
from atlas.market.bar import Tick
from atlas.rules import Rules


class EntryPrice(msgspec.Struct, frozen=True):
    """The executed product's price at a trigger, with bid and ask as of it; `ratio` is None where there is none."""

    reference: Decimal
    bid: Decimal | None
    ask: Decimal | None
    ratio: Decimal | None = None


def executed_products(rules: Rules) -> dict[str, str]:
    """Return signal product → the product executed for it; a product that is in neither place is its own."""
    return {signal: executed for executed, signal in rules.signal_products.items()}


def entry_price(trigger: EntryTriggered, executed: str, last: Tick | None, now: datetime, rules: Rules) -> EntryPrice:
    """Return the price an entry is judged at; `last` is the executed product's last trade, None if none is known.

    Where no ratio is known the reference is the signal product's price: it is shown and decides nothing.
    """
    tick = trigger.tick
    if trigger.setup.symbol == executed:
        return EntryPrice(tick.price, tick.bid, tick.ask)
    if last is None or now - last.time > timedelta(seconds=rules.gates.max_price_age_seconds):
        return EntryPrice(tick.price, None, None)
    return EntryPrice(last.price, last.bid, last.ask, last.price / tick.price)
