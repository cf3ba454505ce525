"""What a projection returns."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Executable, bindparam
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.orm import InstrumentedAttribute


class Row(NamedTuple):
    """A statement and its parameters, and the things it touches.

    The statement is a constant, rows with the same one being sent together; so it may not use `in_`, whose length is a
    parameter. Rows that touch nothing in common may change places, all others keep their order.
    """

    statement: Executable
    parameters: dict[str, Any]
    touches: tuple[str, ...]


Projection = Callable[[str, Any], list[Row]]
"""Account and event → rows."""


def here(column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Return `column = :b_column`; the prefix keeps it apart from the columns an update sets."""
    return column == bindparam(f"b_{column.key}")


def keys(account: str, **values: Any) -> dict[str, Any]:
    """Return the parameters for `here`."""
    return {"b_account": account, **{f"b_{key}": value for key, value in values.items()}}


def columns(value: msgspec.Struct, *names: str) -> dict[str, Any]:
    """Return the named fields as columns of the same names."""
    return {name: getattr(value, name) for name in names}


def replaced(statement: Insert, *but: str) -> dict[str, Any]:
    """Return `set_` for ON CONFLICT DO UPDATE: every column takes the new value, except the key's and `but`."""
    return {
        column.name: column
        for column in statement.excluded
        if column.name not in but and not statement.table.columns[column.name].primary_key
    }


def grouped(rows: Iterable[Row]) -> list[tuple[Executable, list[dict[str, Any]]]]:
    """Return the rows as few groups of one statement each, every thing being touched in the order of the rows.

    A round trip a group instead of a row: ten times the speed where a bar's close brings a hundred setups.
    """
    groups: list[tuple[Executable, list[dict[str, Any]]]] = []
    newest: dict[int, int] = {}
    touched: dict[str, int] = {}
    for row in rows:
        after = max((touched.get(thing, -1) for thing in row.touches), default=-1)
        place = newest.get(id(row.statement), -1)
        if place < after or place < 0:
            place = newest[id(row.statement)] = len(groups)
            groups.append((row.statement, []))
        groups[place][1].append(row.parameters)
        touched.update(dict.fromkeys(row.touches, place))
    return groups
