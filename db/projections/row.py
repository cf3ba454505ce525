"""What a projection returns."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Executable, bindparam
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.orm import InstrumentedAttribute

Row = tuple[Executable, dict[str, Any]]
"""A statement and its parameters.

The statement is a constant, equal neighbours being sent together; so it may not use `in_`, whose length is a parameter.
"""

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
