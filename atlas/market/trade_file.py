"""Trade files: `time,price,size,side` as CSV, gzipped or not, read exactly.

`time` is unix seconds UTC with up to six decimals, not descending (several trades may share a time); `side` is the
taker's, `buy` or `sell`. More columns (`id`) are ignored.
"""

from decimal import Decimal
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.errors import DataError
from atlas.market.candle_file import LAST_TIME, TOO_LATE, common_tick, symbol_of
from atlas.market.number_columns import line_of, read_numbers, read_table

COLUMNS = ("time", "price", "size", "side")
MICRO = 6
_TAKERS = {"buy": True, "sell": False}


class TradeFile(Struct, frozen=True):
    """n trades with exact prices and sizes: `units × 10 ** -scale`."""

    path: Path
    symbol: str
    scale: int
    tick_units: int
    """The greatest common divisor of all prices of the file, in units."""
    size_scale: int
    times: NDArray[np.int64]
    """Unix microseconds, shape (n,)."""
    price: NDArray[np.int64]
    size: NDArray[np.int64]
    bought: NDArray[np.bool_]
    """Whether the taker bought."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def tick(self) -> Decimal:
        """The finest price step the file's prices need."""
        return Decimal(self.tick_units).scaleb(-self.scale)


def read_trades(path: Path | str) -> TradeFile:
    """Read a trade file whole.

    Raises DataError, naming file, line and value: a missing column, an empty file, a row with too few fields, no
    number, a time that descends or has more than six decimals, a price or size of 0, an unknown side.
    """
    path = Path(path)
    table = read_table(path, COLUMNS)
    time, price, size = (read_numbers(table, name) for name in ("time", "price", "size"))
    if time.scale > MICRO:
        raise DataError(f"{path}: time has {time.scale} decimals; at most {MICRO} (microseconds)")
    times = time.at_scale(MICRO)  # Those too late for 64 bits are refused first.
    takers = [_TAKERS.get(text.lower()) for text in table.fields("side")]
    for wrong, name, what in (
        (time.units >= LAST_TIME * 10**time.scale, "time", TOO_LATE),
        (np.concatenate(([False], np.diff(times) < 0)), "time", "is earlier than the row before: sort the file"),
        (price.units == 0, "price", "is 0; a price is above 0"),
        (size.units == 0, "size", "is 0; a size is above 0"),
        (np.array([taker is None for taker in takers]), "side", "is neither buy nor sell"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{path}, line {line_of(row)}: {name} {table.field(row, name)} {what}; mend the row")
    return TradeFile(
        path=path, symbol=symbol_of(path), scale=price.scale, tick_units=common_tick(price.units),
        size_scale=size.scale, times=times, price=price.units, size=size.units,
        bought=np.array(takers, dtype=np.bool_),
    )  # fmt: skip
