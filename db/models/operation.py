"""What the owner is told and asks for, and how the daemon is: outbox, commands, health, daemons, dead letters."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class OutboxRow(Base):
    """One thing to tell the owner; committed with the event it tells of, one row per thing (invariant 5).

    A claimed row is `in_flight` until its outcome is known, and comes again when its claim has run out
    (`next_try_at`). It is `doubtful` once an attempt had no known outcome: the next may be a repeat.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("account", "key"),
        CheckConstraint("status IN ('pending', 'sent', 'dropped')", name="status"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_when_sent"),
        Index("ix_outbox_pending", "account", "next_try_at", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    key: Mapped[str]
    kind: Mapped[str]
    critical: Mapped[bool]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_try_at: Mapped[datetime]
    in_flight: Mapped[bool] = mapped_column(server_default=false())
    doubtful: Mapped[bool] = mapped_column(server_default=false())
    sent_at: Mapped[datetime | None]
    message_id: Mapped[str | None]
    last_error: Mapped[str | None]


class DeliveryRow(Base):
    """A notice of the outbox as a channel other than Discord has it; the columns are those of the outbox."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'sent', 'dropped')", name="status"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_when_sent"),
        Index("ix_deliveries_pending", "channel", "next_try_at", postgresql_where=text("status = 'pending'")),
    )

    channel: Mapped[str] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_try_at: Mapped[datetime]
    in_flight: Mapped[bool] = mapped_column(server_default=false())
    doubtful: Mapped[bool] = mapped_column(server_default=false())
    sent_at: Mapped[datetime | None]
    message_id: Mapped[str | None]
    last_error: Mapped[str | None]


class CommandRow(Base):
    """What the panel or the command line asks of the daemon; the daemon answers by updating the row."""

    __tablename__ = "commands"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'taken', 'done', 'failed')", name="status"),
        CheckConstraint("(status IN ('done', 'failed')) = (done_at IS NOT NULL)", name="done_when_final"),
        Index("ix_commands_pending", "account", "id", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str]
    kind: Mapped[str]
    args: Mapped[dict[str, Any]]
    by: Mapped[str]
    created_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="pending")
    result: Mapped[str | None]
    done_at: Mapped[datetime | None]


class HealthRow(Base):
    """One actor as the supervisor last saw it."""

    __tablename__ = "health"

    account: Mapped[str] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    waiting: Mapped[int]
    restarts: Mapped[int]
    last_progress: Mapped[datetime | None]
    last_error: Mapped[str | None]
    updated_at: Mapped[datetime]


class DaemonRow(Base):
    """The daemon that holds, or last held, an account. `market_time` is the exchange's clock, `beat_at` ours.

    `measures` are numbers it tells of itself, by name, for /metrics.
    """

    __tablename__ = "daemons"

    account: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    version: Mapped[str]
    fence: Mapped[int] = mapped_column(BigInteger)
    mode: Mapped[str]
    rules: Mapped[str]
    market_time: Mapped[datetime | None]
    feed: Mapped[str | None]
    beat_at: Mapped[datetime]
    measures: Mapped[dict[str, Any] | None]


class NightAuditRow(Base):
    """What the replay of a recorded day (UTC) found: 0 differences, or the first of them in words."""

    __tablename__ = "night_audits"

    account: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    inputs: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int] = mapped_column(BigInteger)
    differences: Mapped[int] = mapped_column(BigInteger)
    first: Mapped[str]
    note: Mapped[str]


class DeadLetterRow(Base):
    """A message nobody could handle, with what is known about it."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index(None, "account", "at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str]
    at: Mapped[datetime]
    recipient: Mapped[str]
    sender: Mapped[str]
    text: Mapped[str]
    reason: Mapped[str]
    traceback: Mapped[str]
