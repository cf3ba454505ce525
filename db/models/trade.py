"""Orders, fills and positions."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, JsonText
from db.models.signal import SIDES

BUY_OR_SELL = "side IN ('buy', 'sell')"


class OrderRow(Base):
    """One order. Only `accepted` is not final; `done_at` is when it was filled, cancelled or rejected."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("status IN ('accepted', 'rejected', 'filled', 'cancelled')", name="status"),
        CheckConstraint("(status = 'accepted') = (done_at IS NULL)", name="done_when_final"),
        CheckConstraint(BUY_OR_SELL, name="side"),
        CheckConstraint("kind IN ('market', 'stop', 'limit')", name="kind"),
        CheckConstraint("contracts > 0", name="contracts_positive"),
        Index(None, "account", "position_id"),
        Index("ix_orders_resting", "account", postgresql_where=text("status = 'accepted'")),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    position_id: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    kind: Mapped[str]
    purpose: Mapped[str]
    contracts: Mapped[Decimal]
    price: Mapped[Decimal | None]
    leverage: Mapped[Decimal]
    status: Mapped[str]
    placed_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class FillRow(Base):
    """The fill of an order. `reference` is the price before slippage; fee and slippage are USD for all of it."""

    __tablename__ = "fills"
    __table_args__ = (
        CheckConstraint(BUY_OR_SELL, name="side"),
        CheckConstraint("contracts > 0", name="contracts_positive"),
        Index(None, "account", "position_id"),
        Index(None, "account", "at"),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    order_id: Mapped[str] = mapped_column(primary_key=True)
    position_id: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    purpose: Mapped[str]
    contracts: Mapped[Decimal]
    price: Mapped[Decimal]
    reference: Mapped[Decimal]
    fee: Mapped[Decimal]
    slippage: Mapped[Decimal]
    at: Mapped[datetime]


class PositionRow(Base):
    """A position as of its last event: the columns a report needs, and in `payload` the whole of it.

    `change` is the number of the last PositionChanged. `net` = gross − fees − funding, `r` = net / risk at entry
    (null when that is 0); both are USD and so far while the position is open.
    """

    __tablename__ = "positions"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint("(status = 'closed') = (exit_time IS NOT NULL)", name="exit_when_closed"),
        CheckConstraint("(status = 'open') = (contracts > 0)", name="contracts_while_open"),
        CheckConstraint("net = gross - fees - funding", name="net"),
        CheckConstraint(SIDES, name="side"),
        Index("ix_positions_open", "account", postgresql_where=text("status = 'open'")),
        Index(None, "account", "exit_time"),
        Index(None, "account", "entry_time"),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    timeframe: Mapped[str]
    setup: Mapped[str]
    family: Mapped[str]
    side: Mapped[str]
    contracts: Mapped[Decimal]
    entry_contracts: Mapped[Decimal]
    contract_size: Mapped[Decimal]
    entry_price: Mapped[Decimal]
    entry_time: Mapped[datetime]
    stop: Mapped[Decimal]
    first_stop: Mapped[Decimal]
    target: Mapped[Decimal]
    leverage: Mapped[Decimal]
    tier: Mapped[str]
    margin: Mapped[Decimal]
    liquidation: Mapped[Decimal | None]
    worst: Mapped[Decimal]
    best: Mapped[Decimal]
    fees: Mapped[Decimal]
    funding: Mapped[Decimal]
    slippage: Mapped[Decimal]
    gross: Mapped[Decimal]
    net: Mapped[Decimal]
    risk_at_entry: Mapped[Decimal]
    r: Mapped[Decimal | None]
    exit_price: Mapped[Decimal | None]
    exit_time: Mapped[datetime | None]
    exit_reason: Mapped[str | None]
    status: Mapped[str]
    change: Mapped[int] = mapped_column(server_default="0")
    payload: Mapped[str] = mapped_column(JsonText)
