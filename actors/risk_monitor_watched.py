"""Which products REST is to be asked for while the feed is down, or up without them: those with an open position.

Asked for when the feed goes down and whenever a position is closed meanwhile; called off when it is back.
"""

from collections.abc import Iterator

from actors.messages import WatchPrices
from actors.risk_monitor_state import RiskState
from actors.runtime.behaviour import Send

TO = "rest_prices"


def prices(state: RiskState) -> Iterator[Send]:
    """Say which products are watched from now on, if that may have changed."""
    held = {managed.position.symbol for managed in state.positions.values()}
    if state.feed_up:
        held.intersection_update(state.without)
    if held or state.watching:
        state.watching = bool(held)
        yield Send(TO, WatchPrices({symbol: state.last_at.get(symbol) for symbol in sorted(held)}))
