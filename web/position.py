"""An open position at the last price: profit and loss, R, and how far stop and target are."""

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row


class LivePosition(msgspec.Struct, frozen=True):
    """`row` and what the last price makes of it; None where there is no price.

    `unrealised` is the profit of the open contracts before costs, USD. `net` adds what the position realised and paid
    so far. `r` = net ÷ risk at entry. `to_stop_r` and `to_target_r` are the price's distances in units of
    |entry − first stop|: 0 is there, below 0 beyond. `path` places stop 0, target 100, and entry and price between.
    """

    row: Row[Any]
    unrealised: Decimal | None
    net: Decimal | None
    r: Decimal | None
    to_stop_r: Decimal | None
    to_target_r: Decimal | None
    path: dict[str, float] | None


def live_position(row: Row[Any]) -> LivePosition:
    """Return the position at its product's last price."""
    price: Decimal | None = row.price
    if price is None:
        return LivePosition(row, None, None, None, None, None, None)
    up = 1 if row.side == "long" else -1
    unrealised = up * (price - row.entry_price) * row.contracts * row.contract_size
    net = unrealised + row.net
    unit = abs(row.entry_price - row.first_stop)
    risk = unit * row.entry_contracts * row.contract_size
    return LivePosition(
        row,
        unrealised,
        net,
        net / risk if risk else None,
        up * (price - row.stop) / unit if unit else None,
        up * (row.target - price) / unit if unit else None,
        _path(row, price),
    )


def _path(row: Row[Any], price: Decimal) -> dict[str, float] | None:
    span = row.target - row.stop
    if not span:
        return None

    def place(level: Decimal) -> float:
        return round(float(min(max((level - row.stop) / span * 100, Decimal(0)), Decimal(100))), 1)

    return {"entry": place(row.entry_price), "price": place(price)}
