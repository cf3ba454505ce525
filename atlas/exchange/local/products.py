"""The products the local exchange can list, and what a synthetic market needs to know of them.

Sources: the five derivatives from the project's table of products (sizes, leverage) and, for BIP, the recorded listing
of 2026-04-07; increments of the spot products from the exchange's listing recorded on 2025-08-27. First prices are
round figures for the synthetic market, no statement on any day's price.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from atlas.errors import UnknownProduct
from atlas.exchange.local.step import Step


class Contract(Struct, frozen=True):
    """What a derivative adds: rates are initial margin per notional."""

    code: str
    size: Decimal
    """Units of the underlying in one contract."""
    group: str
    intraday_long: str
    intraday_short: str
    overnight_long: str
    overnight_short: str


class ListedProduct(Struct, frozen=True):
    """A product as this exchange lists it."""

    product_id: str
    kind: Literal["SPOT", "FUTURE"]
    underlying: str
    tick: Step
    lot: Step
    """The smallest size: a contract, or the base increment."""
    first_price: Decimal
    """Where a synthetic market starts."""
    volatility: float = 1.0
    """Of the underlying, relative to bitcoin's."""
    tick_assumed: bool = False
    """The venue's tick is not known to us; this one is a guess, and the listing says so."""
    contract: Contract | None = None

    def with_tick(self, tick: Decimal) -> "ListedProduct":
        """Return the product with a file's tick, which is known and not assumed."""
        return replace(self, tick=Step.of(tick), tick_assumed=False)


def listed(product_ids: Sequence[str]) -> list[ListedProduct]:
    """Return the products of these ids, in order. Raises UnknownProduct, naming those there are."""
    for product_id in product_ids:
        if product_id not in PRODUCTS:
            raise UnknownProduct(
                f"the local exchange has no product '{product_id}'; it can list {', '.join(sorted(PRODUCTS))}"
            )
    return [PRODUCTS[product_id] for product_id in product_ids]


def _future(
    code: str,
    underlying: str,
    size: str,
    tick: str,
    price: str,
    volatility: float,
    rates: str,
    *,
    assumed: bool = False,
) -> ListedProduct:
    contract = Contract(code, Decimal(size), f"nano {underlying} Perp", *rates.split())
    return ListedProduct(
        product_id=f"{code}-20DEC30-CDE", kind="FUTURE", underlying=underlying, tick=Step.of(Decimal(tick)),
        lot=Step(1, 0), first_price=Decimal(price), volatility=volatility, tick_assumed=assumed, contract=contract,
    )  # fmt: skip


def _spot(underlying: str, tick: str, lot: str, price: str, volatility: float) -> ListedProduct:
    return ListedProduct(
        product_id=f"{underlying}-USD", kind="SPOT", underlying=underlying, tick=Step.of(Decimal(tick)),
        lot=Step.of(Decimal(lot)), first_price=Decimal(price), volatility=volatility,
    )  # fmt: skip


# Rates: intraday long, intraday short, overnight long, overnight short. BIP's as recorded; the others are the inverse
# of the leverage in the project's table, both sides alike. The ticks of SLP, XPP and ADP are ASSUMED: no listing of
# them was recorded.
_FUTURES = (
    _future("BIP", "BTC", "0.01", "5", "68930", 1.0, "0.1000185 0.1000008 0.245625 0.306375"),
    _future("ETP", "ETH", "0.1", "0.5", "2150", 1.3, "0.1 0.1 0.25 0.25"),
    _future("SLP", "SOL", "5", "0.01", "138", 1.6, "0.2 0.2 0.37 0.37", assumed=True),
    _future("XPP", "XRP", "500", "0.0001", "2.1", 1.5, "0.2 0.2 0.385 0.385", assumed=True),
    _future("ADP", "ADA", "1000", "0.0001", "0.62", 1.7, "0.2 0.2 0.294 0.294", assumed=True),
)
_SPOT = (
    ("BTC", "0.01", "0.00000001", "68920", 1.0),
    ("ETH", "0.01", "0.00000001", "2149", 1.3),
    ("SOL", "0.01", "0.00000001", "138", 1.6),
    ("XRP", "0.0001", "0.000001", "2.1", 1.5),
    ("ADA", "0.0001", "0.00000001", "0.62", 1.7),
    ("DOGE", "0.00001", "0.1", "0.19", 1.8),
    ("AVAX", "0.01", "0.00000001", "24", 1.7),
    ("LINK", "0.001", "0.01", "15", 1.6),
    ("LTC", "0.01", "0.00000001", "88", 1.4),
    ("BCH", "0.01", "0.00000001", "430", 1.4),
    ("DOT", "0.001", "0.00000001", "4.2", 1.6),
    ("UNI", "0.001", "0.000001", "7.3", 1.8),
    ("AAVE", "0.01", "0.001", "210", 1.8),
    ("ATOM", "0.001", "0.01", "4.6", 1.6),
    ("XLM", "0.000001", "0.00000001", "0.27", 1.6),
    ("HBAR", "0.00001", "0.1", "0.18", 1.8),
    ("ETC", "0.01", "0.00000001", "19", 1.5),
    ("FIL", "0.001", "0.001", "2.6", 1.7),
    ("NEAR", "0.001", "0.001", "2.5", 1.8),
    ("APT", "0.01", "0.001", "4.8", 1.8),
    ("ARB", "0.0001", "0.01", "0.36", 1.9),
    ("OP", "0.001", "0.01", "0.68", 1.9),
    ("SUI", "0.0001", "0.1", "3.1", 1.9),
    ("INJ", "0.001", "0.01", "12", 1.9),
    ("CRV", "0.0001", "0.01", "0.66", 2.0),
    ("COMP", "0.01", "0.001", "43", 1.7),
    ("GRT", "0.0001", "0.01", "0.09", 1.8),
    ("ALGO", "0.0001", "0.1", "0.21", 1.7),
    ("XTZ", "0.001", "0.01", "0.68", 1.6),
    ("SNX", "0.001", "0.001", "0.66", 1.9),
    ("SUSHI", "0.0001", "0.01", "0.69", 1.9),
    ("YFI", "0.01", "0.000001", "5200", 1.6),
    ("BAT", "0.00001", "0.01", "0.15", 1.6),
    ("ZEC", "0.01", "0.00001", "42", 1.7),
)

PRODUCTS: dict[str, ListedProduct] = {
    product.product_id: product for product in (*_FUTURES, *(_spot(*row) for row in _SPOT))
}

DEFAULT_PRODUCTS = (*(product.product_id for product in _FUTURES), "BTC-USD", "ETH-USD", "SOL-USD")
"""What a synthetic market trades when not told otherwise."""


def canonical(product_id: str) -> str:
    """Return the id market data comes back under: `BTC-USDC` is an alias of `BTC-USD` (coinbase.md 0, fact 9)."""
    if product_id.endswith("-USDC") and product_id not in ("USDT-USDC", "EURC-USDC"):
        return product_id[:-1]
    return product_id
