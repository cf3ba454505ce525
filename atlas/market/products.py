"""The products ATLAS knows without a listing, dated and sourced; whatever else is unknown is refused.

Contract sizes, ticks and leverage: trading.md "Products". BIP is confirmed by a recorded public listing of 2026-04-07
(0.01 BTC, tick 5, at most 5000 contracts an order, rates 0.1000 intraday, 0.2456 long and 0.3064 short overnight); ETP
by a listing of 2026-08-20 (0.1 ETH, tick 0.5). Spot: BTC-USD by a listing of 2026-04-07 (tick 0.01, base increment
1e-8, at most 3400), ETH-USD and SOL-USD by the exchange's product list of 2025-08-27 (tick 0.01, base increment 1e-8).
The largest order of the others is taken to be that of the confirmed one of its kind: it can only make a position
smaller. Margin rates move: a listing overrides every number here, and `atlas doctor` compares the two.
"""

import re
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from atlas.errors import ConfigurationError, UnknownProduct
from atlas.market.product import MarginRates, Product

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_CONTRACT_ID = re.compile(r"[A-Z]{2,4}-(\d{2})([A-Z]{3})(\d{2})-CDE")
_LONDON = ZoneInfo("Europe/London")


class KnownProduct(msgspec.Struct, frozen=True):
    """One row of the table. `tick` None: to be read from a listing. Leverage is 1 ÷ initial margin rate."""

    id: str
    underlying: str
    contract_size: Decimal
    tick: Decimal | None
    intraday: Decimal = Decimal(1)
    overnight_long: Decimal = Decimal(1)
    overnight_short: Decimal = Decimal(1)

    @property
    def kind(self) -> Literal["spot", "future"]:
        """Spot pairs are quoted in USD; contracts end in the exchange's name."""
        return "future" if self.id.endswith("-CDE") else "spot"


def _contract(name: str, size: str, unit: str, tick: str | None, intraday: str, long: str, short: str) -> KnownProduct:
    return KnownProduct(
        id=name,
        underlying=unit,
        contract_size=Decimal(size),
        tick=None if tick is None else Decimal(tick),
        intraday=Decimal(intraday),
        overnight_long=Decimal(long),
        overnight_short=Decimal(short),
    )


def _spot(name: str, unit: str) -> KnownProduct:
    return KnownProduct(name, unit, Decimal(1), Decimal("0.01"))


KNOWN: dict[str, KnownProduct] = {
    row.id: row
    for row in (
        _contract("BIP-20DEC30-CDE", "0.01", "BTC", "5", "10", "4.1", "3.3"),
        _contract("ETP-20DEC30-CDE", "0.1", "ETH", "0.5", "10", "4.0", "4.0"),
        _contract("SLP-20DEC30-CDE", "5", "SOL", None, "5", "2.7", "2.7"),
        _contract("XPP-20DEC30-CDE", "500", "XRP", None, "5", "2.6", "2.6"),
        _contract("ADP-20DEC30-CDE", "1000", "ADA", None, "5", "3.4", "3.4"),
        _spot("BTC-USD", "BTC"),
        _spot("ETH-USD", "ETH"),
        _spot("SOL-USD", "SOL"),
    )
}
"""Product id → row, in the order of trading.md."""


def expiry_of(product_id: str) -> datetime:
    """Return when a CDE contract expires, UTC: `20DEC30` is 20 December 2030, at 16:00 in London (lesson 57).

    Day, month, year, as in the recorded listing (contract_expiry 2030-12-20T16:00:00Z, timezone Europe/London). Raises
    UnknownProduct when the id has another form.
    """
    found = _CONTRACT_ID.fullmatch(product_id)
    if found is None or found[2] not in _MONTHS:
        raise UnknownProduct(
            f"{product_id!r} has no expiry of the form 20DEC30: copy the id from the exchange's product listing, "
            "e.g. BIP-20DEC30-CDE"
        )
    try:
        day = datetime(2000 + int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]), tzinfo=_LONDON).date()
    except ValueError as error:
        raise UnknownProduct(f"{product_id!r} names a day that does not exist: {error}") from error
    return datetime.combine(day, time(16), _LONDON).astimezone(UTC)


def built_in(product_id: str, tick: Decimal | None = None) -> Product:
    """Return a product from the table, for use without a listing.

    `tick` stands in where the table has none, or for a file on another tick; the product is then marked
    `tick_assumed`. Raises UnknownProduct for a product that is not in the table, or one whose tick must be read live
    and is not given; ConfigurationError for a tick that is not positive.
    """
    row = KNOWN.get(product_id)
    if row is None:
        raise UnknownProduct(
            f"{product_id!r} is not known without a listing: connect to the exchange, or use one of {', '.join(KNOWN)}"
        )
    if tick is not None and not (tick.is_finite() and tick > 0):
        raise ConfigurationError(f"a tick of {tick} for {product_id} is not above 0: give the price increment")
    known_tick = row.tick if tick is None else tick
    if known_tick is None:
        raise UnknownProduct(
            f"the tick of {product_id} is only known from the exchange's listing: connect to it, or give --tick"
        )
    future = row.kind == "future"
    step = Decimal(1) if future else Decimal("0.00000001")
    return Product(
        id=row.id,
        kind=row.kind,
        underlying=row.underlying,
        tick=known_tick,
        contract_size=row.contract_size,
        size_increment=step,
        min_size=step,
        max_size=Decimal(5000) if future else Decimal(3400),
        margin=_rates(row) if future else None,
        expiry=expiry_of(row.id) if future else None,
        tick_assumed=tick is not None and tick != row.tick,
    )


def _rates(row: KnownProduct) -> MarginRates:
    return MarginRates(
        intraday_long=1 / row.intraday,
        intraday_short=1 / row.intraday,
        overnight_long=1 / row.overnight_long,
        overnight_short=1 / row.overnight_short,
    )
