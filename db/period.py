"""The stretch of time that a report is about."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute


class Period(msgspec.Struct, frozen=True):
    """The half-open interval [start, end), UTC; None is without bound."""

    start: datetime | None = None
    end: datetime | None = None

    def of(self, column: InstrumentedAttribute[Any]) -> list[ColumnElement[bool]]:
        """Return the conditions that a column of times lies within."""
        since = [] if self.start is None else [column >= self.start]
        return since if self.end is None else [*since, column < self.end]


ALWAYS = Period()
"""From the account's first moment until now."""
