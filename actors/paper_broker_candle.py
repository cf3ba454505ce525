"""What a candle cannot tell: whether stop or target came first, where both lie in what it has still to trade.

Then the stop is taken (strat.md 6): until the candle ends the limit orders of that position wait, and the fill of what
costs is marked `ambiguous`. What the candle's open reaches is certain: it came first.
"""

from collections.abc import Mapping
from datetime import datetime

from actors.messages import Traded
from actors.paper_broker_prices import reached
from actors.paper_broker_state import Holding
from atlas.market.guess import Guess
from atlas.money.book import Order
from atlas.money.margin import is_liquidated

COSTLY = ("stop", "liquidated")
"""The exits that a doubt is decided for."""


def doubt_before(
    holding: Holding, orders: Mapping[str, Order], position_id: str, message: Traded, *, touch: bool
) -> None:
    """A point inside a candle comes: note whether what is left of the candle, it included, leaves a doubt."""
    if message.guess is not None and not message.guess.certain:
        _look(holding, orders, position_id, message.guess, message.tick.time, touch)


def doubt_after(
    holding: Holding, orders: Mapping[str, Order], position_id: str, message: Traded, *, touch: bool
) -> None:
    """A candle's open has been taken: note whether the rest of the candle leaves a doubt."""
    if message.guess is not None and message.guess.certain:
        _look(holding, orders, position_id, message.guess, message.tick.time, touch)


def in_doubt(holding: Holding, at: datetime) -> bool:
    """Whether `at` lies in a candle that leaves a doubt: limits wait."""
    return holding.doubt is not None and at < holding.doubt


def _look(
    holding: Holding, orders: Mapping[str, Order], position_id: str, guess: Guess, at: datetime, touch: bool
) -> None:
    if in_doubt(holding, at):
        return
    worst, best = (guess.low, guess.high) if holding.side == "long" else (guess.high, guess.low)
    exits = [order for order in orders.values() if order.position_id == position_id and order.due is None]
    costly = is_liquidated(holding.side, worst, holding.liquidation) or any(
        order.kind == "stop" and reached(order, worst) for order in exits
    )
    gainful = any(order.kind == "limit" and reached(order, best, touch=touch) for order in exits)
    holding.doubt = guess.until if costly and gainful else None
