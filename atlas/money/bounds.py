"""What an entry is held against at its price: between stop and target, worth its risk, its entry bar not a 3.

The gates look at the trade that took the trigger, the broker once more at the trade that fills the entry (lesson 90):
by its latency, or behind the exit of a flip, it may meet quite another price.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from atlas.money.rounding import shown
from atlas.strat.setup import Side

Measured = tuple[bool, str, str]
"""Whether a gate passes; what it found; what it wants."""


class EntryBounds(msgspec.Struct, frozen=True):
    """The levels an entry must fill between, on the executed product's tick.

    `invalidation` is the price whose break makes the entry bar a 3. `min_reward_risk` is None where its gate is off.
    """

    side: Side
    stop: Decimal
    target: Decimal
    invalidation: Decimal
    min_reward_risk: Decimal | None = None


def past_stop(side: Side, price: Decimal, stop: Decimal) -> Measured:
    """Measure `price_past_stop`: at the stop is past it."""
    passed = price > stop if side == "long" else price < stop
    return passed, str(price), f"{'above' if side == 'long' else 'below'} the stop {stop}"


def past_target(side: Side, price: Decimal, target: Decimal) -> Measured:
    """Measure `price_past_target`: at the target is past it."""
    passed = price < target if side == "long" else price > target
    return passed, str(price), f"{'below' if side == 'long' else 'above'} the target {target}"


def reward_risk(price: Decimal, stop: Decimal, target: Decimal, least: Decimal) -> Measured:
    """Measure `reward_risk`: |target − price| ÷ |price − stop|."""
    found = abs(target - price) / abs(price - stop)
    return found >= least, shown(found, 4, "down"), f"≥ {shown(least, 4, 'up')}"


def is_invalidated(side: Side, price: Decimal, invalidation: Decimal) -> bool:
    """Return whether a trade of the entry bar makes it a 3: strictly beyond the other side of its setup bar."""
    return price < invalidation if side == "long" else price > invalidation


def bar_is_no_3(bounds: EntryBounds, price: Decimal) -> Measured:
    """Measure whether a late entry's bar still is what was to be traded; one that is not any more is `missed`."""
    found = f"{price}, before the entry was filled"
    passed = not is_invalidated(bounds.side, price, bounds.invalidation)
    return passed, found, f"an entry bar that has not become a 3 beyond {bounds.invalidation}"


def refused_at(bounds: EntryBounds, reference: Decimal, fill: Decimal) -> tuple[str, str, str] | None:
    """Return the gate that refuses an entry at its fill, with value and threshold; None if it may be made.

    `reference` is the price of the trade that fills it, which the gates measure. `fill` is what it would get: in an
    order book that may be better than the trade, and then nearer to the stop.
    """
    nearer = min(reference, fill) if bounds.side == "long" else max(reference, fill)
    for gate, (passed, value, threshold) in _measured(bounds, reference, nearer):
        if not passed:
            return gate, value, threshold
    return None


def _measured(bounds: EntryBounds, reference: Decimal, nearer: Decimal) -> Iterator[tuple[str, Measured]]:
    yield "price_past_stop", past_stop(bounds.side, nearer, bounds.stop)
    yield "price_past_target", past_target(bounds.side, reference, bounds.target)
    yield "missed", bar_is_no_3(bounds, reference)
    if bounds.min_reward_risk is not None:
        yield "reward_risk", reward_risk(reference, bounds.stop, bounds.target, bounds.min_reward_risk)
