"""What reading commands print: JSON with stable keys, Decimals as strings and times as ISO 8601 UTC, or a table."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import click
import msgspec

_AS_IT_IS: Final = frozenset((str, int, float, bool, type(None)))
"""Most of what there is to write, and nothing to be done with it."""


def as_json(value: Any) -> str:
    """Return the value as one JSON text; `Decimal` as a string without exponent, aware times in UTC ending in Z."""
    return msgspec.json.format(msgspec.json.encode(_plain(value)), indent=2).decode()


def print_json(value: Any) -> None:
    """Print the value as JSON."""
    click.echo(as_json(value))


def money(amount: Decimal | None) -> str:
    """Return USD to the cent with thousands, `-` for nothing."""
    return "-" if amount is None else f"{amount:,.2f}"


def number(value: Decimal | None) -> str:
    """Return a price or size without trailing zeros."""
    if value is None:
        return "-"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def clock(at: datetime | None) -> str:
    """Return a time as the terminal shows it, in UTC."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print rows under headings; the columns whose places are in `right` are aligned right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is Decimal:
        return _written(value)
    if kind in _AS_IT_IS:
        return value
    if isinstance(value, datetime):
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        fields = zip(value.__struct_fields__, msgspec.structs.astuple(value), strict=True)
        return {name: _plain(field) for name, field in fields}
    if isinstance(value, (list, tuple)):
        return _rows(value) if _is_table(value) else [_plain(item) for item in value]
    return value


def _written(number: Decimal) -> str:
    text = str(number)
    return text if "E" not in text else f"{number:f}"  # as a bare string a 0 at eight decimals would be 0E-8


def _is_table(values: Sequence[Any]) -> bool:
    """Return whether these are structs of one kind."""
    return bool(values) and isinstance(values[0], msgspec.Struct) and len({*map(type, values)}) == 1


def _rows(values: Sequence[msgspec.Struct]) -> list[msgspec.Struct]:
    """Return structs of one kind with plain values, column by column: in a third of the time, for there may be many."""
    columns = map(_column, zip(*map(msgspec.structs.astuple, values), strict=True))
    return list(map(_plain_kind(values[0].__struct_fields__), *columns))


@cache
def _plain_kind(fields: tuple[str, ...]) -> type[msgspec.Struct]:
    return msgspec.defstruct("Row", fields, gc=False)


def _column(values: tuple[Any, ...]) -> Iterable[Any]:
    kinds = {*map(type, values)}
    if kinds <= _AS_IT_IS:
        return values
    if kinds == {Decimal}:
        texts = list(map(str, values))
        return map(_written, values) if "E" in "".join(texts) else texts
    return map(_plain, values)
