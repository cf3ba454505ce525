"""What becomes of a signal's levels where another product is traded: times the ratio, on its tick (trading.md).

Stop and target are translated by the judgement itself (`atlas.risk.judge`); here are the other two, and the record.
"""

from decimal import Decimal

from atlas.market.product import Product
from atlas.money.book import SignalSource
from atlas.money.rounding import stop_on_tick, trigger_on_tick
from atlas.strat.setup import Setup


def invalidation(setup: Setup, product: Product, ratio: Decimal | None) -> Decimal:
    """Return the price whose break invalidates a position: raw, or translated and rounded away from the entry."""
    if ratio is None:
        return setup.opposite_level
    return stop_on_tick(setup.opposite_level * ratio, setup.side, product.tick)


def signal_source(setup: Setup, price: Decimal, product: Product, ratio: Decimal | None) -> SignalSource | None:
    """Return what a position keeps of its signal, taken by a trade at `price`; None where both are one product."""
    if ratio is None:
        return None
    return SignalSource(
        symbol=setup.symbol,
        price=price,
        ratio=ratio,
        trigger=setup.trigger,
        stop=setup.stop,
        target=setup.target,
        invalidation=setup.opposite_level,
        translated_trigger=trigger_on_tick(setup.trigger * ratio, setup.side, product.tick),
    )
