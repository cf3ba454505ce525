"""Orders and fills."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from actors.messages import Filled, OrderAccepted, OrderCancelled, OrderRejected
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
_cancel = (
    update(OrderRow)
    .where(here(OrderRow.account), here(OrderRow.id), OrderRow.status == "accepted")
    .values(status="cancelled", done_at=bindparam("done_at"), reason=bindparam("reason"))
)
_fill = insert(FillRow).on_conflict_do_nothing()


def accepted(account: str, event: OrderAccepted) -> list[Row]:
    """The order rests, or is about to be filled."""
    return [_of(account, event.order, "accepted", event.at, None)]


def rejected(account: str, event: OrderRejected) -> list[Row]:
    """The order was refused; the reason says what was found and what was allowed."""
    reason = f"{event.reason}: {event.value} (threshold {event.threshold})"
    return [_of(account, event.order, "rejected", event.at, event.at, reason)]


def cancelled(account: str, event: OrderCancelled) -> list[Row]:
    """The order is gone without a fill."""
    row = {**keys(account, id=event.order_id), "done_at": event.at, "reason": event.reason}
    return [Row(_cancel, row, (f"order {event.order_id}",))]


def filled(account: str, event: Filled) -> list[Row]:
    """The order is done, its fill stored, and the money moved."""
    fill = event.fill
    fields = columns(
        fill, "order_id", "position_id", "symbol", "side", "purpose", "contracts", "price", "reference", "fee",
        "slippage",
    )  # fmt: skip
    return [
        _of(account, event.order, "filled", fill.time, fill.time),
        Row(_fill, {"account": account, "at": fill.time, **fields}, ("fills",)),
        *moved(account, event.legs, event.account),
    ]


def _of(account: str, order: Order, status: str, placed: datetime, done: datetime | None, reason: str = "") -> Row:
    fields: dict[str, Any] = columns(
        order, "id", "position_id", "symbol", "side", "kind", "purpose", "contracts", "price", "leverage"
    )
    times = {"placed_at": placed, "done_at": done, "reason": reason or None}
    return Row(_order, {"account": account, "status": status, **times, **fields}, (f"order {order.id}",))
