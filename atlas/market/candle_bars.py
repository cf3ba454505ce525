"""The closed bars of a candle file, on the file's own timeframe or a coarser one (strat.md 1, Files).

Reads the columns of `atlas.market.candle_file`, but takes a close outside [low, high] as it stands, as it does an open,
and holds every time to the frame's boundaries: here the bars themselves matter, not the path through them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.errors import DataError
from atlas.market.bar import Bar
from atlas.market.candle_file import COLUMNS, read_times
from atlas.market.number_columns import NumberColumn, Table, line_of, read_exactly, read_table
from atlas.market.timeframes import TIMEFRAMES, period, require, seconds

_DAY: Final = 86_400
_FIRST_MONDAY: Final = 4 * _DAY  # 1970-01-05
_BY_SECONDS: Final = {step: name for name in TIMEFRAMES if (step := seconds(name)) is not None}

Units = NDArray[np.int64]


class BarFile(Struct, frozen=True):
    """What a candle file tells on one timeframe: the closed bars, oldest first, and the one still forming.

    A first bucket the file does not begin with is partial and not among them.
    """

    path: Path
    symbol: str
    timeframe: str
    closed: list[Bar]
    forming: Bar | None


class BarColumns(Struct, frozen=True):
    """The bars of a candle file as columns, oldest first; the last is still `forming` or closed like the others.

    `times` are their opens in unix seconds. `prices` are open, high, low and close; `volumes` are in units of
    10 ** -volume_scale, Python's integers where 64 bits might not hold their sum.
    """

    path: Path
    symbol: str
    timeframe: str
    times: Units
    prices: list[NumberColumn]
    volumes: NDArray[Any]
    volume_scale: int
    forming: bool

    @property
    def closed(self) -> int:
        """How many bars are closed."""
        return len(self.times) - self.forming

    def bars(self) -> list[Bar]:
        """Return them one by one, the forming one too."""
        volumes = [Decimal(units).scaleb(-self.volume_scale) for units in self.volumes.tolist()]
        rows = zip(self.times.tolist(), *map(_decimals, self.prices), volumes, strict=True)
        return [
            Bar(self.timeframe, *period(self.timeframe, datetime.fromtimestamp(at, UTC)), *row) for at, *row in rows
        ]


def read_bars(path: Path | str, timeframe: str | None = None, symbol: str | None = None) -> BarFile:
    """Read a candle file as bars of `timeframe`; otherwise as `read_columns`, and with its errors."""
    read = read_columns(path, timeframe, symbol)
    bars = read.bars()
    forming = bars.pop() if read.forming else None
    return BarFile(read.path, read.symbol, read.timeframe, bars, forming)


def read_columns(path: Path | str, timeframe: str | None = None, symbol: str | None = None) -> BarColumns:
    """Read a candle file as columns of bars of `timeframe`, None for the smallest step between its rows.

    `symbol` None is the file's name up to the first dot. A row of zero volume is a period without a trade, and so no
    bar, unless all are. What `atlas.market.aggregation` does trade by trade is done over whole columns here.

    Raises:
        ConfigurationError: `timeframe` is not a listed one.
        DataError: the file is wrong (file, line and value named), its step is no listed timeframe, or `timeframe` is
            no whole multiple of it.
    """
    path = Path(path)
    table = read_table(path, COLUMNS)
    times = read_times(table)
    *prices, volume = (read_exactly(table, name) for name in COLUMNS[1:])
    _check_prices(table, prices)
    step_name, step = _step(table, times, timeframe)
    frame = step_name if timeframe is None else timeframe
    _check_boundaries(table, times, frame, step_name, step)
    opens = opens_of(times, frame)
    kept = opens >= times[0] if opens[0] < times[0] else np.ones(len(times), np.bool_)
    if volume.units.any():  # else a file that tells no volumes, not a market without a trade
        kept &= volume.units != 0
    opens = opens[kept]
    first = np.flatnonzero(np.diff(opens, prepend=-1))  # of each bucket
    last = np.append(first[1:], len(opens))[: len(first)] - 1
    o, h, lo, c = (column.units[kept] for column in prices)
    volumes = volume.units[kept]
    if len(first):
        h, lo = np.maximum.reduceat(h, first), np.minimum.reduceat(lo, first)
        wide = int(volumes.max()) * len(volumes) >= 2**63
        volumes = np.add.reduceat(volumes.astype(object) if wide else volumes, first)
    made = [
        NumberColumn(name=column.name, units=units, scale=column.scale)
        for column, units in zip(prices, (o[first], h, lo, c[last]), strict=True)
    ]
    ends = _end("1M", int(times[-1])) if step is None else int(times[-1]) + step
    forming = len(first) > 0 and _end(frame, int(opens[-1])) > ends
    name = symbol or path.name.partition(".")[0]
    return BarColumns(path, name, frame, opens[first], made, volumes, volume.scale, forming)


def same_scale(prices: Sequence[NumberColumn]) -> list[Units] | None:
    """Return the units of columns counted at one scale, the finest; None where 64 bits cannot hold them."""
    scale = max(column.scale for column in prices)
    if not all(column.fits(scale) for column in prices):
        return None
    return [column.at_scale(scale).astype(np.int64, copy=False) for column in prices]


def _decimals(column: NumberColumn) -> list[Decimal]:
    return [Decimal(units).scaleb(-column.scale) for units in column.units.tolist()]


def opens_of(times: Units, frame: str) -> Units:
    """Return when the bucket of `frame` that holds each time opened."""
    step = seconds(frame)
    if step is None:
        return times.astype("datetime64[s]").astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    anchor = _FIRST_MONDAY if frame == "1w" else 0
    return (times - anchor) // step * step + anchor


def _end(frame: str, opened: int) -> int:
    """Return when the bucket of `frame` that opened then ends."""
    return int(period(frame, datetime.fromtimestamp(opened, UTC))[1].timestamp())


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


def _check_prices(table: Table, prices: Sequence[NumberColumn]) -> None:
    for column in prices:
        _refuse(table, column.units == 0, column.name, "is 0, and a price is above 0: mend the row")
    aligned = same_scale(prices)
    if aligned is not None:
        below = aligned[1] < aligned[2]
    else:
        below = np.array([top < bottom for top, bottom in zip(*map(_decimals, prices[1:3]), strict=True)])
    if below.any():
        row = int(below.argmax())
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
