"""Leverage windows: when the exchange asks the lower intraday margin, in New York time (trading.md, Sessions).

`overnight` never does: an account that has not opted in pays overnight rates always. `guide_2026_07` is the exchange's
guide of July 2026, 08:00–16:00 on weekdays. `long_window` is what the predecessor assumed, 18:00 → 16:00 the next day,
Sunday to Friday (lesson 86: from Friday 16:00 to Sunday 18:00 it is overnight).
"""

from datetime import datetime, time, timedelta
from typing import Literal

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.sessions import NEW_YORK, new_york

Tier = Literal["intraday", "overnight"]

DEADLINE = timedelta(minutes=5)
"""How long before the end of an intraday window positions are tested at overnight rates."""


class Window(msgspec.Struct, frozen=True):
    """A preset: intraday from `opens` to `closes` (the next day if earlier) on the weekdays it opens, Monday = 0."""

    opens: time
    closes: time
    weekdays: tuple[int, ...]


WINDOWS: dict[str, Window | None] = {
    "overnight": None,
    "guide_2026_07": Window(time(8), time(16), (0, 1, 2, 3, 4)),
    "long_window": Window(time(18), time(16), (6, 0, 1, 2, 3)),
}


def _preset(name: str) -> Window | None:
    if name not in WINDOWS:
        raise ConfigurationError(f"margin.window {name!r} is not known: write one of {', '.join(WINDOWS)}")
    return WINDOWS[name]


def intraday_window(name: str, at: datetime) -> tuple[datetime, datetime] | None:
    """Return the intraday window [start, end), UTC, that contains the instant; None at overnight rates.

    Raises ConfigurationError when the preset is not known.
    """
    window = _preset(name)
    if window is None:
        return None
    today = at.astimezone(NEW_YORK).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() not in window.weekdays:
            continue
        start = new_york(day, window.opens)
        end = new_york(day + timedelta(days=1 if window.closes <= window.opens else 0), window.closes)
        if start <= at < end:
            return start, end
    return None


def tier_at(name: str, at: datetime) -> Tier:
    """Return which margin rates are in force at that instant."""
    return "overnight" if intraday_window(name, at) is None else "intraday"


def next_window_end(name: str, after: datetime) -> datetime | None:
    """Return the first instant later than `after` at which an intraday window ends, UTC; None when there are none."""
    window = _preset(name)
    if window is None:
        return None
    day = after.astimezone(NEW_YORK).date() - timedelta(days=1)
    ends = []
    for _ in range(9):
        if day.weekday() in window.weekdays:
            ends.append(new_york(day + timedelta(days=1 if window.closes <= window.opens else 0), window.closes))
        day += timedelta(days=1)
    return next(end for end in ends if end > after)


def next_deadline(name: str, after: datetime) -> datetime | None:
    """Return the first deadline later than `after`: five minutes before an intraday window ends, UTC."""
    end = next_window_end(name, after + DEADLINE)
    return None if end is None else end - DEADLINE
