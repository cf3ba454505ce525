"""Setups, triggers and rejections, and full timeframe continuity."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base

SIDES = "side IN ('long', 'short')"


class SetupRow(Base):
    """One side of one setup and what became of it. Only `waiting` is not final (lesson 32).

    `invalidated`: the opposite side of a one-sided setup broke first. `cancelled`: the other side of a two-sided one
    did.
    `agree` of `frames` frames agreed at detection; `continuity` is that reading whole, null if there was none.
    `context` are the labels of the setup bar, with their `names` to filter by.
    """

    __tablename__ = "setups"
    __table_args__ = (
        CheckConstraint(
            "status IN ('waiting', 'triggered', 'invalidated', 'cancelled', 'missed', 'lapsed')", name="status"
        ),
        CheckConstraint("(status = 'waiting') = (resolved_at IS NULL)", name="resolved_when_final"),
        CheckConstraint(SIDES, name="side"),
        CheckConstraint("valid_from < valid_until", name="valid"),
        Index("ix_setups_waiting", "account", "symbol", "timeframe", postgresql_where=text("status = 'waiting'")),
        Index(None, "account", "valid_until"),
        # The funnel of the panel and the reports counts a hundred of these for each trigger.
        Index(None, "account", "valid_from", "status"),
        Index("ix_setups_invalidated", "account", "resolved_at", postgresql_where=text("status = 'invalidated'")),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    timeframe: Mapped[str]
    name: Mapped[str]
    family: Mapped[str]
    side: Mapped[str]
    setup_time: Mapped[datetime]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    trigger: Mapped[Decimal]
    stop: Mapped[Decimal]
    target: Mapped[Decimal]
    opposite_level: Mapped[Decimal]
    two_sided: Mapped[bool]
    measured: Mapped[bool]
    verified: Mapped[bool]
    agree: Mapped[int] = mapped_column(Integer)
    frames: Mapped[int] = mapped_column(Integer)
    continuity: Mapped[dict[str, Any] | None]
    context: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(server_default="waiting")
    resolved_at: Mapped[datetime | None]


class TriggerRow(Base):
    """A setup's trigger. `setup` is the unresolved name, `name` the one resolved by the side that broke.

    `outcome` ends as trade or rejected (invariant 6). `rules` is the settings' hash, `version` the program's. `context`
    is the setup's, `fifty` the 50 % rule of the entry bar at the trigger.
    """

    __tablename__ = "triggers"
    __table_args__ = (
        CheckConstraint("outcome IN ('trade', 'rejected')", name="outcome"),
        CheckConstraint(SIDES, name="side"),
        Index(None, "account", "at"),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    timeframe: Mapped[str]
    family: Mapped[str]
    setup: Mapped[str]
    name: Mapped[str]
    side: Mapped[str]
    at: Mapped[datetime]
    price: Mapped[Decimal]
    trigger: Mapped[Decimal]
    stop: Mapped[Decimal]
    target: Mapped[Decimal]
    detection: Mapped[dict[str, Any]]
    at_trigger: Mapped[dict[str, Any] | None]
    verified: Mapped[bool]
    missed: Mapped[bool]
    rules: Mapped[str]
    version: Mapped[str]
    outcome: Mapped[str | None]
    context: Mapped[dict[str, Any] | None]
    fifty: Mapped[str | None]


class RejectionRow(Base):
    """A trigger that is no trade: the first gate that failed, with its value and threshold."""

    __tablename__ = "rejections"
    __table_args__ = (
        CheckConstraint(SIDES, name="side"),
        Index(None, "account", "gate"),
        Index(None, "account", "at"),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    timeframe: Mapped[str]
    family: Mapped[str]
    name: Mapped[str]
    side: Mapped[str]
    at: Mapped[datetime]
    gate: Mapped[str]
    value: Mapped[str]
    threshold: Mapped[str]


class FullContinuityRow(Base):
    """Full timeframe continuity of one product: the `side` all four agree with, null without one, `since` when.

    `last` is the side there was last, `turns` how often it has turned. `told` is the side the owner was told last, at
    `told_long_at` or `told_short_at`.
    """

    __tablename__ = "full_continuity"
    __table_args__ = (
        CheckConstraint(SIDES, name="side"),
        CheckConstraint("last IN ('long', 'short')", name="last"),
        CheckConstraint("told IN ('long', 'short')", name="told"),
    )

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str | None]
    last: Mapped[str | None]
    since: Mapped[datetime]
    turns: Mapped[int] = mapped_column(Integer)
    told: Mapped[str | None]
    told_long_at: Mapped[datetime | None]
    told_short_at: Mapped[datetime | None]
