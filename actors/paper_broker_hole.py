"""A hole in the feed as the broker sees it: what is told again has no quotes, and some of it nobody tells.

Until the feed trades the product again no hour is funded: its mark, or an exit before it, may still be told. A fill of
then is marked, as is every later one of a position that was open while some of its product's trades stayed unknown: in
an undisturbed run it might have been another.
"""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from actors.messages import Traded
from actors.paper_broker_state import BrokerState, Hole

INSTANT = timedelta(microseconds=1)
"""A trade stamped exactly on the hour counts for its mark: what comes before a trade ends so long before it."""


def begin(state: BrokerState, symbol: str) -> None:
    """Trades may be lost from here on. A hole within a hole is one."""
    if symbol not in state.holes or state.holes[symbol].told:
        state.holes[symbol] = _hole(state, symbol)


def begin_told(state: BrokerState, symbols: Iterable[str]) -> None:
    """A start is a hole of which candles tell: only what the subscription replays has no quotes."""
    state.holes |= {symbol: msgspec.structs.replace(_hole(state, symbol), told=True) for symbol in symbols}


def may_be_told(state: BrokerState, symbol: str) -> bool:
    """Whether trades of before may still be told, by the subscription or REST."""
    return symbol in state.holes and not state.holes[symbol].told


def cross(state: BrokerState, message: Traded) -> None:
    """See whether a trade follows the last one known; if not, what is open in the product has missed some."""
    hole, number = state.holes[message.symbol], message.tick.trade_id
    if hole.known is not None and number <= hole.known:
        return
    if not hole.told and (hole.known is None or number != hole.known + 1):
        for holding in state.holdings.values():
            holding.after_hole |= holding.symbol == message.symbol
    state.holes[message.symbol] = msgspec.structs.replace(hole, known=number)


def end(state: BrokerState, message: Traded) -> None:
    """The feed trades the product again, with quotes if it had any before."""
    hole = state.holes[message.symbol]
    if message.source == "feed" and (message.tick.bid is not None or not hole.quoted):
        del state.holes[message.symbol]


def _hole(state: BrokerState, symbol: str) -> Hole:
    last = state.last.get(symbol)
    return Hole(None if last is None else last.trade_id, last is not None and last.bid is not None)
