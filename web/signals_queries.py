"""Triggers and what became of each: which, from where on, and how many."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, tuple_

from atlas.risk import GATES
from db.models import EventRow, PositionRow, RejectionRow, SetupRow, TriggerRow
from db.period import Period
from web import queries
from web.days import days
from web.pages import Arguments
from web.trades_queries import Day, Word

OUTCOMES: Final = ("trade", "rejected", *GATES)
"""What a trigger may have become: a trade, rejected at all, or by that gate."""


class Asked(Arguments):
    """Which triggers; an empty field filters nothing.

    `outcome` is trade, rejected, or a gate. `since` and `until` are days (UTC) of the trigger, both included. `after`
    is the id of the last trigger of the page before.
    """

    outcome: Annotated[str, Field(pattern=f"^({'|'.join(OUTCOMES)})?$")] = ""
    symbol: Word = ""
    timeframe: Word = ""
    family: Word = ""
    side: Literal["", "long", "short"] = ""
    since: Day = ""
    until: Day = ""
    after: Annotated[str, Field(max_length=200, pattern=r"^[\x20-\x7e]*$")] = ""

    @property
    def period(self) -> Period:
        """The days asked for."""
        return days(self.since, self.until)


def newest_event(connection: Connection, account: str) -> tuple[int, str]:
    """Return number and id of the account's newest event: a database restored meanwhile may use numbers again."""
    newest = select(EventRow.seq, EventRow.id).where(EventRow.account == account).order_by(EventRow.seq.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return (0, "") if row is None else (row.seq, row.id)


def one_page(connection: Connection, account: str, asked: Asked, limit: int) -> Sequence[Row[Any]]:
    """Return the triggers after `asked.after`, newest first, each with its rejection or its position."""
    place = tuple_(TriggerRow.at, TriggerRow.id)
    query = _joined(
        select(
            TriggerRow.__table__,
            RejectionRow.gate,
            RejectionRow.value,
            RejectionRow.threshold,
            PositionRow.status,
            PositionRow.net,
            PositionRow.r,
            PositionRow.exit_reason,
        ),
        account,
        asked,
    )
    if asked.after:
        last = select(TriggerRow.at, TriggerRow.id).where(TriggerRow.account == account, TriggerRow.id == asked.after)
        row = connection.execute(last).one_or_none()
        if row is None:
            return []
        query = query.where(place < (row.at, row.id))
    return connection.execute(query.order_by(TriggerRow.at.desc(), TriggerRow.id.desc()).limit(limit)).all()


def totals(connection: Connection, account: str, asked: Asked) -> Row[Any]:
    """Return how many triggers the filters let through, and how many of them became what."""
    outcome = TriggerRow.outcome
    query = select(
        func.count().label("triggers"),
        func.count().filter(outcome == "trade").label("trades"),
        func.count().filter(outcome == "rejected").label("rejected"),
        func.count().filter(outcome.is_(None)).label("undecided"),
    )
    return connection.execute(_joined(query.select_from(TriggerRow), account, asked)).one()


def choices(connection: Connection, account: str) -> dict[str, list[str]]:
    """Return what there is to choose from: by field the values that triggers have."""
    fields = (TriggerRow.symbol, TriggerRow.timeframe, TriggerRow.family)
    return queries.choices(connection, select(*fields).where(TriggerRow.account == account).distinct())


def setups(connection: Connection, account: str, period: Period) -> dict[str, int]:
    """Return how many setups came into force in the period, by what became of them."""
    query = (
        select(SetupRow.status, func.count().label("number"))
        .where(SetupRow.account == account, *period.of(SetupRow.valid_from))
        .group_by(SetupRow.status)
        .order_by(SetupRow.status)
    )
    return {row.status: row.number for row in connection.execute(query)}


def _joined(query: Select[*tuple[Any, ...]], account: str, asked: Asked) -> Select[*tuple[Any, ...]]:
    same = [(table, and_(table.account == TriggerRow.account, table.id == TriggerRow.id))
            for table in (RejectionRow, PositionRow)]  # fmt: skip
    for table, on in same:
        query = query.outerjoin(table, on)
    return query.where(*_filters(account, asked))


def _filters(account: str, asked: Asked) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [TriggerRow.account == account, *asked.period.of(TriggerRow.at)]
    for column, wanted in (
        (TriggerRow.symbol, asked.symbol),
        (TriggerRow.timeframe, asked.timeframe),
        (TriggerRow.family, asked.family),
        (TriggerRow.side, asked.side),
    ):
        if wanted:
            found.append(column == wanted)
    if asked.outcome:
        found.append(or_(TriggerRow.outcome == asked.outcome, RejectionRow.gate == asked.outcome))
    return found
