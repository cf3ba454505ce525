"""Orders, fills and positions."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, JsonText
from db.models.signal import SIDES

BUY_OR_SELL = "side IN ('buy', 'sell')"
WORKING = "'accepted', 'partially_filled'"
"""The states of an order that is not done."""


class OrderRow(Base):
    """One order. `accepted` and `partially_filled` are not final; `done_at` is when it was filled, cancelled, expired
    or rejected.

    `contracts` are those ordered, `filled` those filled. `price` is the one in force after `moves` moves. `due` is the
    first instant at which a market order, or a stop that was reached, can fill (null: no latency).
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"status IN ({WORKING}, 'rejected', 'filled', 'cancelled', 'expired')", name="status"),
        CheckConstraint(f"(status IN ({WORKING})) = (done_at IS NULL)", name="done_when_final"),
        CheckConstraint("filled BETWEEN 0 AND contracts", name="filled_at_most_ordered"),
        CheckConstraint(BUY_OR_SELL, name="side"),
        CheckConstraint("kind IN ('market', 'stop', 'limit')", name="kind"),
        CheckConstraint("contracts > 0", name="contracts_positive"),
        Index(None, "account", "position_id"),
        Index("ix_orders_resting", "account", postgresql_where=text(f"status IN ({WORKING})")),
        Index(None, "account", "done_at"),
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
    filled: Mapped[Decimal] = mapped_column(server_default="0")
    moves: Mapped[int] = mapped_column(server_default="0")
    good_until: Mapped[datetime | None]
    due: Mapped[datetime | None]


class FillRow(Base):
    """One fill of an order; `number` counts them from 0.

    `reference` is the price before slippage; fee and slippage are USD for all of it. `filled_while_down`: settled from
    candles at a later start. `ambiguous`: a stop taken in a candle that does not tell whether the target came first.
    `rest`: the feed was down and REST told the trade that filled it. `after_hole`: see atlas.money.book.Fill.
    """

    __tablename__ = "fills"
    __table_args__ = (
        CheckConstraint(BUY_OR_SELL, name="side"),
        CheckConstraint("contracts > 0", name="contracts_positive"),
        Index(None, "account", "position_id"),
        Index(None, "account", "at"),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    order_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, server_default="0")
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
    filled_while_down: Mapped[bool] = mapped_column(server_default="false")
    ambiguous: Mapped[bool] = mapped_column(server_default="false")
    rest: Mapped[bool] = mapped_column(server_default="false")
    after_hole: Mapped[bool] = mapped_column(server_default="false")


class PositionRow(Base):
    """A position as of its last event: the columns a report needs, and in `payload` the whole of it.

    `change` is the number of the last PositionChanged. `net` = gross − fees − funding, `r` = net / risk at entry
    (null when that is 0); both are USD and so far while the position is open. `contradicted`: it was entered on a bar
    that the exchange's own candle differed from afterwards. `signal_product` is null where signal and
    execution are one product, `signal_ratio` what its levels were multiplied by.
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
    filled_while_down: Mapped[bool] = mapped_column(server_default="false")
    ambiguous: Mapped[bool] = mapped_column(server_default="false")
    contradicted: Mapped[bool] = mapped_column(server_default="false")
    rest: Mapped[bool] = mapped_column(server_default="false")
    after_hole: Mapped[bool] = mapped_column(server_default="false")
    signal_product: Mapped[str | None]
    signal_ratio: Mapped[Decimal | None]
    status: Mapped[str]
    change: Mapped[int] = mapped_column(server_default="0")
    payload: Mapped[str] = mapped_column(JsonText)
