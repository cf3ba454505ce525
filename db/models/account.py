"""The account, everything that happened to it, and its money."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, JsonText


class AccountRow(Base):
    """One account as of its last committed event.

    The row is made by the first daemon's lock; `cash` and what follows are null until the first deposit. `fence` is
    the number of the daemon that may write (architecture.md, invariant 10).
    """

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("fence >= 0", name="fence_not_negative"),
        CheckConstraint("(cash IS NULL) = (reserved IS NULL)", name="opened_whole"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    starting_equity: Mapped[Decimal | None]
    cash: Mapped[Decimal | None]
    reserved: Mapped[Decimal | None]
    day: Mapped[str | None]
    day_start_equity: Mapped[Decimal | None]
    halts: Mapped[dict[str, Any]]
    halt_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    updated_at: Mapped[datetime]


class EventRow(Base):
    """One event, appended once: `id` is derived from what happened. `payload` is the message to the byte.

    `input` is the number of the core's input that caused it (null: it came from outside the core), `fence` the number
    of the daemon that decided it.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("account", "id"),
        Index(None, "account", "kind", "seq"),
        Index(None, "account", "fence"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    id: Mapped[str]
    kind: Mapped[str]
    at: Mapped[datetime | None]
    input: Mapped[int | None] = mapped_column(BigInteger)
    fence: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[str] = mapped_column(JsonText)


class LedgerRow(Base):
    """One leg of a movement, USD; the legs of a movement sum to zero, cash is the sum of the book `cash`."""

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("account", "movement_id", "book"),
        Index(None, "account", "book"),
        Index(None, "account", "position_id"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    movement_id: Mapped[str]
    book: Mapped[str]
    kind: Mapped[str]
    amount: Mapped[Decimal]
    at: Mapped[datetime]
    position_id: Mapped[str | None]


class FundingRow(Base):
    """Funding of one position at one hour boundary; `amount` > 0 was paid, < 0 received, USD."""

    __tablename__ = "funding"

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    position_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    rate: Mapped[Decimal]
    mark: Mapped[Decimal]
    amount: Mapped[Decimal]
