"""Quiet hours: from when to when, in the account's timezone, nothing but the critical is told."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from atlas.errors import ConfigurationError


class QuietHours(msgspec.Struct, frozen=True):
    """From `begin` until `end`, times of day in `timezone`; over midnight where `end` is the earlier."""

    begin: time
    end: time
    timezone: str

    def until(self, now: datetime) -> datetime | None:
        """Return when the quiet that is at `now` ends, None when it is not quiet."""
        local = now.astimezone(ZoneInfo(self.timezone))
        at = local.timetz().replace(tzinfo=None)
        over_midnight = self.end <= self.begin
        if not (at >= self.begin or at < self.end if over_midnight else self.begin <= at < self.end):
            return None
        day = local.date() + timedelta(days=1 if over_midnight and at >= self.begin else 0)
        return datetime.combine(day, self.end, ZoneInfo(self.timezone)).astimezone(now.tzinfo)


def quiet_hours(text: str, timezone: str) -> QuietHours | None:
    """Read `22:00-07:30`; None for an empty text. Raises ConfigurationError."""
    if not text.strip():
        return None
    begin, _, end = text.partition("-")
    try:
        hours = QuietHours(time.fromisoformat(begin.strip()), time.fromisoformat(end.strip()), timezone)
    except ValueError:
        hours = None
    if hours is None or hours.begin == hours.end or hours.begin.tzinfo or hours.end.tzinfo:
        raise ConfigurationError(f"`discord.quiet` = {text!r} is wrong: from and until, e.g. 22:00-07:00, or nothing")
    return hours
