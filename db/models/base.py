"""The declarative base and the column types every table uses: exact numbers, aware UTC times, JSON kept as text."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, MetaData, Numeric, Text, TypeDecorator, cast
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import UserDefinedType

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraint names, so that a migration can name what it drops."""


class Exact(TypeDecorator[Decimal]):
    """NUMERIC without precision or scale: a Decimal comes back as it went in, trailing zeros included.

    Raises TypeError for a float and ValueError for NaN and infinities, which have no place in a price or an amount.
    """

    impl = Numeric
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:
        """Refuse what would be stored inexactly."""
        if value is None:
            return None
        if not isinstance(value, Decimal | int):
            raise TypeError(f"{value!r} is a {type(value).__name__}: give a Decimal")
        if not Decimal(value).is_finite():
            raise ValueError(f"{value!r} is not a finite number")
        return value


class UtcTime(TypeDecorator[datetime]):
    """TIMESTAMP WITH TIME ZONE holding aware times; results are in UTC. Raises ValueError for a naive time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time whose zone nobody knows."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: give an aware time")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC, whatever the session's zone is."""
        return None if value is None else value.astimezone(UTC)


class JsonText(UserDefinedType[str]):
    """A `json` column (not jsonb) written and read as text, so that a payload stays identical to the byte."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "JSON"

    def column_expression(self, colexpr: ColumnElement[Any]) -> ColumnElement[Any]:
        """Select the text; the driver would parse a json result."""
        return cast(colexpr, Text)


class Base(DeclarativeBase):
    """The base of all tables. Every per-run row carries `account`."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        Decimal: Exact,
        datetime: UtcTime,
        dict[str, Any]: JSON(none_as_null=True),
    }
