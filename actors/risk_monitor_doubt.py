"""A bar is contradicted by the exchange's own candle: what was entered on it, or is about to be.

An open position is flagged, and the owner told, once; its stop and target go on. An entry that is not filled yet is
called back and ends as `data_unverified`.
"""

from collections.abc import Iterator
from datetime import datetime

from actors.messages import BarContradicted, CancelOrder, PositionDoubted
from actors.risk_monitor_orders import rejected
from actors.risk_monitor_state import RiskState
from actors.runtime.behaviour import Effect, Send
from atlas.market.bar import Bar


def contradicted(state: RiskState, now: datetime, message: BarContradicted) -> Iterator[Effect]:
    """Flag every open position, and call back every entry, whose setup was read from the bar, or that it was."""
    said = _said(message)
    for managed in state.positions.values():
        position = managed.position
        symbol = position.symbol if position.signal is None else position.signal.symbol
        if symbol == message.symbol and _rests_on(
            message, position.timeframe, position.setup, position.setup_time, position.entry_bar_end
        ):
            text = f"{position.symbol} {position.setup} {position.side} was entered on a bar that was not so: {said}"
            told = PositionDoubted(
                position.id, position.symbol, now, position.timeframe, message.theirs.open_time,
                f"{text}. Its stop and target go on; close it if that is no trade of yours",
            )  # fmt: skip
            yield Send("journal", told)
    for order_id, entering in list(state.entering.items()):
        setup = entering.trigger.setup
        if setup.symbol == message.symbol and _rests_on(
            message, setup.timeframe, setup.name, setup.setup_time, setup.valid_until
        ):
            del state.entering[order_id]
            yield Send("journal", rejected(entering.trigger, now, "data_unverified", said, "bars as the exchange has"))
            if not entering.after:
                yield Send("paper_broker", CancelOrder(order_id))


def _rests_on(
    message: BarContradicted, timeframe: str, name: str, setup_time: datetime, entry_bar_end: datetime
) -> bool:
    """Whether the bar is the entry bar, or one of those the name tells, or the one before that types the first."""
    bar = message.theirs
    if bar.timeframe != timeframe:
        return False
    if bar.close_time == entry_bar_end:
        return True
    later = (bar.open_time, *message.following)
    return setup_time in later and later.index(setup_time) < len(name.split("-"))


def _said(message: BarContradicted) -> str:
    bar = message.theirs
    ours = "no trade" if message.ours is None else _prices(message.ours)
    return (
        f"the {bar.timeframe} bar of {message.symbol} at {bar.open_time:%Y-%m-%d %H:%M} UTC is {_prices(bar)} by the "
        f"exchange, ATLAS saw {ours}"
    )


def _prices(bar: Bar) -> str:
    return f"{bar.open} {bar.high} {bar.low} {bar.close}"
