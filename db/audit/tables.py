"""The tables against what the events come to: every row that should be there, and none besides."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from atlas.money.book import Position
from db.audit.signals import Row, of
from db.audit.story import Story
from db.models import (
    AccountRow,
    FillRow,
    FundingRow,
    LedgerRow,
    OrderRow,
    PositionRow,
    RejectionRow,
    SetupRow,
    TriggerRow,
)
from db.models.base import Base
from db.notices import r_of

_position = msgspec.json.Decoder(Position)
_POSITION = (
    "symbol", "timeframe", "setup", "family", "side", "contracts", "entry_contracts", "contract_size", "entry_price",
    "entry_time", "stop", "first_stop", "target", "leverage", "tier", "margin", "liquidation", "worst", "best", "fees",
    "funding", "slippage", "gross", "net", "risk_at_entry", "exit_price", "exit_time", "exit_reason",
    "filled_while_down", "ambiguous", "rest", "after_hole",
)  # fmt: skip


def compare(connection: Connection, account: str, story: Story) -> None:
    """Compare every table that money or a decision hangs on; the differences are the story's findings."""
    tables = _Tables(connection, account, story)
    tables.compare(AccountRow, ("name",), {account: _account(story)}, mine=AccountRow.name)
    tables.compare(LedgerRow, ("movement_id", "book"), {
        key: {"kind": leg.kind, "amount": leg.amount, "at": leg.time, "position_id": leg.position_id}
        for key, leg in story.venue.legs.items()
    })  # fmt: skip
    tables.compare(FundingRow, ("position_id", "at"), story.funding)
    tables.compare(OrderRow, ("id",), story.orders.rows)
    tables.compare(FillRow, ("order_id", "number"), story.orders.fills)
    tables.compare(PositionRow, ("id",), {id_: _columns(story, each) for id_, each in story.positions.now.items()})
    tables.payloads()
    triggers = {
        id_: {**row, "outcome": story.signals.outcomes.get(id_)} for id_, row in story.signals.trigger_rows.items()
    }
    tables.compare(TriggerRow, ("id",), triggers)
    tables.compare(RejectionRow, ("id",), story.signals.rejections)
    tables.compare(SetupRow, ("id",), story.signals.setups)


def _account(story: Story) -> Row:
    cash, reserved = story.venue.account.cash, story.venue.account.reserved
    row: Row = {"starting_equity": story.starting_equity, "cash": cash, "reserved": reserved, "halts": story.halts}
    day = story.day.day if story.day is not None else None
    return {**row, "halt_count": story.halt_count, "day": day, "day_start_equity": story.base}


def _columns(story: Story, position: Position) -> Row:
    signal = position.signal
    return {
        **of(position, *_POSITION),
        "r": r_of(position),
        "signal_product": signal.symbol if signal is not None else None,
        "signal_ratio": signal.ratio if signal is not None else None,
        "status": "open" if position.is_open else "closed",
        "change": story.positions.changes[position.id] if position.is_open else None,
    }


class _Tables:
    """Reads the rows of one account, table by table."""

    def __init__(self, connection: Connection, account: str, story: Story) -> None:
        self._connection, self._account = connection, account
        self._story, self._findings = story, story.findings

    def compare(self, table: type[Base], key: tuple[str, ...], wanted: Mapping[Any, Row], *, mine: Any = None) -> None:
        """Compare a table's rows, by their key, with those wanted; columns that are not wanted are not looked at."""
        name, seen = table.__tablename__, set()
        columns = {column: None for row in wanted.values() for column in row}
        selected = [getattr(table, column) for column in dict.fromkeys((*key, *columns))]
        owner = mine if mine is not None else table.account  # type: ignore[attr-defined]  # every table but accounts
        for found in self._connection.execute(select(*selected).where(owner == self._account)):
            row = found._asdict()
            place = tuple(row[column] for column in key)
            seen.add(place)
            expected = wanted.get(place if len(key) > 1 else place[0])
            if expected is None:
                self._findings.equal(name, _name(place), "row", "there", None)
            else:
                self._findings.fields(name, _name(place), row, _known(expected))
        for place in wanted:
            whole = place if isinstance(place, tuple) else (place,)
            if whole not in seen:
                self._findings.equal(name, _name(whole), "row", None, "there")

    def payloads(self) -> None:
        """Compare the positions kept whole: a restart begins with them."""
        query = select(PositionRow.id, PositionRow.payload).where(PositionRow.account == self._account)
        for id_, payload in self._connection.execute(query):
            position = self._story.positions.now.get(id_)
            if position is not None:
                stored = _position.decode(payload)
                names = [f"payload.{name}" for name in Position.__struct_fields__]
                self._findings.fields(
                    PositionRow.__tablename__, id_,
                    dict(zip(names, msgspec.structs.astuple(stored), strict=True)),
                    dict(zip(names, msgspec.structs.astuple(position), strict=True)),
                )  # fmt: skip


def _known(row: Row) -> Row:
    """Return the columns that are wanted; a closed position's count of changes is not kept."""
    return {column: value for column, value in row.items() if column != "change" or value is not None}


def _name(place: tuple[Any, ...]) -> str:
    return " ".join(f"{part:%Y-%m-%dT%H:%MZ}" if isinstance(part, datetime) else str(part) for part in place)
