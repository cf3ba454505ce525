"""Products out of the listing's JSON: what is missing is an error that names it, never a default."""

from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from atlas.errors import UnknownProduct
from atlas.exchange.listing_reader import read_product
from atlas.market.sessions import closed_reason

FUTURE: dict[str, Any] = {
    "product_id": "XYP-20DEC30-CDE",
    "product_type": "FUTURE",
    "price_increment": "0.5",
    "quote_increment": "0.01",
    "base_increment": "1",
    "base_min_size": "1",
    "base_max_size": "900",
    "trading_disabled": False,
    "fcm_trading_session_details": {"is_session_open": True, "maintenance": None},
    "future_product_details": {
        "contract_root_unit": "XYZ",
        "contract_size": "0.1",
        "contract_expiry": "2030-12-20T16:00:00Z",
        "perpetual_details": {"funding_rate": ""},
        "funding_rate": "-0.000012",
        "twenty_four_by_seven": True,
        "intraday_margin_rate": {"long_margin_rate": "0.1", "short_margin_rate": "0.11"},
        "overnight_margin_rate": {"long_margin_rate": "0.25", "short_margin_rate": "0.3"},
    },
}
SPOT: dict[str, Any] = {
    "product_id": "XYZ-USD",
    "product_type": "SPOT",
    "base_currency_id": "XYZ",
    "price_increment": "0.01",
    "base_increment": "0.0001",
    "base_min_size": "0.001",
    "base_max_size": "5000",
    "fcm_trading_session_details": None,
}


def changed(listed: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the product with one field changed, or taken out for `...`."""
    copy = deepcopy(listed)
    *parents, last = path.split(".")
    inner = copy
    for parent in parents:
        inner = inner[parent]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copy


def test_the_tick_is_the_price_increment_and_the_rate_the_outer_one() -> None:
    product = read_product(FUTURE)
    assert (product.tick, product.contract_size, product.funding_rate) == (
        Decimal("0.5"), Decimal("0.1"), Decimal("-0.000012"),
    )  # fmt: skip
    assert product.margin is not None
    assert product.margin.overnight_short == Decimal("0.3")


@pytest.mark.parametrize("rate", ["", None, ...])
def test_a_future_without_funding_has_no_rate(rate: Any) -> None:
    assert read_product(changed(FUTURE, "future_product_details.funding_rate", rate)).funding_rate is None


NEEDED = [
    "product_type", "price_increment", "base_increment", "base_min_size", "base_max_size",
    "fcm_trading_session_details", "fcm_trading_session_details.is_session_open", "future_product_details",
    "future_product_details.contract_root_unit", "future_product_details.contract_size",
    "future_product_details.contract_expiry", "future_product_details.twenty_four_by_seven",
    "future_product_details.intraday_margin_rate", "future_product_details.intraday_margin_rate.long_margin_rate",
    "future_product_details.overnight_margin_rate.short_margin_rate",
]  # fmt: skip


@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize("value", [..., None, "", "nonsense", 0], ids=["missing", "null", "empty", "nonsense", "zero"])
def test_lesson_55_a_future_lacking_a_needed_field_is_refused_by_name(path: str, value: Any) -> None:
    if path.endswith("contract_root_unit") and value == "nonsense":
        assert read_product(changed(FUTURE, path, value)).underlying == "nonsense"
        return
    with pytest.raises(UnknownProduct, match=r"XYP-20DEC30-CDE.*exchange\.products") as raised:
        read_product(changed(FUTURE, path, value))
    assert path in str(raised.value)
    assert raised.value.exit_code == 78


@pytest.mark.parametrize("path", ["base_currency_id", "price_increment", "base_increment", "base_min_size"])
def test_a_spot_product_lacking_a_needed_field_is_refused_by_name(path: str) -> None:
    with pytest.raises(UnknownProduct, match=path):
        read_product(changed(SPOT, path, ...))


@pytest.mark.parametrize("tick", ["0", "-5", "NaN", "Infinity", "1e99"])
def test_a_tick_that_cannot_be_is_refused(tick: str) -> None:
    with pytest.raises(UnknownProduct, match="price_increment"):
        read_product(changed(FUTURE, "price_increment", tick))


@pytest.mark.parametrize("field", ["trading_disabled", "is_disabled", "cancel_only"])
def test_suspended_trading_is_named_and_nothing_can_be_entered(field: str) -> None:
    now = datetime(2026, 7, 15, 12, tzinfo=UTC)
    for listed in (FUTURE, SPOT):
        assert closed_reason(read_product(listed), now) is None
        suspended = read_product(changed(listed, field, True))
        assert (suspended.suspended, suspended.session_open) == (field, True)
        assert closed_reason(suspended, now) == f"trading is suspended: {field}"


def test_a_closed_session_and_its_maintenance_are_read() -> None:
    window = {"start_time": "2031-04-18T14:00:00Z", "end_time": "2031-04-18T17:00:00Z"}
    session = {"is_session_open": False, "maintenance": window}
    product = read_product(changed(FUTURE, "fcm_trading_session_details", session))
    assert product.session_open is False
    assert product.maintenance is not None
    assert [instant.hour for instant in product.maintenance] == [14, 17]


@pytest.mark.parametrize("ends", ["2031-04-18T14:00:00Z", "2031-04-18T13:00:00Z", "soon", ""])
def test_maintenance_that_does_not_end_after_it_begins_is_refused(ends: str) -> None:
    session = {"is_session_open": True, "maintenance": {"start_time": "2031-04-18T14:00:00Z", "end_time": ends}}
    with pytest.raises(UnknownProduct, match=r"fcm_trading_session_details\.maintenance\.end_time"):
        read_product(changed(FUTURE, "fcm_trading_session_details", session))


def test_spot_has_size_one_and_no_margin() -> None:
    product = read_product(SPOT)
    assert (product.contract_size, product.margin, product.expiry, product.session_open) == (
        Decimal(1),
        None,
        None,
        True,
    )


def test_only_spot_and_futures_are_known() -> None:
    with pytest.raises(UnknownProduct, match="UNKNOWN_PRODUCT_TYPE"):
        read_product(changed(SPOT, "product_type", "UNKNOWN_PRODUCT_TYPE"))
