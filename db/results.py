"""What came of it: the trades of one account and the account at a glance, for `atlas report` and the demo.

Every function reads within the caller's transaction, so that trades, funnel and metrics agree.
"""

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from atlas.errors import DataError
from atlas.money.book import Position
from db.models import (
    AccountRow,
    LedgerRow,
    OutboxRow,
    PositionRow,
    RejectionRow,
    SetupRow,
    TriggerRow,
)
from db.period import ALWAYS, Period

_position = msgspec.json.Decoder(Position)


class Summary(msgspec.Struct, frozen=True):
    """One account at a glance. Money is USD; `alerts` status → count; `exits` reason → count."""

    account: str
    setups: int
    triggers: int
    trades: int
    rejections: dict[str, int]
    open_positions: int
    exits: dict[str, int]
    net: Decimal
    cash: Decimal
    reserved: Decimal
    ledger_cash: Decimal
    alerts: dict[str, int]


def positions(connection: Connection, account: str, status: str, period: Period = ALWAYS) -> list[Position]:
    """Return the `open` positions, or those `closed` within the period, in the order of entry."""
    query = (
        select(PositionRow.payload)
        .where(PositionRow.account == account, PositionRow.status == status, *period.of(PositionRow.exit_time))
        .order_by(PositionRow.entry_time, PositionRow.id)
    )
    return [_position.decode(payload) for payload in connection.execute(query).scalars()]


def summary(connection: Connection, account: str) -> Summary:
    """Return the account at a glance. Raises DataError for an account that was never opened."""
    row = opened_account(connection, account)
    outcomes = _grouped(connection, TriggerRow.outcome, TriggerRow.account == account)
    exits = _grouped(
        connection, PositionRow.exit_reason, PositionRow.account == account, PositionRow.status == "closed"
    )
    net = select(func.coalesce(func.sum(PositionRow.net), 0)).where(
        PositionRow.account == account, PositionRow.status == "closed"
    )
    cash = select(func.coalesce(func.sum(LedgerRow.amount), 0)).where(
        LedgerRow.account == account, LedgerRow.book == "cash"
    )
    return Summary(
        account=account,
        setups=sum(_grouped(connection, SetupRow.status, SetupRow.account == account).values()),
        triggers=sum(outcomes.values()),
        trades=outcomes.get("trade", 0),
        rejections=_grouped(connection, RejectionRow.gate, RejectionRow.account == account),
        open_positions=len(positions(connection, account, "open")),
        exits=exits,
        net=Decimal(connection.execute(net).scalar_one()),
        cash=row.cash,
        reserved=row.reserved,
        ledger_cash=Decimal(connection.execute(cash).scalar_one()),
        alerts=_grouped(connection, OutboxRow.status, OutboxRow.account == account),
    )


def opened_account(connection: Connection, account: str) -> Any:
    """Return the account's row. Raises DataError for an account that was never opened."""
    row = connection.execute(select(AccountRow.__table__).where(AccountRow.name == account)).one_or_none()
    if row is None or row.cash is None:
        names = ", ".join(connection.execute(select(AccountRow.name).order_by(AccountRow.name)).scalars()) or "none"
        raise DataError(f"account {account!r} was never opened in this database; there are: {names}")
    return row


def _grouped(connection: Connection, column: Any, *where: Any) -> dict[str, int]:
    query = select(column, func.count()).where(*where).group_by(column).order_by(column)
    return {str(value): count for value, count in connection.execute(query)}
