"""What each behaviour begins with after a restart of the process: one function per thing, from committed rows only.

Every function reads within the caller's transaction, so that all of them see one instant.
"""

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, and_, func, select

from actors.messages import AccountOpened, EntryTriggered, decode
from atlas.errors import DatabaseError
from atlas.market.bar import Tick
from atlas.money.book import AccountState, Order, Position
from db.models import (
    AccountRow,
    EventRow,
    FillRow,
    FundingRow,
    HoleRow,
    OrderRow,
    PositionRow,
    QuoteRow,
    SetupRow,
    TriggerRow,
)


class Account(msgspec.Struct, frozen=True):
    """The account as committed. `day` is the trading day in force, None before the first; `halts` source → reason."""

    name: str
    starting_equity: Decimal
    state: AccountState
    day: str | None
    day_start_equity: Decimal | None
    halts: dict[str, str]
    halt_count: int


class WorkingOrder(msgspec.Struct, frozen=True):
    """An order the broker holds, with the contracts not filled yet, and how often it was filled and moved."""

    order: Order
    fills: int
    moves: int


class OpenPosition(msgspec.Struct, frozen=True):
    """An open position and the number of its last PositionChanged."""

    position: Position
    changes: int


_position = msgspec.json.Decoder(Position)
_MEND = "the database is damaged; restore its last backup with `atlas db restore FILE`"
_order = [column for column in OrderRow.__table__.columns if column.name in Order.__struct_fields__]


def account(connection: Connection, name: str) -> Account | None:
    """Return the account, None if it was never opened (no deposit was committed).

    Raises DatabaseError if it was opened and its row is not whole: it never begins anew over what it holds (lesson 98).
    """
    row = connection.execute(select(AccountRow.__table__).where(AccountRow.name == name)).one_or_none()
    if row is None or row.cash is None:
        opened = select(EventRow.id).where(EventRow.account == name, EventRow.kind == AccountOpened.__name__)
        if connection.execute(opened).first() is not None:
            raise DatabaseError(f"the account {name!r} was opened and its row has no cash: {_MEND}")
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
    """Return the open positions whole, in the order of opening.

    Raises DatabaseError if one cannot be read: it must not be left without its stop (lesson 98).
    """
    query = (
        select(PositionRow.id, PositionRow.payload, PositionRow.change)
        .where(PositionRow.account == name, PositionRow.status == "open")
        .order_by(PositionRow.entry_time, PositionRow.id)
    )
    found = []
    for id_, payload, change in connection.execute(query):
        try:
            found.append(OpenPosition(_position.decode(payload), change))
        except msgspec.ValidationError as error:
            raise DatabaseError(f"the open position {id_} cannot be read ({error}): {_MEND}") from error
    return found


def last_exits(connection: Connection, name: str) -> dict[str, datetime]:
    """Return when the last position of each product was closed."""
    query = (
        select(PositionRow.symbol, func.max(PositionRow.exit_time))
        .where(PositionRow.account == name, PositionRow.status == "closed")
        .group_by(PositionRow.symbol)
    )
    return {symbol: left for symbol, left in connection.execute(query) if left is not None}


def working_orders(connection: Connection, name: str) -> list[WorkingOrder]:
    """Return the orders the broker holds, in the order they were placed."""
    fills = (
        select(func.count())
        .where(FillRow.account == OrderRow.account, FillRow.order_id == OrderRow.id)
        .scalar_subquery()
        .label("fills")
    )
    query = (
        select(*_order, OrderRow.filled, OrderRow.moves, fills)
        .where(OrderRow.account == name, OrderRow.done_at.is_(None))
        .order_by(OrderRow.placed_at, OrderRow.id)
    )
    found = []
    for row in connection.execute(query).mappings():
        fields = {column.name: row[column.name] for column in _order}
        fields["contracts"] -= row["filled"]
        found.append(WorkingOrder(Order(**fields), row["fills"], row["moves"]))
    return found


def finished_orders(connection: Connection, name: str, most: int) -> list[str]:
    """Return the last `most` orders filled, cancelled, expired or rejected, oldest first: none is placed again."""
    done = select(OrderRow.id).where(OrderRow.account == name, OrderRow.done_at.is_not(None))
    newest = done.order_by(OrderRow.done_at.desc(), OrderRow.id.desc()).limit(most)
    return list(connection.execute(newest).scalars())[::-1]


def last_funding(connection: Connection, name: str) -> dict[str, datetime]:
    """Return each open position's last funded hour; those never funded are left out."""
    query = (
        select(FundingRow.position_id, func.max(FundingRow.at))
        .join(PositionRow, and_(PositionRow.account == FundingRow.account, PositionRow.id == FundingRow.position_id))
        .where(FundingRow.account == name, PositionRow.status == "open")
        .group_by(FundingRow.position_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def holed_positions(connection: Connection, name: str) -> set[str]:
    """Return the open positions in whose product the feed has had a hole since their entry."""
    query = (
        select(PositionRow.id)
        .join(HoleRow, and_(HoleRow.symbol == PositionRow.symbol, HoleRow.at >= PositionRow.entry_time))
        .where(PositionRow.account == name, PositionRow.status == "open")
    )
    return set(connection.execute(query).scalars())


def last_prices(connection: Connection, until: datetime) -> dict[str, Tick]:
    """Return the last price of each product with the quotes as of it, by product; none is newer than `until`.

    These are the market's and belong to no account; they are written about once a second.
    """
    query = select(QuoteRow.__table__).where(QuoteRow.at <= until)
    return {
        row.symbol: Tick(0, row.at, row.price, Decimal(0), row.bid, row.ask) for row in connection.execute(query)
    }


def used_setups(connection: Connection, name: str, since: datetime) -> dict[str, datetime]:
    """Return setups triggered, missed, invalidated or cancelled whose time was not over at `since` → when it will be.

    None of them triggers again.
    """
    query = select(SetupRow.id, SetupRow.valid_until).where(
        SetupRow.account == name,
        SetupRow.valid_until > since,
        SetupRow.status.in_(("triggered", "missed", "invalidated", "cancelled")),
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
