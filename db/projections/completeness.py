"""What is known of the bars: the exchange's own candle equal or different, holes and their repair."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from actors.messages import BarConfirmed, BarContradicted, HoleFound, HoleRepaired
from db.models import CandleRow, HoleRow
from db.projections.row import Row, columns, here

_this_bar = (here(CandleRow.symbol), here(CandleRow.timeframe), here(CandleRow.open_time))
_confirmed = (
    update(CandleRow)
    .where(*_this_bar, CandleRow.confirmed_at.is_(None))
    .values(confirmed_at=bindparam("confirmed_at"))
)
_contradicted = (
    update(CandleRow)
    .where(*_this_bar)
    .values(contradicted_at=bindparam("contradicted_at"), confirmed_at=None, verified=False)
)
_hole = insert(HoleRow).on_conflict_do_nothing()
_whole = (
    update(HoleRow)
    .where(here(HoleRow.symbol), HoleRow.repaired_at.is_(None))
    .values(repaired_at=bindparam("repaired_at"))
)


def confirmed(account: str, event: BarConfirmed) -> list[Row]:
    """The exchange says the same of the bar, since then."""
    row = {**_bar(event.symbol, event.timeframe, event.open_time), "confirmed_at": event.at}
    return [Row(_confirmed, row, (_candles(event.symbol, event.timeframe),))]


def contradicted(account: str, event: BarContradicted) -> list[Row]:
    """The bar is not to be traded on until the exchange's has replaced it, which a BarClosed tells."""
    bar = event.theirs
    row = {**_bar(event.symbol, bar.timeframe, bar.open_time), "contradicted_at": event.at}
    return [Row(_contradicted, row, (_candles(event.symbol, bar.timeframe),))]


def hole_found(account: str, event: HoleFound) -> list[Row]:
    """A hole is a row."""
    return [Row(_hole, columns(event, "symbol", "at", "since", "reason") | {"repaired_at": None}, _holes(event.symbol))]


def hole_repaired(account: str, event: HoleRepaired) -> list[Row]:
    """Every hole of the product is repaired, also one that an earlier process has left."""
    return [Row(_whole, {"b_symbol": event.symbol, "repaired_at": event.at}, _holes(event.symbol))]


def _bar(symbol: str, timeframe: str, opened: datetime) -> dict[str, Any]:
    return {"b_symbol": symbol, "b_timeframe": timeframe, "b_open_time": opened}


def _candles(symbol: str, timeframe: str) -> str:
    return f"candles {symbol} {timeframe}"


def _holes(symbol: str) -> tuple[str, ...]:
    return (f"holes {symbol}",)
