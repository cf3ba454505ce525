"""A product as the exchange lists it. What is unknown is an error elsewhere, never a default (trading.md, Products)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec


class MarginRates(msgspec.Struct, frozen=True):
    """Initial margin as a share of notional, by window and side: 0.10 means leverage 10."""

    intraday_long: Decimal
    intraday_short: Decimal
    overnight_long: Decimal
    overnight_short: Decimal


class Product(msgspec.Struct, frozen=True):
    """One tradable product.

    `tick` is the price increment. `contract_size` is in units of `underlying`; 1 for spot. `size_increment` is the
    smallest step of an order: 1 contract for futures, the base increment for spot. `funding_rate` is per hour, None
    when the exchange gives none. `expiry` is None for spot. `session_open` is what the listing said at `as_of` (the
    exchange's clock; None: not read from a listing), `suspended` why trading is stopped, "" while it is not.
    `maintenance` is an announced window [start, end). `tick_assumed` marks a tick that is nobody's statement.
    """

    id: str
    kind: Literal["spot", "future"]
    underlying: str
    tick: Decimal
    contract_size: Decimal
    size_increment: Decimal
    min_size: Decimal
    max_size: Decimal
    margin: MarginRates | None = None
    funding_rate: Decimal | None = None
    expiry: datetime | None = None
    twenty_four_seven: bool = True
    session_open: bool = True
    maintenance: tuple[datetime, datetime] | None = None
    tick_assumed: bool = False
    suspended: str = ""
    as_of: datetime | None = None
