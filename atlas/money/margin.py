"""Leverage, margin, liquidation, and the test at the deadline of an intraday window (trading.md).

Margin is isolated per position, which is stricter than the venue's account-level margin.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from atlas.errors import InternalError, UnknownProduct
from atlas.market.product import Product
from atlas.money.book import Position
from atlas.money.fees import notional
from atlas.money.rounding import fixed
from atlas.money.windows import Tier
from atlas.rules import MarginRules
from atlas.strat.setup import Side

_ONE = Decimal(1)


def leverage(product: Product, side: Side, tier: Tier) -> Decimal:
    """Return 1 ÷ the initial margin rate of this side and tier, never below 1 (lesson 74); spot is 1.

    Held at eight decimals, so that a rate written as 1 ÷ 4.1 gives 4.1 back. Raises UnknownProduct when the listing
    has no usable rates: there is no default leverage (lesson 56).
    """
    if product.kind == "spot":
        return Decimal(1)
    if product.margin is None:
        raise UnknownProduct(
            f"{product.id} has no margin rates: read it from the exchange's product listing before trading it"
        )
    rate: Decimal = getattr(product.margin, f"{tier}_{side}")
    if rate <= 0:
        raise UnknownProduct(f"{product.id} lists a {tier} {side} margin rate of {rate}: it must be above 0")
    return max(fixed(1 / rate), Decimal(1))


def initial_margin(value: Decimal, at_leverage: Decimal) -> Decimal:
    """Return notional ÷ leverage in USD; a leverage below 1 counts as 1 (lesson 74)."""
    return fixed(value / max(at_leverage, _ONE))


def maintenance_rate(product: Product, rules: MarginRules) -> Decimal:
    """Return the maintenance margin as a share of notional."""
    return rules.maintenance_by_underlying.get(product.underlying, rules.maintenance)


def liquidation_price(side: Side, entry: Decimal, at_leverage: Decimal, maintenance: Decimal) -> Decimal | None:
    """Return the price at which the maintenance margin is gone; None when no price takes it (a long without leverage).

    Long: entry × (1 − 1/L) ÷ (1 − m); short: entry × (1 + 1/L) ÷ (1 + m). L is the leverage margin is reserved at now,
    so that re-margining moves the price.
    """
    share = 1 / max(at_leverage, _ONE)
    if side == "short":
        return fixed(entry * (1 + share) / (1 + maintenance))
    price = fixed(entry * (1 - share) / (1 - maintenance))
    return price if price > 0 else None


def is_liquidated(side: Side, price: Decimal, liquidation: Decimal | None) -> bool:
    """Return whether a trade at `price` is at or beyond the liquidation price."""
    if liquidation is None:
        return False
    return price <= liquidation if side == "long" else price >= liquidation


def margin_at(position: Position, product: Product, tier: Tier) -> Decimal:
    """Return the margin the open contracts need at a tier's rates, on their entry notional, USD."""
    value = notional(position.entry_price, position.contracts, position.contract_size)
    return initial_margin(value, leverage(product, position.side, tier))


def closed_at_deadline(
    positions: Iterable[Position], products: Mapping[str, Product], available: Decimal
) -> tuple[Position, ...]:
    """Return the intraday positions whose added overnight margin does not fit, in the order of opening.

    Each that fits uses up its part of `available` (USD); each that does not is to be closed whole as `deadline`. What
    closing will set free is not counted: its price is not known yet. Raises InternalError when a product is missing.
    """
    doomed: list[Position] = []
    for position in sorted(positions, key=lambda p: (p.entry_time, p.id)):
        if position.tier != "intraday" or not position.is_open:
            continue
        if position.symbol not in products:
            raise InternalError(f"the open position {position.id} has no product {position.symbol}: list it again")
        added = max(margin_at(position, products[position.symbol], "overnight") - position.margin, Decimal(0))
        if added > available:
            doomed.append(position)
        else:
            available -= added
    return tuple(doomed)
