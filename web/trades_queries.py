"""Closed trades: which, in which order, and from where on."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, literal, or_, select

from db.models import PositionRow
from web import queries
from web.days import days
from web.pages import Arguments
from web.queries import Rows

ORDERS: Final[dict[str, ColumnElement[Any]]] = {
    "exit_time": PositionRow.__table__.c.exit_time,
    "entry_time": PositionRow.__table__.c.entry_time,
    "symbol": PositionRow.__table__.c.symbol,
    "net": PositionRow.__table__.c.net,
    # One whose risk was nothing has no R: it stands between losses and profits.
    "r": func.coalesce(PositionRow.__table__.c.r, 0),
}
"""What trades may be sorted by."""
_COLUMNS: Final = [column for column in PositionRow.__table__.c if column.name != "payload"]


Word = Annotated[str, Field(max_length=60, pattern=r"^[\x20-\x7e]*$")]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))] | Literal[""]


class Asked(Arguments):
    """Which trades, in which order; an empty field filters nothing.

    `since` and `until` are days (UTC) of the exit, both included. `after` is the id of the last trade of the page
    before.
    """

    symbol: Word = ""
    timeframe: Word = ""
    family: Word = ""
    side: Literal["", "long", "short"] = ""
    reason: Word = ""
    result: Literal["", "won", "lost"] = ""
    since: Day = ""
    until: Day = ""
    sort: Literal["exit_time", "entry_time", "symbol", "net", "r"] = "exit_time"
    order: Literal["asc", "desc"] = "desc"
    after: Annotated[str, Field(max_length=200, pattern=r"^[\x20-\x7e]*$")] = ""


def one_page(connection: Connection, account: str, asked: Asked, limit: int) -> Rows:
    """Return the trades after `asked.after` in the order asked for; the id decides between equals."""
    by = ORDERS[asked.sort]
    query = _ordered(select(*_COLUMNS).where(*_filters(account, asked)), asked)
    if asked.after:
        # The place of that trade, whatever it is filtered by.
        place = select(by).where(PositionRow.account == account, PositionRow.id == asked.after)
        value = connection.execute(place).scalar_one_or_none()
        if value is None:
            return []
        here = literal(value, by.type)
        beyond = by < here if asked.order == "desc" else by > here
        query = query.where(or_(beyond, and_(by == here, PositionRow.id > asked.after)))
    return connection.execute(query.limit(limit)).all()


def every_one(connection: Connection, account: str, asked: Asked) -> Iterable[Row[Any]]:
    """Return every trade the filters let through, in the order asked for."""
    return connection.execute(_ordered(select(*_COLUMNS).where(*_filters(account, asked)), asked))


def totals(connection: Connection, account: str, asked: Asked) -> Row[Any]:
    """Return of all trades the filters let through: how many, how many won, their net and the mean of their R."""
    query = select(
        func.count().label("trades"),
        func.count().filter(PositionRow.net > 0).label("won"),
        func.coalesce(func.sum(PositionRow.net), 0).label("net"),
        func.avg(PositionRow.r).label("mean_r"),
    )
    return connection.execute(query.where(*_filters(account, asked))).one()


def choices(connection: Connection, account: str) -> dict[str, list[str]]:
    """Return what there is to choose from: by field the values that closed trades have."""
    fields = (PositionRow.symbol, PositionRow.timeframe, PositionRow.family, PositionRow.exit_reason)
    there = select(*fields).where(PositionRow.account == account, PositionRow.status == "closed").distinct()
    return queries.choices(connection, there)


def _filters(account: str, asked: Asked) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [PositionRow.account == account, PositionRow.status == "closed"]
    for column, wanted in (
        (PositionRow.symbol, asked.symbol),
        (PositionRow.timeframe, asked.timeframe),
        (PositionRow.family, asked.family),
        (PositionRow.side, asked.side),
        (PositionRow.exit_reason, asked.reason),
    ):
        if wanted:
            found.append(column == wanted)
    if asked.result:
        found.append(PositionRow.net > 0 if asked.result == "won" else PositionRow.net < 0)
    return [*found, *days(asked.since, asked.until).of(PositionRow.exit_time)]


def _ordered(query: Select[Any], asked: Asked) -> Select[Any]:
    by = ORDERS[asked.sort]
    return query.order_by(by.desc() if asked.order == "desc" else by, PositionRow.id)
