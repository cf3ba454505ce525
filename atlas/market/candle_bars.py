"""The closed bars of a candle file, on the file's own timeframe or a coarser one (strat.md 1, Files).

Reads the columns of `atlas.market.candle_file`, but takes a close outside [low, high] as it stands, as it does an open,
and holds every time to the frame's boundaries: here the bars themselves matter, not the path through them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.errors import DataError
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.candle_file import COLUMNS, read_times
from atlas.market.number_columns import Table, line_of, read_numbers, read_table
from atlas.market.timeframes import TIMEFRAMES, period, require, seconds

_DAY: Final = 86_400
_FIRST_MONDAY: Final = 4 * _DAY  # 1970-01-05
_LAST_TIME: Final = 253_370_764_800  # 9999-01-01: milliseconds given as seconds lie far beyond it
_BY_SECONDS: Final = {step: name for name in TIMEFRAMES if (step := seconds(name)) is not None}


class BarFile(Struct, frozen=True):
    """What a candle file tells on one timeframe: the closed bars, oldest first, and the one still forming.

    A first bucket the file does not begin with is partial and not among them.
    """

    path: Path
    symbol: str
    timeframe: str
    closed: list[Bar]
    forming: Bar | None


def read_bars(path: Path | str, timeframe: str | None = None, symbol: str | None = None) -> BarFile:
    """Read a candle file as bars of `timeframe`, None for the smallest step between its rows.

    `symbol` None is the file's name up to the first dot. A row of zero volume is a period without a trade, and so no
    bar, unless all are.

    Raises:
        ConfigurationError: `timeframe` is not a listed one.
        DataError: the file is wrong (file, line and value named), its step is no listed timeframe, or `timeframe` is
            no whole multiple of it.
    """
    path = Path(path)
    table = read_table(path, COLUMNS)
    times = read_times(table)
    _refuse(table, times >= _LAST_TIME, "time", "lies after the year 9998: write unix seconds, not milliseconds")
    columns = [_exact(table, name) for name in COLUMNS[1:]]
    _check_prices(table, *columns[:4])
    step_name, step = _step(table, times, timeframe)
    frame = step_name if timeframe is None else timeframe
    _check_boundaries(table, times, frame, step_name, step)
    pieces = list(_pieces(times, columns, frame, step))
    opened, closes = period(frame, pieces[0].open_time)
    whole_from = opened if pieces[0].open_time == opened else closes
    silent = not any(piece.volume for piece in pieces)  # a file that tells no volumes, not a market without a trade
    traded = [piece for piece in pieces if piece.open_time >= whole_from and (silent or piece.volume)]
    closed, forming = aggregate(traded, frame, starts_whole=True, complete_until=pieces[-1].close_time)
    return BarFile(path, symbol or path.name.partition(".")[0], frame, closed, forming)


def _exact(table: Table, name: str) -> list[Decimal]:
    column = read_numbers(table, name)
    return [Decimal(units).scaleb(-column.scale) for units in column.units.tolist()]


def _pieces(times: NDArray[np.int64], columns: list[list[Decimal]], frame: str, step: int | None) -> Iterator[Bar]:
    """Yield the rows as bars that end a `step` after they open, None for a month.

    They are named pieces of `frame` and not by their own length, which need be none of the listed timeframes.
    """
    for at, opened, high, low, close, volume in zip(times.tolist(), *columns, strict=True):
        start = datetime.fromtimestamp(at, UTC)
        end = period("1M", start)[1] if step is None else datetime.fromtimestamp(at + step, UTC)
        yield Bar(frame, start, end, opened, high, low, close, volume)


def _step(table: Table, times: NDArray[np.int64], timeframe: str | None) -> tuple[str, int | None]:
    """Return the file's step as it is called and in seconds, None for a month; checks `timeframe` against it."""
    if timeframe is not None:
        require(timeframe)
    if len(times) == 1:
        if timeframe is None:
            raise DataError(
                f"{table.path}, line {line_of(0)}: time {table.field(0, 'time')} is the only row, which tells no step; "
                "name its timeframe (--timeframe)"
            )
        return timeframe, seconds(timeframe)
    gaps = np.diff(times)
    row = int(gaps.argmin()) + 1
    step = int(gaps[row - 1])
    said = f"{table.path}, line {line_of(row)}: time {table.field(row, 'time')} is {step} seconds after the row before"
    monthly = step not in _BY_SECONDS and 28 * _DAY <= step <= 31 * _DAY
    name = "1M" if monthly else _BY_SECONDS.get(step, f"{step} s")
    if timeframe is None and name not in TIMEFRAMES:
        raise DataError(
            f"{said}, the file's smallest step, and that is no timeframe: mend the row, or name a whole multiple of "
            f"it (--timeframe) among {' '.join(TIMEFRAMES)}"
        )
    multiple = timeframe in (None, name) or (not monthly and (seconds(timeframe or name) or _DAY) % step == 0)
    if not multiple:  # a month is whole days
        raise DataError(
            f"{said}, the file's smallest step, of which {timeframe} is no whole multiple: mend the row, or name "
            "another timeframe (--timeframe)"
        )
    return name, None if monthly else step


def _check_prices(
    table: Table, opened: list[Decimal], high: list[Decimal], low: list[Decimal], close: list[Decimal]
) -> None:
    for name, prices in zip(COLUMNS[1:5], (opened, high, low, close), strict=True):
        _refuse(table, np.array([price == 0 for price in prices]), name, "is 0, and a price is above 0: mend the row")
    for row, (top, bottom) in enumerate(zip(high, low, strict=True)):
        if top < bottom:
            raise DataError(
                f"{table.path}, line {line_of(row)}: high {table.field(row, 'high')} is below the low "
                f"{table.field(row, 'low')}: mend the row"
            )


def _check_boundaries(table: Table, times: NDArray[np.int64], frame: str, step_name: str, step: int | None) -> None:
    if step is None:
        off = np.array([period("1M", at)[0] != at for at in (datetime.fromtimestamp(t, UTC) for t in times.tolist())])
    else:
        anchor = _FIRST_MONDAY if "1w" in (frame, step_name) else 0
        off = (times - anchor) % step != 0
    _refuse(table, off, "time", f"is off the boundaries of {step_name}, the file's smallest step: mend the row")


def _refuse(table: Table, wrong: NDArray[np.bool_], name: str, what: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{table.path}, line {line_of(row)}: {name} {table.field(row, name)} {what}")
