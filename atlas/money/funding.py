"""Funding of perpetual-style futures, every full hour a position is open (trading.md, Account; lesson 96)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from atlas.market.product import Product
from atlas.market.sessions import inside_break
from atlas.money.fees import notional
from atlas.money.rounding import fixed
from atlas.rules import MarginRules
from atlas.strat.setup import Side

HOUR = timedelta(hours=1)
HOURS_A_YEAR = 8760


def hours_crossed(after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the full hours later than `after` and not later than `until`, UTC.

    A position opened exactly on the hour does not owe it; one closed exactly on the hour does.
    """
    hour = after.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    while hour <= until:
        yield hour
        hour += HOUR


def is_due(product: Product, hour: datetime) -> bool:
    """Return whether funding is due at this full hour: never on spot, nor after an hour wholly inside a break."""
    return product.kind == "future" and not inside_break(product, hour - HOUR, hour)


def hours_due(product: Product, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the full hours crossed at which funding is due."""
    return (hour for hour in hours_crossed(after, until) if is_due(product, hour))


def hourly_rate(product: Product, rules: MarginRules) -> Decimal:
    """Return the funding rate of one hour as a share of notional: the listing's, else 10 % a year ÷ 8760."""
    if product.funding_rate is not None:
        return product.funding_rate
    return rules.default_funding_yearly / HOURS_A_YEAR


def funding(side: Side, contracts: Decimal, product: Product, mark: Decimal, rate: Decimal) -> Decimal:
    """Return one hour's funding in USD: contracts × size × mark × rate; above 0 is paid, below 0 received.

    `mark` is the last trade at or before the hour. Longs pay when the rate is positive, shorts when it is negative.
    """
    owed = notional(mark, contracts, product.contract_size) * rate
    return fixed(owed if side == "long" else -owed)
