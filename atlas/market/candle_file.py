"""Candle files: `time,open,high,low,close,volume` as CSV, gzipped or not, read exactly and checked row by row.

`time` is the bar's opening in whole unix seconds UTC, ascending, one row per time; holes are allowed (nothing traded).
An open outside [low, high] is allowed too (BitMEX opens at the close before) and kept; whoever walks the candle clamps
it (`atlas.market.path`). More columns are ignored.
"""

import gzip
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.errors import DataError
from atlas.market.number_columns import (
    MOST_DIGITS,
    NumberColumn,
    Table,
    Unpack,
    line_of,
    names_of,
    read_numbers,
    read_table,
    text_of,
)
from atlas.market.plain_columns import read_plain

COLUMNS = ("time", "open", "high", "low", "close", "volume")
LAST_TIME: Final = 4_102_444_800
"""2100-01-01 in unix seconds: milliseconds given as seconds lie far beyond it."""
TOO_LATE: Final = "lies after the year 2099: write unix seconds, not milliseconds"
_FEW = 1_000
_PRICES = ("open", "high", "low", "close")


class CandleFile(Struct, frozen=True):
    """n candles with exact prices. Prices are ints: `units × 10 ** -scale`; volumes likewise with `volume_scale`."""

    path: Path
    symbol: str
    """From the file's name: `venue_SYMBOL_interval_….csv.gz`, else the name without its endings."""
    interval: int
    """Seconds from one bar to the next: the smallest step in the file (60 if it has but one row)."""
    scale: int
    tick_units: int
    """The greatest common divisor of all prices of the file, in units."""
    volume_scale: int
    times: NDArray[np.int64]
    """Unix seconds, shape (n,)."""
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times)

    @property
    def tick(self) -> Decimal:
        """The finest price step the file's prices need."""
        return Decimal(self.tick_units).scaleb(-self.scale)

    def price(self, units: int) -> Decimal:
        """Return a price of the file as a Decimal."""
        return Decimal(int(units)).scaleb(-self.scale)

    def rows(self, start: int, end: int) -> "CandleFile":
        """Return the candles that open in [start, end), unix seconds; the file's tick and interval are kept."""
        first, last = np.searchsorted(self.times, [start, end]).tolist()
        cut = slice(first, last)
        return CandleFile(
            path=self.path, symbol=self.symbol, interval=self.interval, scale=self.scale, tick_units=self.tick_units,
            volume_scale=self.volume_scale, times=self.times[cut], open=self.open[cut], high=self.high[cut],
            low=self.low[cut], close=self.close[cut], volume=self.volume[cut],
        )  # fmt: skip


def read_candles(path: Path | str, unpack: Unpack = gzip.decompress) -> CandleFile:
    """Read a candle file whole. Nearly half the time of 527,040 gzipped rows is unpacking, unless `unpack` is quicker.

    Raises DataError, naming file, line and value: a missing column, an empty file, a row with too few fields, no
    number, times that do not ascend, repeat or are no seconds, a price of 0, high < low, a close outside [low, high].
    """
    path = Path(path)
    plain = _read_plain(path, unpack)
    if plain is not None:
        return plain
    table = read_table(path, COLUMNS)
    file = candles_of(table, read_times(table))
    for name in _PRICES:
        _refuse(table, getattr(file, name) == 0, name, "is 0; a price is above 0")
    _refuse(table, file.high < file.low, "high", "is below the low")
    outside = (file.close > file.high) | (file.close < file.low)
    _refuse(table, outside, "close", "lies outside low and high")
    return file


def _read_plain(path: Path, unpack: Unpack) -> CandleFile | None:
    """Return the candles of a file of plain numbers; None for any other, and where there is something to refuse."""
    text = text_of(path, unpack)
    header = names_of(text[: max(text.find(b"\n"), 0)])
    columns = read_plain(text, header, COLUMNS) if {*COLUMNS} <= {*header} else None
    if columns is None or columns["time"].scale:
        return None
    file = _candles(path, columns["time"].units, columns)
    sound = int(file.times[-1]) < LAST_TIME and bool((np.diff(file.times) > 0).all())
    sound = sound and min(int(getattr(file, name).min()) for name in _PRICES) > 0
    sound = sound and bool(((file.low <= file.close) & (file.close <= file.high)).all())
    return file if sound else None


def candles_of(table: Table, times: NDArray[np.int64]) -> CandleFile:
    """Return the rows of a table as they stand: whether its times and prices make sense is for the caller to look at.

    Raises DataError at the first field that is no number ≥ 0.
    """
    return _candles(table.path, times, {name: read_numbers(table, name) for name in (*_PRICES, "volume")})


def _candles(path: Path, times: NDArray[np.int64], columns: Mapping[str, NumberColumn]) -> CandleFile:
    scale = max(columns[name].scale for name in _PRICES)
    for name in _PRICES:
        if not columns[name].fits(scale):
            largest = Decimal(int(columns[name].units.max())).scaleb(-columns[name].scale)
            raise DataError(
                f"{path}: {name} {largest:f} has too many digits at the {scale} decimals other prices have; at most "
                f"{MOST_DIGITS} in all"
            )
    units = {name: columns[name].at_scale(scale) for name in _PRICES}
    volume = columns["volume"]
    return CandleFile(
        path=path,
        symbol=symbol_of(path),
        interval=int(np.diff(times).min()) if len(times) > 1 else 60,
        scale=scale,
        tick_units=common_tick(*units.values()),
        volume_scale=volume.scale,
        times=times,
        volume=volume.units,
        **units,
    )


def read_times(table: Table) -> NDArray[np.int64]:
    """Read the column `time` as whole unix seconds that ascend and end before LAST_TIME; DataError otherwise."""
    times = whole_seconds(table)
    step = np.diff(times)
    _refuse(table, np.concatenate(([False], step == 0)), "time", "is a duplicate of the row before")
    _refuse(table, np.concatenate(([False], step < 0)), "time", "is earlier than the row before: sort the file")
    _refuse(table, times >= LAST_TIME, "time", TOO_LATE)
    return times


def whole_seconds(table: Table) -> NDArray[np.int64]:
    """Read the column `time` as whole unix seconds in any order; DataError otherwise."""
    column = read_numbers(table, "time")
    if column.scale:
        fraction = column.units % 10**column.scale != 0
        _refuse(table, fraction, "time", "is not in whole seconds")
    units: NDArray[np.int64] = column.units
    return units


def common_tick(*columns: NDArray[np.int64]) -> int:
    """Return the greatest common divisor of all prices given, in units.

    Prices that never move share themselves as divisor, which is no tick: then it is one unit.
    """
    divisor = 0
    for column in columns:
        # A few prices tell nearly all of it; then only those that it does not divide are asked.
        odd = column
        while len(odd):
            divisor = int(np.gcd.reduce(np.append(odd[:_FEW], divisor)))
            if divisor == 1:
                return 1
            odd = odd[odd % divisor != 0] if divisor else odd[odd != 0]
    lowest = min(int(column.min()) for column in columns)
    return divisor if divisor < lowest else 1


def symbol_of(path: Path) -> str:
    """Return the symbol a file's name tells: `bitmex_XBTUSD-PERP_1m_2020.csv.gz` → `XBTUSD-PERP`."""
    stem = path.name.removesuffix(".gz").removesuffix(".csv")
    parts = stem.split("_")
    return parts[1] if len(parts) >= 3 else stem


def _refuse(table: Table, wrong: NDArray[np.bool_], name: str, what: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{table.path}, line {line_of(row)}: {name} {table.field(row, name)} {what}; mend the row")
