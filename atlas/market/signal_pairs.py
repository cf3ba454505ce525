"""Pairs of products of which one gives the signals and the other is traded: what must hold of both (lesson 53)."""

from collections.abc import Mapping

from atlas.errors import ConfigurationError
from atlas.market.product import Product


def verify(pairs: Mapping[str, str], products: Mapping[str, Product]) -> None:
    """Make sure that both products of each pair (executed → signal) are listed and of one underlying.

    Raises ConfigurationError, naming both: levels of one asset are no levels of another, whatever their ratio.
    """
    for executed, signal in pairs.items():
        missing = [name for name in (executed, signal) if name not in products]
        if missing:
            raise ConfigurationError(
                f"exchange.signal_products: {executed} = {signal}: {' and '.join(missing)} "
                "is not listed by the exchange: correct the line, or take it out"
            )
        traded, read = products[executed].underlying, products[signal].underlying
        if traded != read:
            raise ConfigurationError(
                f"exchange.signal_products: {executed} is of {traded}, {signal} of {read}: take signals from a product "
                f"of {traded}"
            )
