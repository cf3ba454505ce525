"""Approved entries until they are filled: the wait for a flip's exit, the watch on their bar, how they end unfilled.

Each ends as a position or as one named rejection, and what was reserved for it is free again.
"""

from collections.abc import Iterator
from datetime import datetime

from actors.messages import CancelOrder, OrderRejected, PlaceOrder, Traded
from actors.risk_monitor_orders import called_off, rejected
from actors.risk_monitor_state import RiskState
from actors.runtime.behaviour import Effect, Send
from atlas.money.bounds import bar_is_no_3
from atlas.risk import GATES

DUPLICATE = "duplicate"
"""Why the broker refuses an order whose id it has finished with."""


def watch(state: RiskState, message: Traded) -> Iterator[Effect]:
    """A trade before the fill makes the entry bar a 3: the entry is called back, it is not the setup any more.

    The trade that fills it is the broker's to judge, by the order's bounds.
    """
    tick = message.tick
    for order_id, entering in list(state.entering.items()):
        order, trigger = entering.order, entering.trigger
        if order.symbol != message.symbol or order.bounds is None:
            continue
        if not trigger.setup.valid_from <= tick.time < trigger.setup.valid_until:
            continue
        if message.source != "feed" and tick.time <= trigger.tick.time:
            continue
        intact, value, threshold = bar_is_no_3(order.bounds, tick.price)
        if not intact:
            del state.entering[order_id]
            yield Send("journal", rejected(trigger, tick.time, "missed", value, threshold))
            if not entering.after:
                yield Send("paper_broker", CancelOrder(order_id))


def enter_after(state: RiskState, now: datetime, closed_id: str) -> Iterator[Effect]:
    """A position is closed: the entry that a flip has kept waiting for it, and for no other, is placed."""
    for order_id, entering in list(state.entering.items()):
        if closed_id not in entering.after:
            continue
        entering.after.remove(closed_id)
        if entering.after:
            continue
        if now < entering.trigger.setup.valid_until:
            yield Send("paper_broker", PlaceOrder(entering.order))
        else:
            yield from lapsed(state, now, order_id, "the entry bar was over before the flip had closed")


def left_waiting(state: RiskState, now: datetime, position_id: str) -> Iterator[Effect]:
    """The exit of a position was refused: an entry that a flip has kept waiting for it does not come any more."""
    for order_id, entering in list(state.entering.items()):
        if position_id in entering.after:
            yield from lapsed(state, now, order_id, f"the broker refused to close {position_id}")


def refused(state: RiskState, now: datetime, message: OrderRejected) -> Iterator[Effect]:
    """The broker refused an entry: it ends as a rejection by the gate of that name, or of what was not known."""
    entering = state.entering.pop(message.order.id, None)
    if entering is None:
        return
    gate = "already_triggered" if message.reason == DUPLICATE else message.reason
    known = gate in GATES
    value = message.value if known else f"{message.reason}: {message.value}"
    gate = gate if known else "data_unverified"
    yield Send("journal", rejected(entering.trigger, now, gate, value, message.threshold))


def called_back(state: RiskState, now: datetime, order_id: str, reason: str) -> Iterator[Effect]:
    """An entry was cancelled before it was filled; what was cancelled of other orders changes nothing here."""
    entering = state.entering.pop(order_id, None)
    if entering is not None:
        yield Send("journal", called_off(entering.trigger, now, f"the order was cancelled: {reason}"))


def lapsed(state: RiskState, now: datetime, order_id: str, reason: str) -> Iterator[Effect]:
    """An entry was not filled in its time: the break is as good as missed."""
    entering = state.entering.pop(order_id, None)
    if entering is not None:
        yield Send("journal", rejected(entering.trigger, now, "missed", reason, "filled in its entry bar"))
