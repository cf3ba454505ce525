"""Orders and fills, from the events: the rows that the tables should hold, and whether each step was allowed."""

from datetime import datetime
from decimal import Decimal

from actors.messages import (
    Filled,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
)
from atlas.audit.difference import Findings
from atlas.money.book import Order
from db.audit.signals import Row, of

WORKING = ("accepted", "partially_filled")


class Orders:
    """`rows`: id → order, `fills`: (order id, number) → fill; `ended`: how entries ended that were not filled."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.rows: dict[str, Row] = {}
        self.fills: dict[tuple[str, int], Row] = {}
        self.ended: dict[str, OrderRejected | OrderExpired] = {}

    def accepted(self, event: OrderAccepted) -> None:
        """An order is placed once."""
        known = event.order.id in self.rows
        self._findings.holds("events", event.key, "order", event.order.id, "placed once", met=not known)
        self._begin(event.order, event.at)

    def rejected(self, event: OrderRejected) -> None:
        """An order is refused; an entry maybe only when it reaches the market."""
        if event.order.id not in self.rows:
            self._begin(event.order, event.at)
        self._end(event.key, event.order.id, "rejected", event.at)
        if event.order.purpose == "entry":
            self.ended[event.order.position_id] = event

    def cancelled(self, event: OrderCancelled) -> None:
        """A working order is gone, or what was not filled of it."""
        self._end(event.key, event.order_id, "cancelled", event.at)

    def expired(self, event: OrderExpired) -> None:
        """An entry was not filled in its time."""
        self._end(event.key, event.order_id, "expired", event.at)
        row = self.rows.get(event.order_id)
        if row is not None:
            self.ended[row["position_id"]] = event

    def moved(self, event: OrderMoved) -> None:
        """A working order rests at another price; the moves are numbered."""
        row = self._working(event.key, event.order_id)
        if row is not None:
            self._findings.equal("events", event.key, "count", event.count, row["moves"] + 1)
            row |= {"price": event.price, "moves": event.count}

    def filled(self, event: Filled) -> None:
        """A working order is filled, or a part of it. A liquidation is an order that nobody placed."""
        order, fill = event.order, event.fill
        if order.id not in self.rows and order.purpose == "liquidated":
            self._begin(order, fill.time)
        row = self._working(event.key, order.id)
        number = sum(1 for order_id, _ in self.fills if order_id == order.id) if event.number else 0
        self._findings.equal("events", event.key, "number", event.number, number)
        if row is not None:
            self._findings.fields(
                "events", event.key, of(order, "side", "kind", "purpose", "price", "leverage"),
                {name: row[name] for name in ("side", "kind", "purpose", "price", "leverage")},
            )  # fmt: skip
            row["filled"] += fill.contracts
            whole = fill.contracts == order.contracts
            row |= {"status": "filled", "done_at": fill.time} if whole else {"status": "partially_filled"}
        self.fills[order.id, event.number] = {
            **of(fill, "position_id", "symbol", "side", "purpose", "contracts", "price", "reference"),
            **of(fill, "fee", "slippage", "filled_while_down", "ambiguous", "rest", "after_hole"),
            "at": fill.time,
        }

    def _begin(self, order: Order, at: datetime) -> None:
        self.rows[order.id] = {
            **of(order, "position_id", "symbol", "side", "kind", "purpose", "contracts", "price", "leverage"),
            "good_until": order.good_until,
            "status": "accepted",
            "placed_at": at,
            "done_at": None,
            "filled": Decimal(0),
            "moves": 0,
        }

    def _working(self, event: str, order_id: str) -> Row | None:
        row = self.rows.get(order_id)
        if row is None:
            self._findings.equal("events", event, "order", order_id, None)
        elif row["status"] not in WORKING:
            self._findings.holds("events", event, "order", row["status"], "working", met=False)
            return None
        return row

    def _end(self, event: str, order_id: str, status: str, at: datetime) -> None:
        row = self._working(event, order_id)
        if row is not None:
            row |= {"status": status, "done_at": at}
