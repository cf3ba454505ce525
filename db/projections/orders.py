"""Orders, what becomes of them, and fills."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, or_, update
from sqlalchemy.dialects.postgresql import insert

from actors.messages import (
    Filled,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    Remargined,
    StopReached,
)
from atlas.money.book import Order
from db.models import FillRow, OrderRow
from db.projections.account import moved
from db.projections.row import Row, columns, here, keys

_order = insert(OrderRow)
_order = _order.on_conflict_do_update(
    index_elements=["account", "id"],
    set_={"status": _order.excluded.status, "done_at": _order.excluded.done_at, "reason": _order.excluded.reason},
    # Final stays final.
    where=OrderRow.status == "accepted",
)
_working = or_(OrderRow.status == "accepted", OrderRow.status == "partially_filled")
_mine = update(OrderRow).where(here(OrderRow.account), here(OrderRow.id), _working)
_end = _mine.values(status=bindparam("status"), done_at=bindparam("done_at"), reason=bindparam("reason"))
_part = _mine.values(
    filled=OrderRow.filled + bindparam("part"),
    status=bindparam("status"),
    done_at=bindparam("done_at"),
    # What is left of a stop or a market order works on at the market; see the broker.
    due=case((OrderRow.kind == "limit", OrderRow.due), else_=func.coalesce(OrderRow.due, bindparam("at"))),
)
_move = _mine.values(price=bindparam("price"), moves=bindparam("moves"))
_reached = _mine.values(due=bindparam("due"))
_fill = insert(FillRow).on_conflict_do_nothing()


def accepted(account: str, event: OrderAccepted) -> list[Row]:
    """The order rests, or is about to be filled."""
    return [_of(account, event.order, "accepted", event.at, None)]


def rejected(account: str, event: OrderRejected) -> list[Row]:
    """The order was refused; the reason says what was found and what was allowed."""
    reason = f"{event.reason}: {event.value} (threshold {event.threshold})"
    return [_of(account, event.order, "rejected", event.at, event.at, reason)]


def cancelled(account: str, event: OrderCancelled) -> list[Row]:
    """The order is gone, or what was not filled of it."""
    return [_ended(account, event.order_id, "cancelled", event.at, event.reason)]


def expired(account: str, event: OrderExpired) -> list[Row]:
    """The order was not filled in its time."""
    return [_ended(account, event.order_id, "expired", event.at, event.reason)]


def moved_to(account: str, event: OrderMoved) -> list[Row]:
    """The order rests at another price."""
    row = {**keys(account, id=event.order_id), "price": event.price, "moves": event.count}
    return [Row(_move, row, (f"order {event.order_id}",))]


def reached(account: str, event: StopReached) -> list[Row]:
    """The stop is a market order now."""
    return [Row(_reached, {**keys(account, id=event.order_id), "due": event.due}, (f"order {event.order_id}",))]


def remargined(account: str, event: Remargined) -> list[Row]:
    """The money moved; the position itself is told by the risk monitor."""
    return moved(account, event.legs, event.account)


def filled(account: str, event: Filled) -> list[Row]:
    """The order is done or a part of it, the fill stored, and the money moved.

    A liquidation is an order that nobody placed: it begins with its fill.
    """
    fill, order = event.fill, event.order
    fields = columns(
        fill, "order_id", "position_id", "symbol", "side", "purpose", "contracts", "price", "reference", "fee",
        "slippage", "filled_while_down", "ambiguous", "rest", "after_hole",
    )  # fmt: skip
    status, done = ("filled", fill.time) if event.complete else ("partially_filled", None)
    part = {**keys(account, id=order.id), "part": fill.contracts, "status": status, "done_at": done, "at": fill.time}
    return [
        _of(account, order, "accepted", fill.time, None),
        Row(_part, part, (f"order {order.id}",)),
        Row(_fill, {"account": account, "at": fill.time, "number": event.number, **fields}, ("fills",)),
        *moved(account, event.legs, event.account),
    ]


def _of(account: str, order: Order, status: str, placed: datetime, done: datetime | None, reason: str = "") -> Row:
    fields: dict[str, Any] = columns(
        order, "id", "position_id", "symbol", "side", "kind", "purpose", "contracts", "price", "leverage", "good_until",
        "due",
    )  # fmt: skip
    times = {"placed_at": placed, "done_at": done, "reason": reason or None}
    return Row(_order, {"account": account, "status": status, **times, **fields}, (f"order {order.id}",))


def _ended(account: str, order_id: str, status: str, at: datetime, reason: str) -> Row:
    row = {**keys(account, id=order_id), "status": status, "done_at": at, "reason": reason}
    return Row(_end, row, (f"order {order_id}",))
