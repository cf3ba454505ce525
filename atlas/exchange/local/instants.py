"""Time inside the local exchange: ints of nanoseconds since 1970 UTC, because the wire carries nine digits."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NS = 1_000_000_000
US = 1_000
"""Trades are stamped in whole microseconds, as the exchange's are."""
MINUTE = 60 * NS
HOUR = 3600 * NS
DAY = 86_400 * NS

_NEW_YORK = ZoneInfo("America/New_York")
_FRIDAY, _BREAK_HOUR = 4, 17


def from_datetime(time: datetime) -> int:
    """Return an aware datetime as nanoseconds since 1970."""
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * US


def to_datetime(instant: int) -> datetime:
    """Return an instant as an aware UTC datetime, cut to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant // US)


def rfc3339(instant: int) -> str:
    """Return `2026-09-26T04:15:00.2Z`: up to nine fraction digits, trailing zeros trimmed, as recorded."""
    second, fraction = divmod(instant, NS)
    return f"{_second(second)}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"


def go_time(instant: int, uptime: int) -> str:
    """Return the heartbeats' `current_time`: a Go time with its monotonic reading, `uptime` in nanoseconds."""
    second, fraction = divmod(instant, NS)
    shown = f"{_second(second).replace('T', ' ')}.{fraction:09d}".rstrip("0").rstrip(".")
    return f"{shown} +0000 UTC m=+{uptime // NS}.{uptime % NS:09d}"


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def in_break(instant: int) -> bool:
    """Tell whether the derivatives venue takes its weekly break: Friday 17:00-18:00 New York (spec: coinbase.md 3)."""
    return _break_hour(instant // HOUR)


@lru_cache(maxsize=4096)
def _break_hour(hour: int) -> bool:
    # New York lies whole hours from UTC, so that an hour is in the break as a whole or not at all.
    local = to_datetime(hour * HOUR).astimezone(_NEW_YORK)
    return local.weekday() == _FRIDAY and local.hour == _BREAK_HOUR
