"""The market as ATLAS saw it: candles, quotes and products. These belong to no account."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, JsonText


class CandleRow(Base):
    """A closed bar over [open_time, close_time). `type` is null, 1, 2U, 2D or 3; `open` may lie outside [low, high].

    `in_break` marks a bar that overlaps a break of its venue. `first_side` is the side of a 3 that broke first, null
    where unknown and of any other bar.
    """

    __tablename__ = "candles"
    __table_args__ = (
        CheckConstraint("type IN ('1', '2U', '2D', '3')", name="type"),
        CheckConstraint("first_side IN ('long', 'short')", name="first_side"),
        CheckConstraint("low <= high", name="low_not_above_high"),
        CheckConstraint("open_time < close_time", name="times"),
        Index(None, "close_time"),
    )

    symbol: Mapped[str] = mapped_column(primary_key=True)
    timeframe: Mapped[str] = mapped_column(primary_key=True)
    open_time: Mapped[datetime] = mapped_column(primary_key=True)
    close_time: Mapped[datetime]
    open: Mapped[Decimal]
    high: Mapped[Decimal]
    low: Mapped[Decimal]
    close: Mapped[Decimal]
    volume: Mapped[Decimal]
    type: Mapped[str | None]
    verified: Mapped[bool]
    in_break: Mapped[bool] = mapped_column(server_default=text("false"))
    first_side: Mapped[str | None]


class QuoteRow(Base):
    """The last price, bid and ask of a product, for display only."""

    __tablename__ = "quotes"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    price: Mapped[Decimal]
    bid: Mapped[Decimal | None]
    ask: Mapped[Decimal | None]


class ProductRow(Base):
    """A product as last listed by the exchange; `payload` is atlas.market.product.Product as JSON."""

    __tablename__ = "products"

    id: Mapped[str] = mapped_column(primary_key=True)
    payload: Mapped[str] = mapped_column(JsonText)
    fetched_at: Mapped[datetime]
