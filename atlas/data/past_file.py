"""What `--data` names: a file of candles or trades, a folder of columns, or the name of one among those kept."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from atlas.data.column_files import is_columns, open_columns
from atlas.data.inspection import JUMP, Inspection, inspect
from atlas.data.parquet import SUFFIXES, read_parquet
from atlas.data.unpack import unpacked
from atlas.errors import DataError
from atlas.market.candle_file import COLUMNS, CandleFile, candles_of, read_candles, whole_seconds
from atlas.market.number_columns import Table, read_header, read_table
from atlas.market.past import PastFile
from atlas.market.trade_file import read_trades


def read_past(named: Path, kept: Callable[[], Path] | None = None) -> PastFile:
    """Return the past that is named; `kept` tells the folder in which columns are looked for by name.

    Raises DataError, naming file, line and value, as `read_candles`, `read_trades` and `open_columns`.
    """
    folder = column_folder(named, kept)
    if folder is not None:
        return open_columns(folder)
    if named.suffix in SUFFIXES:
        file, found = read_inspected(named)
        refuse_fatal(found)
        return file
    if {"price", "size"} <= set(read_header(named)):
        return read_trades(named)
    return read_candles(named, unpacked)


def column_folder(named: Path, kept: Callable[[], Path] | None = None) -> Path | None:
    """Return the folder of columns that is meant, None where a file is."""
    if named.is_dir():
        if is_columns(named):
            return named
        raise DataError(f"{named} is a folder without candles.json: give one `atlas data import` made, or a file")
    if named.exists() or kept is None or len(named.parts) != 1:
        return None
    folder = kept() / named
    return folder if is_columns(folder) else None


def read_inspected(path: Path, jump: Decimal = JUMP) -> tuple[CandleFile, Inspection]:
    """Return the candles of a file as they stand, and what is odd about them.

    Raises DataError where a field is no number ≥ 0.
    """
    table = _table(path)
    file = candles_of(table, whole_seconds(table))
    return file, inspect(file, jump)


def refuse_fatal(found: Inspection) -> None:
    """Raise DataError if no replay may be fed with what was inspected."""
    fatal = found.fatal
    if fatal:
        often = sum(found.counts[kind] for kind in {finding.kind for finding in fatal})
        more = f" (and {often - 1} more; `atlas data verify` lists them)" if often > 1 else ""
        raise DataError(f"{fatal[0]}{more}; mend the row")


def _table(path: Path) -> Table:
    return read_parquet(path) if path.suffix in SUFFIXES else read_table(path, COLUMNS)
