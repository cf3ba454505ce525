"""Times as the exchange writes them, into aware UTC datetimes. Digits beyond the microsecond are cut off, not rounded.

Three spellings occur (coinbase.md 1.3, 1.4): RFC 3339 with 0 to 9 fraction digits, Go's `time.String` in heartbeats,
and unix seconds in candles. Cutting matters: 12:59:59.9999999 rounded up would lie in the next bar.
"""

import re
from datetime import UTC, datetime

from atlas.errors import DataError

_SPELLING = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)(?: [A-Z]{3,4})?(?: m=[+-][\d.]+)?"
)

EARLIEST, LATEST = 1970, 2199
"""Years. Whatever is stamped beyond them is corrupt, and arithmetic on it would run out of the calendar."""


def parse_time(text: str) -> datetime:
    """Return the instant of `2026-09-05T22:10:29.562008293Z`, or of the same in Go's spelling with its `m=+…`.

    Raises:
        DataError: the text is no such time, or names no offset from UTC.
    """
    try:
        if text[10:11] == "T" and text[-1:] == "Z":
            # The usual spelling, seven times faster than below. Since 3.11 this cuts what is beyond the microsecond.
            time = datetime.fromisoformat(text)
            return time if EARLIEST <= time.year <= LATEST else _plausible(time)
        match = _SPELLING.fullmatch(text)
        if match is None:
            raise ValueError("not of the form 2026-09-05T22:10:29.5Z")
        day, clock, fraction, offset = match.groups()
        zone = "+00:00" if offset == "Z" else offset
        return _plausible(datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone}").astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise DataError(f"the exchange sent {text[:60]!r} where a time was expected: {error}") from error


def parse_unix(text: str | int) -> datetime:
    """Return the instant of unix seconds, as candles carry them.

    Raises:
        DataError: not a whole number, or out of range.
    """
    try:
        return _plausible(datetime.fromtimestamp(int(text), UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(f"the exchange sent {str(text)[:60]!r} where unix seconds were expected: {error}") from error


def _plausible(time: datetime) -> datetime:
    if not EARLIEST <= time.year <= LATEST:
        raise ValueError(f"the year {time.year} is not one of markets")
    return time
