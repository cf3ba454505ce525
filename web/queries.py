"""What the overview reads, one query each. Rows come back as the database has them; nothing is computed here."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, func, select

from db.models import (
    AccountRow,
    CandleRow,
    DaemonRow,
    EventRow,
    HealthRow,
    PositionRow,
    QuoteRow,
    SetupRow,
    TriggerRow,
)

Rows = Sequence[Row[Any]]


class _DayStarted(msgspec.Struct):
    at: datetime


class Closed(msgspec.Struct, frozen=True):
    """How many positions were closed, how many of them with a profit, and their net, USD; None without any."""

    trades: int
    won: int
    net: Decimal | None


_day = msgspec.json.Decoder(_DayStarted)


def account_shown(connection: Connection) -> str | None:
    """Return the account whose daemon beat last; without any daemon the oldest account; None if there is none."""
    latest = (
        select(AccountRow.name)
        .outerjoin(DaemonRow, DaemonRow.account == AccountRow.name)
        .order_by(DaemonRow.beat_at.desc().nulls_last(), AccountRow.created_at, AccountRow.name)
        .limit(1)
    )
    return connection.execute(latest).scalar_one_or_none()


def account(connection: Connection, name: str) -> Row[Any] | None:
    """Return the account's row."""
    return connection.execute(select(AccountRow.__table__).where(AccountRow.name == name)).one_or_none()


def daemon(connection: Connection, name: str) -> Row[Any] | None:
    """Return the daemon that holds, or last held, the account."""
    return connection.execute(select(DaemonRow.__table__).where(DaemonRow.account == name)).one_or_none()


def open_positions(connection: Connection, name: str) -> Rows:
    """Return the open positions, oldest first, each with the last quote of its product and the continuity at entry."""
    query = (
        select(
            PositionRow.__table__,
            QuoteRow.price,
            QuoteRow.at.label("price_at"),
            TriggerRow.at_trigger.label("continuity"),
            TriggerRow.trigger,
        )
        .outerjoin(QuoteRow, QuoteRow.symbol == PositionRow.symbol)
        .outerjoin(TriggerRow, and_(TriggerRow.account == PositionRow.account, TriggerRow.id == PositionRow.id))
        .where(PositionRow.account == name, PositionRow.status == "open")
        .order_by(PositionRow.entry_time, PositionRow.id)
    )
    return connection.execute(query).all()


def was_position(connection: Connection, name: str, wanted: str) -> bool:
    """Return whether the account has or had this position."""
    query = select(PositionRow.id).where(PositionRow.account == name, PositionRow.id == wanted)
    return connection.execute(query).first() is not None


def closed_positions(connection: Connection, name: str, limit: int) -> Rows:
    """Return the last closed positions, newest first."""
    query = (
        select(PositionRow.__table__)
        .where(PositionRow.account == name, PositionRow.status == "closed")
        .order_by(PositionRow.exit_time.desc(), PositionRow.id)
        .limit(limit)
    )
    return connection.execute(query).all()


def day_start(connection: Connection, name: str) -> datetime | None:
    """Return when the account's trading day began, None before its first."""
    told = select(EventRow.payload).where(EventRow.account == name, EventRow.kind == "DayStarted")
    payload = connection.execute(told.order_by(EventRow.seq.desc()).limit(1)).scalar_one_or_none()
    return None if payload is None else _day.decode(payload).at


def closed_since(connection: Connection, name: str, since: datetime) -> Closed:
    """Return what was closed since then."""
    query = select(
        func.count().label("trades"),
        func.count().filter(PositionRow.net > 0).label("won"),
        func.sum(PositionRow.net).label("net"),
    ).where(PositionRow.account == name, PositionRow.status == "closed", PositionRow.exit_time >= since)
    return Closed(*connection.execute(query).one())


def waiting_setups(connection: Connection, name: str, market_time: datetime | None, limit: int) -> tuple[Rows, int]:
    """Return the waiting setups nearest to their trigger, with the last price, and how many wait in all.

    One whose time was over at `market_time` (None: not known) lives no more, though no daemon has said so yet.
    """
    distance = func.abs(SetupRow.trigger - QuoteRow.price) / QuoteRow.price
    waiting = and_(SetupRow.account == name, SetupRow.status == "waiting")
    if market_time is not None:
        waiting = and_(waiting, SetupRow.valid_until > market_time)
    query = (
        select(SetupRow.__table__, QuoteRow.price)
        .outerjoin(QuoteRow, QuoteRow.symbol == SetupRow.symbol)
        .where(waiting)
        .order_by(distance.nulls_last(), SetupRow.symbol, SetupRow.id)
        .limit(limit)
    )
    count = select(func.count()).select_from(SetupRow).where(waiting)
    return connection.execute(query).all(), connection.execute(count).scalar_one()


def last_bar(connection: Connection) -> datetime | None:
    """Return when the newest bar closed, of any product and timeframe."""
    return connection.execute(select(func.max(CandleRow.close_time))).scalar_one()


def actors(connection: Connection, name: str, since: datetime | None) -> Rows:
    """Return the health of every actor, by name; what was told before `since`, the daemon's start, is of another."""
    query = select(HealthRow.__table__).where(HealthRow.account == name).order_by(HealthRow.actor)
    if since is not None:
        query = query.where(HealthRow.updated_at >= since)
    return connection.execute(query).all()


def choices(connection: Connection, there: Select[*tuple[Any, ...]]) -> dict[str, list[str]]:
    """Return by column the values that the distinct rows `there` have, in order: the database reads the table once."""
    rows = connection.execute(there).all()
    return {column.name: sorted({getattr(row, column.name) for row in rows}) for column in there.selected_columns}
