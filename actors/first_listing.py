"""The products a daemon begins with: as the exchange lists them now, or as it did not long ago.

Without REST there are no candles, so nothing is entered (`data_unverified`). But the feed may well be up, and what is
open is better looked after by yesterday's listing than by nobody.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from atlas.errors import ExchangeError
from atlas.market.product import Product

Cached = Mapping[str, tuple[Product, datetime]]
"""Product id → the product as last listed, and when that was read, wall time."""


class ListedBy(Protocol):
    """What is needed of `atlas.exchange.rest.Rest`."""

    def time(self) -> datetime:
        """Return the exchange's clock. Raises ExchangeError."""

    def products(self, product_ids: Iterable[str]) -> tuple[Product, ...]:
        """Return these products. Raises ExchangeError, UnknownProduct."""


class FirstListing(msgspec.Struct, frozen=True):
    """The products, and the exchange's clock when they were read: None where they are from the cache.

    `before` are the products as an earlier run had them; `why` says why REST was not to be had.
    """

    products: tuple[Product, ...]
    at: datetime | None
    before: dict[str, Product]
    why: str = ""


def first_listing(
    rest: ListedBy, product_ids: Iterable[str], cached: Callable[[], Cached], now: datetime, days: float
) -> FirstListing:
    """Read the listing; where REST is out of reach take a cached one that is at most `days` old at `now`.

    Raises ExchangeError where neither is to be had, UnknownProduct for a product the exchange refuses.
    """
    wanted = tuple(product_ids)
    kept = cached()
    before = {id_: product for id_, (product, _) in kept.items()}
    try:
        at = rest.time()
        listed = tuple(msgspec.structs.replace(product, as_of=at) for product in rest.products(wanted))
        return FirstListing(listed, at, before)
    except ExchangeError as error:
        unknown = [id_ for id_ in wanted if id_ not in kept]
        if unknown:
            raise ExchangeError(f"{error}; no listing of {', '.join(unknown)} was ever kept to begin with") from error
        oldest = min(kept[id_][1] for id_ in wanted)
        if now - oldest > timedelta(days=days):
            age = f"of {oldest:%Y-%m-%d %H:%M} UTC, older than exchange.listing_days = {days:g}"
            raise ExchangeError(f"{error}; the listing kept is {age}") from error
        return FirstListing(tuple(before[id_] for id_ in wanted), None, before, str(error))
