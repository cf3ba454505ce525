"""An open position at the last price: profit and loss, R, and how far stop and target are."""

from decimal import Decimal
from typing import Any, TypedDict

import msgspec
from sqlalchemy import Row

from web.values import iso, rounded, text


class Path(TypedDict):
    """Entry and price on the way from stop (0) to target (100)."""

    entry: float
    price: float


class Agreeing(TypedDict):
    """The continuity a position was entered with: the frames that agreed, of all that count."""

    score: str
    agree: list[str]
    frames: list[str]


class PositionShown(TypedDict):
    """One open position; money is USD, `to_stop_r` and `to_target_r` are as `LivePosition` says."""

    id: str
    symbol: str
    side: str
    timeframe: str
    setup: str
    family: str
    contracts: str | None
    entry_contracts: str | None
    entry_price: str | None
    entry_time: str | None
    trigger: str | None
    stop: str | None
    target: str | None
    liquidation: str | None
    leverage: str | None
    tier: str
    margin: str | None
    price: str | None
    price_at: str | None
    unrealised: str | None
    net: str | None
    r: str | None
    to_stop_r: str | None
    to_target_r: str | None
    at_risk: str | None
    path: Path | None
    contradicted: bool
    continuity: Agreeing | None


class LivePosition(msgspec.Struct, frozen=True):
    """`row` and what the last price makes of it; None where there is no price.

    `unrealised` is the profit of the open contracts before costs, USD. `net` adds what the position realised and paid
    so far. `r` = net ÷ risk at entry. `to_stop_r` and `to_target_r` are the price's distances in units of
    |entry − first stop|: 0 is there, below 0 beyond. `path` places stop 0, target 100, and entry and price between.
    `at_risk` is what the open contracts lose from the entry to the stop, USD; 0 once the stop is beyond the entry.
    """

    row: Row[Any]
    at_risk: Decimal
    unrealised: Decimal | None = None
    net: Decimal | None = None
    r: Decimal | None = None
    to_stop_r: Decimal | None = None
    to_target_r: Decimal | None = None
    path: Path | None = None


def live_position(row: Row[Any]) -> LivePosition:
    """Return the position at its product's last price."""
    price: Decimal | None = row.price
    up = 1 if row.side == "long" else -1
    at_risk = max(Decimal(0), up * (row.entry_price - row.stop) * row.contracts * row.contract_size)
    if price is None:
        return LivePosition(row, at_risk)
    unrealised = up * (price - row.entry_price) * row.contracts * row.contract_size
    net = unrealised + row.net
    unit = abs(row.entry_price - row.first_stop)
    risk = unit * row.entry_contracts * row.contract_size
    return LivePosition(
        row,
        at_risk,
        unrealised,
        net,
        net / risk if risk else None,
        up * (price - row.stop) / unit if unit else None,
        up * (row.target - price) / unit if unit else None,
        _path(row, price),
    )


def shown_position(position: LivePosition) -> PositionShown:
    """Return it as JSON values."""
    row = position.row
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "setup": row.setup,
        "family": row.family,
        "contracts": text(row.contracts),
        "entry_contracts": text(row.entry_contracts),
        "entry_price": text(row.entry_price),
        "entry_time": iso(row.entry_time),
        "trigger": text(row.trigger),
        "stop": text(row.stop),
        "target": text(row.target),
        "liquidation": text(row.liquidation),
        "leverage": text(row.leverage),
        "tier": row.tier,
        "margin": rounded(row.margin, 2),
        "price": text(row.price),
        "price_at": iso(row.price_at),
        "unrealised": rounded(position.unrealised, 2),
        "net": rounded(position.net, 2),
        "r": rounded(position.r, 2),
        "to_stop_r": rounded(position.to_stop_r, 2),
        "to_target_r": rounded(position.to_target_r, 2),
        "at_risk": rounded(position.at_risk, 2),
        "path": position.path,
        "contradicted": row.contradicted,
        "continuity": _agreeing(row.continuity),
    }


def _agreeing(reading: dict[str, Any] | None) -> Agreeing | None:
    if reading is None:
        return None
    agree, frames = reading["agree"], reading["frames"]
    return {"score": f"{len(agree)}/{len(frames)}", "agree": list(agree), "frames": list(frames)}


def _path(row: Row[Any], price: Decimal) -> Path | None:
    span = row.target - row.stop
    if not span:
        return None

    def place(level: Decimal) -> float:
        return round(float(min(max((level - row.stop) / span * 100, Decimal(0)), Decimal(100))), 1)

    return {"entry": place(row.entry_price), "price": place(price)}
