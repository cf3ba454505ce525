"""A closed position as metrics take it: what came of it in USD and in R."""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.errors import InternalError
from atlas.money.book import Position
from atlas.money.profit import best_profit, mae_r, mfe_r, r_multiple


class Closed(msgspec.Struct, frozen=True, gc=False):
    """What metrics need of a closed position. USD, `best_profit` at the best price it saw; in R None without an R."""

    id: str
    entry_time: datetime
    exit_time: datetime
    gross: Decimal
    fees: Decimal
    funding: Decimal
    slippage: Decimal
    net: Decimal
    r: Decimal | None
    mae_r: Decimal | None
    mfe_r: Decimal | None
    best_profit: Decimal


def closed_at(position: Position) -> datetime:
    """Return when it was closed. Raises InternalError when it is open."""
    if position.exit_time is None or position.is_open:
        raise InternalError(f"position {position.id} is still open: metrics are over closed positions only")
    return position.exit_time


def closed(position: Position) -> Closed:
    """Return what metrics need of a position. Raises InternalError when it is open."""
    return Closed(
        id=position.id,
        entry_time=position.entry_time,
        exit_time=closed_at(position),
        gross=position.gross,
        fees=position.fees,
        funding=position.funding,
        slippage=position.slippage,
        net=position.net,
        r=r_multiple(position),
        mae_r=mae_r(position),
        mfe_r=mfe_r(position),
        best_profit=best_profit(position),
    )
