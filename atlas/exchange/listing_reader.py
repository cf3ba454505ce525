"""A product of the exchange's listing, read into a Product (coinbase.md 0.10, 2, 3).

What is missing is an error that names the field, never a default: a wrong contract size or tick costs money
(trading.md, Products).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from atlas.errors import DataError, UnknownProduct
from atlas.exchange.times import parse_time
from atlas.exchange.wire_values import number, sane
from atlas.market.product import MarginRates, Product

_KINDS: dict[str, Literal["spot", "future"]] = {"SPOT": "spot", "FUTURE": "future"}
_SUSPENDED = ("trading_disabled", "is_disabled", "cancel_only")


def read_product(listed: Mapping[str, Any]) -> Product:
    """Return the product of one JSON object of the listing.

    `tick` is `price_increment` (for futures `quote_increment` is not the tick). The hourly funding rate is the outer
    one of `future_product_details`, the one in `perpetual_details` is always empty. `suspended` names the flags by
    which the exchange has stopped trading.

    Raises:
        UnknownProduct: a needed field is missing or wrong; names product and field.
    """
    entry = _Entry(str(listed.get("product_id") or "without an id"), listed)
    named = entry.text("product_type")
    kind = _KINDS.get(named)
    if kind is None:
        raise entry.fault("product_type", named)
    return _spot(entry) if kind == "spot" else _future(entry)


class _Entry:
    """A JSON object of the listing, with the product's id for what is said of it."""

    def __init__(self, product_id: str, fields: Mapping[str, Any], path: str = "") -> None:
        self.product_id, self.fields, self.path = product_id, fields, path

    def fault(self, field: str, value: Any) -> UnknownProduct:
        return UnknownProduct(
            f"the exchange lists {self.product_id} with {self.path}{field} = {value!r}, so ATLAS cannot trade it: "
            f"take it out of exchange.products, or look at the exchange's listing"
        )

    def text(self, field: str) -> str:
        value = self.fields.get(field)
        if not isinstance(value, str) or not value:
            raise self.fault(field, value)
        return value

    def positive(self, field: str) -> Decimal:
        text = self.text(field)
        try:
            return sane(number(text, field), field)
        except DataError as error:
            raise self.fault(field, text) from error

    def flag(self, field: str) -> bool:
        value = self.fields.get(field)
        if not isinstance(value, bool):
            raise self.fault(field, value)
        return value

    def time(self, field: str) -> datetime:
        text = self.text(field)
        try:
            return parse_time(text)
        except DataError as error:
            raise self.fault(field, text) from error

    def inner(self, field: str) -> "_Entry":
        value = self.fields.get(field)
        if not isinstance(value, Mapping):
            raise self.fault(field, value)
        return _Entry(self.product_id, value, f"{self.path}{field}.")

    def has(self, field: str) -> bool:
        return self.fields.get(field) not in (None, "", {})


def _spot(entry: _Entry) -> Product:
    return Product(
        id=entry.text("product_id"),
        kind="spot",
        underlying=entry.text("base_currency_id"),
        tick=entry.positive("price_increment"),
        contract_size=Decimal(1),
        size_increment=entry.positive("base_increment"),
        min_size=entry.positive("base_min_size"),
        max_size=entry.positive("base_max_size"),
        tick_assumed=_tick_assumed(entry),
        suspended=_suspended(entry),
    )


def _future(entry: _Entry) -> Product:
    details = entry.inner("future_product_details")
    session = entry.inner("fcm_trading_session_details")
    return Product(
        id=entry.text("product_id"),
        kind="future",
        underlying=details.text("contract_root_unit"),
        tick=entry.positive("price_increment"),
        contract_size=details.positive("contract_size"),
        size_increment=entry.positive("base_increment"),
        min_size=entry.positive("base_min_size"),
        max_size=entry.positive("base_max_size"),
        margin=_margin(details),
        funding_rate=_funding_rate(details),
        expiry=details.time("contract_expiry"),
        twenty_four_seven=details.flag("twenty_four_by_seven"),
        session_open=session.flag("is_session_open"),
        maintenance=_maintenance(session),
        tick_assumed=_tick_assumed(entry),
        suspended=_suspended(entry),
    )


def _suspended(entry: _Entry) -> str:
    return ", ".join(field for field in _SUSPENDED if entry.fields.get(field) is True)


def _margin(details: _Entry) -> MarginRates:
    intraday, overnight = details.inner("intraday_margin_rate"), details.inner("overnight_margin_rate")
    return MarginRates(
        intraday_long=intraday.positive("long_margin_rate"),
        intraday_short=intraday.positive("short_margin_rate"),
        overnight_long=overnight.positive("long_margin_rate"),
        overnight_short=overnight.positive("short_margin_rate"),
    )


def _funding_rate(details: _Entry) -> Decimal | None:
    """Return the rate per hour, which may be negative; None where the product has no funding (dated futures)."""
    if not details.has("funding_rate"):
        return None
    text = details.text("funding_rate")
    try:
        return number(text, "funding_rate")
    except DataError as error:
        raise details.fault("funding_rate", text) from error


def _maintenance(session: _Entry) -> tuple[datetime, datetime] | None:
    if not session.has("maintenance"):
        return None
    window = session.inner("maintenance")
    begins, ends = window.time("start_time"), window.time("end_time")
    if ends <= begins:
        raise window.fault("end_time", window.fields.get("end_time"))
    return begins, ends


def _tick_assumed(entry: _Entry) -> bool:
    """Return whether the local exchange says that it made the tick up; Coinbase never says so."""
    return str(entry.fields.get("display_name_overwrite") or "").startswith("tick assumed")
