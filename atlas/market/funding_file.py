"""Past funding rates: `time,rate` as CSV, gzipped or not.

`time` is when a rate was paid, a full hour in unix seconds UTC, ascending; `rate` is a share of notional, and longs pay
it when it is above 0. The smallest step between rows is how long a rate counts for: a row of eight-hourly funding is
that of the eight hours that end at its time; ATLAS settles every hour (lesson 96), so each of them has an eighth of it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.errors import DataError
from atlas.market.candle_file import read_times
from atlas.market.number_columns import Table, line_of, read_table

COLUMNS = ("time", "rate")
_HOUR = 3_600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FundingFile(Struct, frozen=True):
    """n hours, ascending, with the rate of each; an hour the file does not tell is not among them."""

    path: Path
    hours: NDArray[np.int64]
    """The full hours at which the rates are due, unix seconds, shape (n,)."""
    rates: tuple[Decimal, ...]
    """The rate of each hour as a share of notional; above 0: longs pay."""

    def rate(self, hour: datetime) -> Decimal | None:
        """Return the rate due at a full hour; None where the file does not tell it: then the product's own counts."""
        at = (hour - _EPOCH) // timedelta(seconds=1)
        place = int(np.searchsorted(self.hours, at))
        return self.rates[place] if place < len(self.hours) and int(self.hours[place]) == at else None

    def between(self, after: datetime, until: datetime) -> Iterator[tuple[datetime, Decimal]]:
        """Yield the hours in (after, until] the file tells, with their rates."""
        bounds = [(edge - _EPOCH) // timedelta(seconds=1) for edge in (after, until)]
        first, last = np.searchsorted(self.hours, bounds, side="right").tolist()
        for at, rate in zip(self.hours[first:last].tolist(), islice(self.rates, first, last), strict=True):
            yield _EPOCH + timedelta(seconds=at), rate


def read_funding(path: Path | str) -> FundingFile:
    """Read a file of past funding whole. With one row its rate is that of one hour.

    Raises DataError, naming file, line and value: a missing column, an empty file, times that do not ascend, are off
    the full hour or stand at a step that is no multiple of the smallest, or a rate that is no number or not within ±1.
    """
    table = read_table(Path(path), COLUMNS)
    times = read_times(table)
    _refuse(table, times % _HOUR != 0, "is off the full hour, at which funding is due")
    step = int(np.diff(times).min()) if len(times) > 1 else _HOUR
    off = np.diff(times, prepend=times[0]) % step != 0
    _refuse(table, off, f"is not a multiple of {step // _HOUR} h, the file's smallest step, after the row before")
    each = step // _HOUR
    hours = (times[:, None] - _HOUR * np.arange(each - 1, -1, -1, dtype=np.int64)).ravel()
    rates = [_rate(table, row) / each for row in range(len(times))]
    return FundingFile(Path(path), hours, tuple(rate for rate in rates for _ in range(each)))


def _rate(table: Table, row: int) -> Decimal:
    text = table.field(row, "rate")
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite() or rate.copy_abs() >= 1:  # abs() rounds, which 1e+999999999 does not survive
        raise DataError(
            f"{table.path}, line {line_of(row)}: rate '{text}' is no share of notional, a number between -1 and 1 "
            "(0.0001 = 0.01 %); mend the row"
        )
    return rate


def _refuse(table: Table, wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{table.path}, line {line_of(row)}: time {table.field(row, 'time')} {what}; mend the row")
