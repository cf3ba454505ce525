"""The care of an open position: its resting orders, what a trade does to it, and the exits that come by the clock.

The rules stand in atlas/money/exits.py. Liquidation, stop, scale-out and target are the broker's, from its orders.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from actors.messages import ExitDue, MoveOrder, OrderMoved, PlaceOrder, PositionChanged, Traded
from actors.risk_monitor_orders import exit_order, leave
from actors.risk_monitor_state import Managed, RiskState
from actors.runtime.behaviour import After, Effect, Send
from atlas.market.bar import Tick
from atlas.market.product import Product
from atlas.money.account import next_trading_day
from atlas.money.book import Order, Position
from atlas.money.bounds import is_invalidated
from atlas.money.exits import expiry_exit, held_until, moved_stop, scale_out
from atlas.rules import Rules

SOON = 1e-6
"""Seconds until a timer whose time has passed, the least there is."""
TOLD_EVERY = timedelta(minutes=1)
"""How long a new worst or best price may be known to nobody else: a kill loses so much of MAE and MFE at most. An event
for each would be one for every trade of a trend."""


def exit_orders(position: Position, product: Product, rules: Rules) -> Iterator[Effect]:
    """Lay stop and target beside a new position at the broker, and the part scaled out at 1 R."""
    yield _place(exit_order(position, "stop", "stop", position.stop))
    part = scale_out(position, product, rules.exits)
    if part is not None:
        contracts, price = part
        yield _place(exit_order(position, "scale_out", "limit", price, contracts))
    yield _place(exit_order(position, "target", "limit", position.target))


def is_own_fill(managed: Managed, tick: Tick) -> bool:
    """Return whether this is the trade that filled the entry: a position is checked from the trade after it.

    The broker sees a trade first, so an entry that waited (latency, flip) is filled before the trade comes here. A twin
    of it, of the same instant and price, says nothing that the fill did not.
    """
    fresh, managed.fresh = managed.fresh, False
    return fresh and (tick.time, tick.price) == (managed.position.entry_time, managed.position.entry_reference)


def see(managed: Managed, message: Traded) -> None:
    """Remember the worst and the best price while open."""
    position, price = managed.position, message.tick.price
    long = position.side == "long"
    if price < position.worst if long else price > position.worst:
        managed.position, managed.untold = msgspec.structs.replace(position, worst=price), True
    elif price > position.best if long else price < position.best:
        managed.position, managed.untold = msgspec.structs.replace(position, best=price), True


def see_range(managed: Managed, high: Decimal, low: Decimal) -> None:
    """Remember the worst and the best price of many trades."""
    position = managed.position
    worst, best = (min, max) if position.side == "long" else (max, min)
    against, favour = (low, high) if position.side == "long" else (high, low)
    seen = worst(position.worst, against), best(position.best, favour)
    if seen != (position.worst, position.best):
        managed.position, managed.untold = msgspec.structs.replace(position, worst=seen[0], best=seen[1]), True


def tell_extremes(state: RiskState, now: datetime) -> Iterator[Effect]:
    """Tell the journal of worst and best prices it has not heard of for a minute of market time."""
    for managed in state.positions.values():
        if managed.untold and (managed.told_at is None or now - managed.told_at >= TOLD_EVERY):
            yield from changed(managed, now)


def react(managed: Managed, message: Traded, product: Product | None, rules: Rules) -> Iterator[Effect]:
    """Leave a position whose entry bar has become a 3; else move its stop where the options say so."""
    position, tick = managed.position, message.tick
    if (
        rules.exits.invalidated
        and tick.time < position.entry_bar_end
        and is_invalidated(position.side, tick.price, position.invalidation)
    ):
        yield from leave(managed, "invalidated")
    # Without a listing there is no tick to put a stop on: it stays where it is.
    if managed.leaving is None and product is not None:
        stop = moved_stop(position, tick.price, product.tick, rules.exits)
        if stop is not None:
            yield Send("paper_broker", MoveOrder(f"{position.id}/stop", stop))


def moved(state: RiskState, message: OrderMoved) -> Iterator[Effect]:
    """The broker has moved a stop, the one kind of order that is moved: it is in force, for the total risk too."""
    managed = state.positions.get(message.position_id)
    if managed is not None:
        yield from changed(managed, message.at, stop=message.price)


def changed(managed: Managed, at: datetime, **fields: object) -> Iterator[Effect]:
    """Change an open position and tell the journal the whole of it."""
    managed.position = msgspec.structs.replace(managed.position, **fields)
    managed.changes += 1
    managed.told_at, managed.untold = at, False
    yield Send("journal", PositionChanged(managed.position, managed.changes))


def arm_max_bars(position: Position, rules: Rules, now: datetime) -> Iterator[Effect]:
    """Wake when the position has been held for as many bars as it may be."""
    if rules.exits.max_bars:
        due = held_until(position, rules.exits.max_bars)
        yield _at(due, now, ExitDue(position.id, "max_bars", due))


def arm_expiry(position: Position, product: Product | None, rules: Rules, now: datetime) -> Iterator[Effect]:
    """Wake at the product's expiry exit, if that is before the next trading day: each day asks again."""
    due = expiry_exit(product) if product is not None else None
    if due is not None and due < next_trading_day(now, rules.account.timezone):
        yield _at(due, now, ExitDue(position.id, "expired", due))


def due(state: RiskState, message: ExitDue) -> Iterator[Effect]:
    """Close a position whose time is over, unless it is closed already or its contract is listed to expire later."""
    managed = state.positions.get(message.position_id)
    if managed is None:
        return
    product = state.products.get(managed.position.symbol)
    listed = expiry_exit(product) if product is not None else None
    if message.reason == "expired" and listed is not None and listed > message.at:
        return
    yield from leave(managed, message.reason)


def _at(due: datetime, now: datetime, message: ExitDue) -> Effect:
    return After(max((due - now).total_seconds(), SOON), message)


def _place(order: Order) -> Effect:
    return Send("paper_broker", PlaceOrder(order))
