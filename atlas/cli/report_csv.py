"""One table of a report as CSV: the keys of its JSON are the columns."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec


def print_csv(kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> None:
    """Print a head and a line for each row, all of them of one kind."""
    _write(kind.__struct_fields__, (_cells(row) for row in rows))


def print_groups_csv(kind: type[msgspec.Struct], groups: Mapping[str, msgspec.Struct]) -> None:
    """The same of named rows; their names are the first column, `group`."""
    _write(("group", *kind.__struct_fields__), ([name, *_cells(row)] for name, row in groups.items()))


def _write(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)


def _cells(row: msgspec.Struct) -> list[str]:
    return [_cell(getattr(row, field)) for field in row.__struct_fields__]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return " ".join(f"{name}={count}" for name, count in value.items())
    return str(value)
