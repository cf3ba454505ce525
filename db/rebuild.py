"""What each behaviour begins with after a restart of the process: one function per thing, from committed rows only.

Every function reads within the caller's transaction, so that all of them see one instant.
"""

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, and_, func, select

from actors.messages import EntryTriggered, decode
from atlas.money.book import AccountState, Order, Position
from db.models import AccountRow, EventRow, OrderRow, PositionRow, SetupRow, TriggerRow


class Account(msgspec.Struct, frozen=True):
    """The account as committed. `day` is the trading day in force, None before the first; `halts` source → reason."""

    name: str
    starting_equity: Decimal
    state: AccountState
    day: str | None
    day_start_equity: Decimal | None
    halts: dict[str, str]
    halt_count: int


class OpenPosition(msgspec.Struct, frozen=True):
    """An open position and the number of its last PositionChanged."""

    position: Position
    changes: int


_position = msgspec.json.Decoder(Position)
_order = [column for column in OrderRow.__table__.columns if column.name in Order.__struct_fields__]


def account(connection: Connection, name: str) -> Account | None:
    """Return the account, None if it was never opened (no deposit was committed)."""
    row = connection.execute(select(AccountRow.__table__).where(AccountRow.name == name)).one_or_none()
    if row is None or row.cash is None:
        return None
    return Account(
        name=row.name,
        starting_equity=row.starting_equity,
        state=AccountState(cash=row.cash, reserved=row.reserved),
        day=row.day,
        day_start_equity=row.day_start_equity,
        halts=dict(row.halts),
        halt_count=row.halt_count,
    )


def open_positions(connection: Connection, name: str) -> list[OpenPosition]:
    """Return the open positions whole, in the order of opening."""
    query = (
        select(PositionRow.payload, PositionRow.change)
        .where(PositionRow.account == name, PositionRow.status == "open")
        .order_by(PositionRow.entry_time, PositionRow.id)
    )
    return [OpenPosition(_position.decode(payload), change) for payload, change in connection.execute(query)]


def resting_orders(connection: Connection, name: str) -> list[Order]:
    """Return the orders the broker holds, in the order they were placed."""
    query = (
        select(*_order)
        .where(OrderRow.account == name, OrderRow.status == "accepted")
        .order_by(OrderRow.placed_at, OrderRow.id)
    )
    return [Order(**row) for row in connection.execute(query).mappings()]


def finished_orders(connection: Connection, name: str, since: datetime) -> list[str]:
    """Return the orders filled, cancelled or rejected at or after `since`, oldest first: none is placed again."""
    done = select(OrderRow.id).where(OrderRow.account == name, OrderRow.done_at >= since)
    return list(connection.execute(done.order_by(OrderRow.done_at, OrderRow.id)).scalars())


def used_setups(connection: Connection, name: str, since: datetime) -> dict[str, datetime]:
    """Return the setups triggered, missed or invalidated whose time was not over at `since` → when it will be.

    None of them triggers again.
    """
    query = select(SetupRow.id, SetupRow.valid_until).where(
        SetupRow.account == name,
        SetupRow.valid_until > since,
        SetupRow.status.in_(("triggered", "missed", "invalidated")),
    )
    return {row.id: row.valid_until for row in connection.execute(query)}


def undecided_triggers(connection: Connection, name: str) -> list[EntryTriggered]:
    """Return the triggers that have become neither a trade nor a rejection yet, oldest first (invariant 6)."""
    query = (
        select(EventRow.payload)
        .join(
            TriggerRow,
            and_(TriggerRow.account == EventRow.account, EventRow.id == func.concat("triggered:", TriggerRow.id)),
        )
        .where(TriggerRow.account == name, TriggerRow.outcome.is_(None))
        .order_by(EventRow.seq)
    )
    triggers = [decode(payload) for payload in connection.execute(query).scalars()]
    return [trigger for trigger in triggers if isinstance(trigger, EntryTriggered)]


def last_market_time(connection: Connection, name: str) -> datetime | None:
    """Return the market time of the last committed input of the core, None if there was none."""
    query = select(func.max(EventRow.at)).where(EventRow.account == name, EventRow.input.is_not(None))
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def last_input(connection: Connection, name: str) -> int:
    """Return the number of the last committed input of the core, 0 if there was none: numbers go on from there."""
    query = select(func.max(EventRow.input)).where(EventRow.account == name)
    return int(connection.execute(query).scalar_one() or 0)
