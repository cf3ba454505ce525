"""Several daemons of one group on one database: who may enter a product, and which setups have been entered."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class LeaseRow(Base):
    """One product of a group. `account` is the shard that holds it, null while nobody does.

    `renewed_at` is when it was last renewed or, without a holder, since when nobody has held it. `fence` rises with
    each new holder. `wanted_by` is a shard that prefers the product and waits for its stand-in to give it back.
    """

    __tablename__ = "leases"
    __table_args__ = (CheckConstraint("fence >= 0", name="fence"),)

    group: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str | None]
    fence: Mapped[int]
    renewed_at: Mapped[datetime]
    wanted_by: Mapped[str | None]


class ClaimRow(Base):
    """A setup that a shard of the group has entered: the key keeps another from entering it as well."""

    __tablename__ = "claims"
    __table_args__ = (Index("ix_claims_group_symbol_until", "group", "symbol", "until"),)

    group: Mapped[str] = mapped_column(primary_key=True)
    setup: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    account: Mapped[str]
    until: Mapped[datetime]
