"""One reading of the exchange's listing, product by product, and what the owner is told of it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import msgspec

from actors.messages import Alert
from atlas.errors import UnknownProduct
from atlas.market.listing_changes import changes, expiry_warning
from atlas.market.product import Product

GONE = "the exchange does not list it, or lists it without a field ATLAS needs"


class Listing(msgspec.Struct):
    """The products on their way, and the exchange's clock before the first was asked for.

    `refused` is product → why it could not be read. `wished`: out of turn, because of a doubt.
    """

    as_of: datetime | None = None
    products: tuple[Product, ...] = ()
    refused: dict[str, str] = {}
    failures: int = 0
    wished: bool = False

    @property
    def asked(self) -> int:
        """How many products have been asked for."""
        return len(self.products) + len(self.refused)

    def found(self, known: Mapping[str, Product]) -> tuple[Product, ...]:
        """Return the products to go on with: one refused now is suspended as it was known, else it is left out."""
        gone = [
            msgspec.structs.replace(known[id_], suspended=GONE, as_of=self.as_of)
            for id_ in self.refused
            if id_ in known
        ]
        return (*self.products, *gone)


def read_one(listing: Listing, product_id: str, ask: Callable[[str], Product]) -> None:
    """Ask for one product and note what came of it. Raises AtlasError, but not UnknownProduct."""
    try:
        product = ask(product_id)
    except UnknownProduct as error:
        listing.refused[product_id] = str(error)
    else:
        listing.products = (*listing.products, msgspec.structs.replace(product, as_of=listing.as_of))


def news(
    listing: Listing,
    products: tuple[Product, ...],
    known: Mapping[str, Product],
    now: datetime,
    expiry_days: int,
) -> Iterator[Alert]:
    """Yield what a finished reading tells the owner; `now` is wall time, `known` the reading before.

    Names make an expiry and a refusal one alert a day, also across restarts.
    """
    as_of = listing.as_of or now
    for product_id, why in listing.refused.items():
        text = f"{product_id} is not to be had: {why}"
        yield Alert("listing", f"{product_id}:refused:{as_of:%Y%m%d}", now, text, True)
    for product in products:
        if (before := known.get(product.id)) is not None:
            for place, change in enumerate(changes(before, product)):
                name = f"{product.id}:{as_of:%Y%m%dT%H%M%S}:{place}"
                yield Alert("listing", name, now, change.text, change.critical)
        if (soon := expiry_warning(product, as_of, expiry_days)) is not None:
            yield Alert("expiry", f"{product.id}:{as_of:%Y%m%d}", now, soon)
