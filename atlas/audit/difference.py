"""What the audit finds: one line for each value that is not what it comes to when worked out again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec


class Difference(msgspec.Struct, frozen=True):
    """One value. `table` and `id` say where it stands; None: the row, or the value, is not there."""

    table: str
    id: str
    field: str
    stored: str | None
    recomputed: str | None


class Findings:
    """The differences found so far, in the order they were met."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []

    def equal(self, table: str, id_: str, field: str, stored: Any, recomputed: Any) -> bool:
        """Compare one value; note a difference. Decimals are equal whatever zeros they end in."""
        if stored == recomputed:
            return True
        self.differences.append(Difference(table, id_, field, _text(stored), _text(recomputed)))
        return False

    def fields(self, table: str, id_: str, stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> None:
        """Compare the values of all fields that were recomputed."""
        for field, value in recomputed.items():
            self.equal(table, id_, field, stored.get(field), value)

    def holds(self, table: str, id_: str, field: str, stored: Any, rule: str, *, met: bool) -> None:
        """Note a value that breaks a rule, which is told in words in place of a recomputed value."""
        if not met:
            self.differences.append(Difference(table, id_, field, _text(stored), rule))


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return ", ".join(f"{key}: {_text(item)}" for key, item in sorted(value.items())) or "none"
        case tuple() | list():
            return ", ".join(str(_text(item)) for item in value) or "none"
        case _:
            return str(value)
