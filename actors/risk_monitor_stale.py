"""No price for a product in which a position is open: nobody sees its stop, so the owner is told (lesson 69).

A connection that is silent as a whole is the feed's business; here one product is silent while market time goes on and
its session is open. Breaks do not count, and after an outage of the feed the silence counts anew.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from actors.messages import Alert, ReadListing
from actors.risk_monitor_state import RiskState
from actors.runtime.behaviour import Send
from atlas.market.product import Product
from atlas.market.sessions import INSTANT, breaks, is_open
from atlas.rules import Rules

KIND = "stale_price"


def watch(state: RiskState, rules: Rules, now: datetime) -> Iterator[Send]:
    """Market time has moved: tell of every product held that has been silent too long, once for each silence."""
    held = {managed.position.symbol for managed in state.positions.values()}
    state.seen = {symbol: state.seen.get(symbol, now) for symbol in sorted(held)}
    state.silent = [symbol for symbol in state.silent if symbol in held]
    limit = timedelta(seconds=rules.alerts.stale_price_seconds)
    for symbol, seen in state.seen.items():
        product = state.products.get(symbol)
        if symbol in state.silent or now - seen <= limit or product is None:
            continue
        if not is_open(product, now):
            state.seen[symbol] = now
        elif now - (since := _since(product, seen, now)) > limit:
            state.silent.append(symbol)
            minutes = int((now - since).total_seconds() / 60)
            text = f"{symbol} has had no trade for {minutes} min while a position in it is open: its stop sees no price"
            yield Send("journal", Alert(KIND, f"{symbol}:{seen:%Y%m%dT%H%M%S}", now, text, True))
            yield Send("history", ReadListing())  # it may say why: the product is paused, or gone


def heard(state: RiskState, symbol: str, now: datetime) -> Iterator[Send]:
    """A trade of a product held: its silence is over."""
    state.seen[symbol] = now
    if symbol in state.silent:
        state.silent.remove(symbol)
        yield Send("journal", Alert(KIND, f"{symbol}:{now:%Y%m%dT%H%M%S}:over", now, f"{symbol} trades again"))


def _since(product: Product, seen: datetime, now: datetime) -> datetime:
    """Since when trades could have come: the last one, or the end of the last break after it."""
    return max([seen, *(ends for _, ends in breaks(product, seen, now + INSTANT) if ends <= now)])
