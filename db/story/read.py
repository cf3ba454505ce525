"""What is recorded of one trigger, read by keys: the same few rows however long the account has lived."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from actors.messages import EntryTriggered, Judged, OrderMoved, Rejected, SetupsReplaced, TermsSet, decode
from atlas.errors import DataError
from atlas.market.timeframes import TIMEFRAMES, period
from atlas.money.book import Position
from db.models import CandleRow, EventRow, FillRow, FundingRow, LedgerRow, OrderRow, PositionRow, TriggerRow
from db.story.candles import Candles, around
from db.terms import terms

REVISIONS = range(32)

_position = msgspec.json.Decoder(Position)


class Records(msgspec.Struct, frozen=True):
    """The events and rows of one trigger. `opens` are those of the periods of its continuity, by their open time.

    `candles` are the signal's, `executed` those of the product traded where that is another.
    """

    account: str
    triggered: EntryTriggered
    outcome: str | None
    setups: SetupsReplaced | None
    judged: Judged | None
    rejected: Rejected | None
    terms: TermsSet | None
    position: Position | None
    contradicted: bool
    orders: Sequence[Row[Any]]
    fills: Sequence[Row[Any]]
    moves: Sequence[OrderMoved]
    funding: Sequence[Row[Any]]
    cash: Sequence[Row[Any]]
    candles: Candles
    executed: Candles
    opens: dict[datetime, Decimal]


def read(connection: Connection, account: str, id_: str) -> Records:
    """Return what is recorded of a trigger. Raises DataError for an id that none has."""
    seq, triggered = _event(connection, account, f"triggered:{id_}")
    if not isinstance(triggered, EntryTriggered):
        raise DataError(f"account {account!r} has no trade or trigger {id_!r}: give an id of the page Signals")
    setup = triggered.setup
    position = connection.execute(
        select(PositionRow.payload, PositionRow.contradicted).where(
            PositionRow.account == account, PositionRow.id == id_
        )
    ).one_or_none()
    held = None if position is None else _position.decode(position.payload)
    orders = _of(connection, OrderRow, account, id_, OrderRow.placed_at, OrderRow.id)
    moved = [f"moved:{order.id}:{count + 1}" for order in orders for count in range(order.moves)]
    return Records(
        account=account,
        triggered=triggered,
        outcome=connection.execute(
            select(TriggerRow.outcome).where(TriggerRow.account == account, TriggerRow.id == id_)
        ).scalar_one_or_none(),
        setups=_setups(connection, account, triggered, seq),
        judged=_event(connection, account, f"judged:{id_}")[1],
        rejected=_event(connection, account, f"rejected:{id_}")[1],
        terms=terms(connection, account, seq),
        position=held,
        contradicted=position is not None and position.contradicted,
        orders=orders,
        fills=_of(connection, FillRow, account, id_, FillRow.at, FillRow.order_id, FillRow.number),
        moves=[decode(payload) for _, payload in _events(connection, account, moved)],
        funding=_of(connection, FundingRow, account, id_, FundingRow.at),
        cash=connection.execute(
            select(LedgerRow.__table__)
            .where(LedgerRow.account == account, LedgerRow.position_id == id_, LedgerRow.book == "cash")
            .order_by(LedgerRow.seq)
        ).all(),
        candles=around(connection, setup.symbol, setup, held),
        executed=Candles() if held is None or held.signal is None else around(connection, held.symbol, setup, held),
        opens=_opens(connection, triggered),
    )


def _of(connection: Connection, table: Any, account: str, id_: str, *order: Any) -> Sequence[Row[Any]]:
    query = select(table.__table__).where(table.account == account, table.position_id == id_).order_by(*order)
    return connection.execute(query).all()


def _events(connection: Connection, account: str, keys: Sequence[str]) -> Sequence[Any]:
    if not keys:
        return []
    query = select(EventRow.seq, EventRow.payload).where(EventRow.account == account, EventRow.id.in_(keys))
    return connection.execute(query.order_by(EventRow.seq)).all()


def _event(connection: Connection, account: str, key: str) -> tuple[int, Any]:
    rows = _events(connection, account, [key])
    return (rows[0].seq, decode(rows[0].payload)) if rows else (0, None)


def _setups(connection: Connection, account: str, triggered: EntryTriggered, before: int) -> SetupsReplaced | None:
    """Return the last telling of the setups before the trigger that has this one."""
    setup = triggered.setup
    key = f"setups:{setup.symbol}:{setup.timeframe}:{setup.valid_from:%Y%m%dT%H%M}"
    told = _events(connection, account, [f"{key}:{revision}" for revision in REVISIONS])
    for seq, payload in reversed(told):
        event = decode(payload)
        if seq < before and any(each.id == setup.id for each in event.setups):
            return event  # type: ignore[no-any-return]  # `decode` gives any message
    return None


def _opens(connection: Connection, triggered: EntryTriggered) -> dict[datetime, Decimal]:
    """Return the opens of the periods that continuity looked at: a finer bar that opens a period has its open."""
    setup, readings = triggered.setup, (triggered.detection, triggered.at_trigger)
    starts = {
        period(frame, at)[0]
        for at, reading in zip((setup.valid_from, triggered.tick.time), readings, strict=True)
        for frame in (reading.frames if reading is not None else ())
    }
    query = select(CandleRow.open_time, CandleRow.open).where(
        CandleRow.symbol == setup.symbol, CandleRow.timeframe.in_(TIMEFRAMES), CandleRow.open_time.in_(starts)
    )
    return {row.open_time: row.open for row in connection.execute(query)}
