"""The market as ATLAS saw it: candles, quotes and products. These belong to no account."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, JsonText


class CandleRow(Base):
    """A closed bar over [open_time, close_time). `type` is null, 1, 2U, 2D or 3; `open` may lie outside [low, high].

    `in_break` marks a bar that overlaps a break of its venue. `first_side` is the side of a 3 that broke first, null
    where unknown and of any other bar. `repaired` bars are from REST. `confirmed_at` is when (market time) the
    exchange's own candle was found equal, `contradicted_at` when it was last found different; that bar is not verified
    until the candle has replaced it (atlas/market/completeness.py).
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
    repaired: Mapped[bool] = mapped_column(server_default=text("false"))
    confirmed_at: Mapped[datetime | None]
    contradicted_at: Mapped[datetime | None]


class HoleRow(Base):
    """A stretch of a product's trades that may be missing: found at market time `at`, lost `since` then if known.

    `repaired_at` is when candles from REST covered it, null while they have not.
    """

    __tablename__ = "holes"
    __table_args__ = (
        Index("ix_holes_open", "symbol", postgresql_where=text("repaired_at IS NULL")),
    )

    symbol: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    since: Mapped[datetime | None]
    reason: Mapped[str]
    repaired_at: Mapped[datetime | None]


class QuoteRow(Base):
    """The last price, bid and ask of a product, for display only."""

    __tablename__ = "quotes"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    price: Mapped[Decimal]
    bid: Mapped[Decimal | None]
    ask: Mapped[Decimal | None]


class FormingRow(Base):
    """The current period of one timeframe as the scanner saw it at market time `at`, for display only.

    Prices are those of the forming bar, null while the period has no trade; `prior_high` and `prior_low` those of the
    bar before it. `mode` is how continuity is read off it. `known`: the data reach back to the period's open.
    """

    __tablename__ = "forming"
    __table_args__ = (
        CheckConstraint("open_time < close_time", name="times"),
        CheckConstraint("mode IN ('open', 'type')", name="mode"),
    )

    symbol: Mapped[str] = mapped_column(primary_key=True)
    timeframe: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    open_time: Mapped[datetime]
    close_time: Mapped[datetime]
    open: Mapped[Decimal | None]
    high: Mapped[Decimal | None]
    low: Mapped[Decimal | None]
    close: Mapped[Decimal | None]
    volume: Mapped[Decimal | None]
    prior_high: Mapped[Decimal | None]
    prior_low: Mapped[Decimal | None]
    mode: Mapped[str]
    known: Mapped[bool]


class PastBarsRow(Base):
    """The closed bars of one timeframe as last had from REST at `as_of` (exchange time), for display only.

    `bars` is an array of atlas.market.bar.Bar as JSON, oldest first: what closed before ATLAS was there to see it.
    """

    __tablename__ = "past_bars"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    timeframe: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[datetime]
    bars: Mapped[str] = mapped_column(JsonText)


class ProductRow(Base):
    """A product as last listed by the exchange; `payload` is atlas.market.product.Product as JSON."""

    __tablename__ = "products"

    id: Mapped[str] = mapped_column(primary_key=True)
    payload: Mapped[str] = mapped_column(JsonText)
    fetched_at: Mapped[datetime]
