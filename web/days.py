"""Days in query strings: whole days (UTC), both ends included."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from db.period import Period


def days(since: date | Literal[""], until: date | Literal[""]) -> Period:
    """Return the period from the first day to the last; an empty one is without bound."""
    start = datetime.combine(since, time(), UTC) if since else None
    end = datetime.combine(until, time(), UTC) + timedelta(days=1) if until else None
    return Period(start, end)
