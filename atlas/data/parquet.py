"""Parquet files of candles, read as the table a CSV file gives; needs the extra `[parquet]`.

`time` may be a timestamp (without a zone: UTC) or whole unix seconds; prices may be decimals, integers, text or floats.
A float is read as the shortest text that is the same float, so 43123.45 stays 43123.45; of a volume of floats eight
decimals are kept, which is as fine as any exchange counts.
"""

from pathlib import Path
from typing import Any

from atlas.errors import ConfigurationError, DataError
from atlas.market.candle_file import COLUMNS
from atlas.market.number_columns import Table, table_of

SUFFIXES = (".parquet", ".pq")
ALSO_TIME = ("date", "timestamp", "datetime")
"""What others call the column `time`."""


def read_parquet(path: Path) -> Table:
    """Return the columns of a Parquet file as a table; row n counts as line n + 2, as below a header.

    Raises ConfigurationError without pyarrow, and DataError if the file cannot be read or lacks a column.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigurationError(
            f"{path}: Parquet files are read with pyarrow: pip install 'atlas-strat[parquet]', or give a CSV file"
        ) from error
    try:
        names = parquet.read_schema(path).names
        wanted = {name: _named(path, name, names) for name in COLUMNS}
        read = parquet.read_table(path, columns=list(wanted.values()))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a whole Parquet file") from error
    columns = [_times(path, read[wanted["time"]])]
    columns += [_numbers(read[wanted[name]], 8 if name == "volume" else None) for name in COLUMNS[1:]]
    rows = "\n".join(",".join(row) for row in zip(*columns, strict=True))
    return table_of(path, f"{','.join(COLUMNS)}\n{rows}\n".encode(), COLUMNS)


def _named(path: Path, name: str, names: list[str]) -> str:
    known = {each.strip().lower(): each for each in names}
    for called in (name, *(ALSO_TIME if name == "time" else ())):
        if called in known:
            return known[called]
    raise DataError(f"{path}: no column {name} among {', '.join(names)}; needed: {','.join(COLUMNS)}")


def _times(path: Path, column: Any) -> list[str]:
    import pyarrow

    kind = column.type
    if not pyarrow.types.is_timestamp(kind):
        return _numbers(column, None)
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[kind.unit]
    times = column.cast(pyarrow.int64()).to_pylist()
    for row, at in enumerate(times):
        if at is None or at % per_second:
            raise DataError(f"{path}, line {row + 2}: time {at} {kind.unit} is not in whole seconds; mend the row")
    return [str(at // per_second) for at in times]


def _numbers(column: Any, decimals: int | None) -> list[str]:
    """Return the numbers as text; a null comes out as text that is none, and is refused with its line."""
    values = column.to_pylist()
    if decimals is None:
        return [repr(value) if isinstance(value, float) else str(value) for value in values]
    return [f"{value:.{decimals}f}" if isinstance(value, float) else str(value) for value in values]
