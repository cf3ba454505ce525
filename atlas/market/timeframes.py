"""The timeframes of strat.md 1 and their periods: half-open UTC intervals from fixed anchors.

Intraday frames count from 00:00 UTC, the week from Monday 00:00 UTC (not the epoch's Thursday), the month from the 1st.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from atlas.errors import ConfigurationError

TIMEFRAMES: Final = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w", "1M")
"""Every timeframe, finest first."""

GRANULARITIES: Final = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "1d")
"""Those the exchange has candles of (coinbase.md 2); the others are aggregated."""

Period = tuple[datetime, datetime]

_DAY: Final = 86_400
_SECONDS: Final[dict[str, int]] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "12h": 43_200,
    "1d": _DAY,
    "1w": 7 * _DAY,
}
_LENGTHS: Final = {name: timedelta(seconds=step) for name, step in _SECONDS.items()}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MONDAY: Final = 4 * _DAY  # 1970-01-05; the epoch was a Thursday


def require(timeframe: str) -> str:
    """Return `timeframe` if it is one of TIMEFRAMES.

    Raises:
        ConfigurationError: it is not; the message names it and the allowed ones.
    """
    if timeframe not in TIMEFRAMES:
        raise ConfigurationError(f"unknown timeframe {timeframe!r}: use one of {' '.join(TIMEFRAMES)}")
    return timeframe


def seconds(timeframe: str) -> int | None:
    """Return the length of every period of `timeframe` in seconds; None for 1M, whose months differ."""
    return _SECONDS.get(require(timeframe))


def period(timeframe: str, at: datetime) -> Period:
    """Return open and close time of the period of `timeframe` that contains `at`: open <= at < close.

    `at` must be aware (any zone; the answer is UTC). Integer arithmetic and a cache: this is on the tick path.

    Raises:
        ConfigurationError: unknown timeframe.
        TypeError: `at` is naive.
    """
    since = at - _EPOCH
    step = _SECONDS.get(timeframe)
    if step is None:
        require(timeframe)
        return _month(since.days)
    anchor = _FIRST_MONDAY if timeframe == "1w" else 0
    return _span(step, anchor, (since.days * _DAY + since.seconds - anchor) // step)


def period_end(timeframe: str, opened: datetime) -> datetime:
    """Return when the period of `timeframe` ends that opens at `opened`, which is one of its anchors.

    Raises:
        ConfigurationError: unknown timeframe.
    """
    length = _LENGTHS.get(timeframe)
    return period(timeframe, opened)[1] if length is None else opened + length


def finer(timeframe: str) -> tuple[str, ...]:
    """Return the timeframes whose bars add up to exactly one of `timeframe`, coarsest first (6h: 2h 1h 30m …)."""
    step = seconds(timeframe) or _DAY  # a month is whole days
    by_size = reversed(_SECONDS.items())
    return tuple(name for name, size in by_size if name != timeframe and size <= step and step % size == 0)


def base_granularity(timeframe: str) -> str:
    """Return the exchange granularity that bars of `timeframe` are fetched in: itself, or the coarsest that adds up."""
    if require(timeframe) in GRANULARITIES:
        return timeframe
    return next(name for name in finer(timeframe) if name in GRANULARITIES)


@lru_cache(maxsize=4096)
def _span(step: int, anchor: int, index: int) -> Period:
    opened = _EPOCH + timedelta(seconds=anchor + index * step)
    return opened, opened + timedelta(seconds=step)


@lru_cache(maxsize=4096)
def _month(days: int) -> Period:
    """Return the calendar month that holds the day `days` after the epoch."""
    opened = (_EPOCH + timedelta(days=days)).replace(day=1)
    if opened.month == 12:
        return opened, opened.replace(year=opened.year + 1, month=1)
    return opened, opened.replace(month=opened.month + 1)
