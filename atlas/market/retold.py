"""Trades told by REST while the feed is down, and told again when it is back: each counts once.

`told` is, for each product, the newest trade REST has told of since the last live one: its time and number. The feed
replays recent trades on subscription, REST answers with the newest hundred, and an answer may come too late: whichever
tells a trade second tells nothing.
"""

from datetime import datetime

from atlas.market.bar import Tick

Told = dict[str, tuple[datetime, int]]


def is_news(
    told: Told, symbol: str, tick: Tick, source: str, *, last_at: datetime | None, feed_up: bool
) -> bool:
    """Return whether a trade is to be looked at, and remember it if it is REST's.

    `last_at` is the time of the product's last trade known. REST's last word may come when the feed is up again: it is
    then the feed's to tell. The first live trade later than what REST told of ends the memory.
    """
    newest, this = told.get(symbol), (tick.time, tick.trade_id)
    if source == "rest":
        if feed_up or (newest is not None and this <= newest):
            return False
        # Trades of one instant: those of the feed came in one frame, and are known; of REST's own each has its number.
        beyond = newest is not None and last_at == newest[0]
        if last_at is not None and (tick.time < last_at if beyond else tick.time <= last_at):
            return False
        told[symbol] = this
        return True
    if newest is None:
        return True
    if this <= newest:
        return False
    if source == "feed":
        del told[symbol]
    return True
