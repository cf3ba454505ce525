"""The built-in product table."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path

import pytest

from atlas.errors import ConfigurationError, UnknownProduct
from atlas.market.products import KNOWN, built_in, expiry_of


@pytest.mark.parametrize(
    ("product_id", "underlying", "size"),
    [
        ("BIP-20DEC30-CDE", "BTC", "0.01"),
        ("ETP-20DEC30-CDE", "ETH", "0.1"),
        ("SLP-20DEC30-CDE", "SOL", "5"),
        ("XPP-20DEC30-CDE", "XRP", "500"),
        ("ADP-20DEC30-CDE", "ADA", "1000"),
        ("BTC-USD", "BTC", "1"),
        ("ETH-USD", "ETH", "1"),
        ("SOL-USD", "SOL", "1"),
    ],
)
def test_the_table_holds_the_contracts_of_the_specification(product_id: str, underlying: str, size: str) -> None:
    product = built_in(product_id, tick=D("0.01"))
    assert (product.underlying, product.contract_size) == (underlying, D(size))
    assert list(KNOWN).index(product_id) < 8


def test_lesson_57_20dec30_is_the_twentieth_of_december_2030() -> None:
    assert expiry_of("BIP-20DEC30-CDE") == datetime(2030, 12, 20, 16, tzinfo=UTC)
    assert expiry_of("BIT-24APR26-CDE") == datetime(2026, 4, 24, 15, tzinfo=UTC)
    assert built_in("BIP-20DEC30-CDE").expiry == datetime(2030, 12, 20, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "product_id", ["BTC-USD", "BIP-CDE", "BIP-31FEB30-CDE", "BIP-20XXX30-CDE", "ADA PERP CDE 3000"]
)
def test_lesson_55_an_id_without_a_true_expiry_is_refused(product_id: str) -> None:
    with pytest.raises(UnknownProduct, match=product_id):
        expiry_of(product_id)


@pytest.mark.parametrize("product_id", ["SOP-20DEC30-CDE", "ADA PERP CDE 3000", "BTC-PERP-INTX", "bip-20dec30-cde", ""])
def test_lesson_56_an_unknown_product_is_an_error_and_never_a_default(product_id: str) -> None:
    with pytest.raises(UnknownProduct, match="is not known without a listing"):
        built_in(product_id)


@pytest.mark.parametrize("product_id", ["SLP-20DEC30-CDE", "XPP-20DEC30-CDE", "ADP-20DEC30-CDE"])
def test_a_tick_to_be_read_live_has_no_fallback(product_id: str) -> None:
    with pytest.raises(UnknownProduct, match="give --tick"):
        built_in(product_id)
    given = built_in(product_id, tick=D("0.01"))
    assert given.tick == D("0.01")
    assert given.tick_assumed


def test_a_tick_from_the_table_is_not_an_assumption() -> None:
    assert not built_in("BIP-20DEC30-CDE").tick_assumed
    assert not built_in("BIP-20DEC30-CDE", tick=D(5)).tick_assumed
    assert built_in("BIP-20DEC30-CDE", tick=D("0.5")).tick_assumed


@pytest.mark.parametrize("tick", ["0", "-5", "NaN"])
def test_a_tick_that_is_not_positive_is_refused(tick: str) -> None:
    with pytest.raises(ConfigurationError, match="is not above 0"):
        built_in("BIP-20DEC30-CDE", tick=D(tick))


def test_spot_has_no_margin_rates_and_no_expiry() -> None:
    spot = built_in("BTC-USD")
    assert (spot.kind, spot.margin, spot.expiry, spot.size_increment) == ("spot", None, None, D("0.00000001"))


@pytest.mark.shared
def test_the_table_agrees_with_the_recorded_listings(shared: Path) -> None:
    folder = shared / "data" / "coinbase_ws"
    future = next(
        p for p in json.loads((folder / "nautilus" / "http_products_future.json").read_text())["products"]
        if p["product_id"] == "BIP-20DEC30-CDE"
    )  # fmt: skip
    details, bip = future["future_product_details"], built_in("BIP-20DEC30-CDE")
    assert bip.tick == D(future["price_increment"])
    assert bip.contract_size == D(details["contract_size"])
    assert bip.max_size == D(future["base_max_size"])
    assert bip.expiry == datetime.fromisoformat(details["contract_expiry"])
    assert bip.margin is not None
    for listed, known in (
        (details["intraday_margin_rate"]["long_margin_rate"], bip.margin.intraday_long),
        (details["overnight_margin_rate"]["long_margin_rate"], bip.margin.overnight_long),
        (details["overnight_margin_rate"]["short_margin_rate"], bip.margin.overnight_short),
    ):
        assert round(1 / D(listed), 1) == round(1 / known, 1)
    spot = json.loads((folder / "nautilus" / "http_product.json").read_text())
    assert built_in("BTC-USD").tick == D(spot["price_increment"])
    assert built_in("BTC-USD").size_increment == D(spot["base_increment"])
    assert built_in("BTC-USD").max_size == D(spot["base_max_size"])
    exchange = json.loads((folder / "skeyelab" / "list_products_array_response.json").read_text())
    rows = {row["id"]: row for reply in exchange for row in reply["body"]}
    for product_id in ("ETH-USD", "SOL-USD"):
        assert built_in(product_id).tick == D(rows[product_id]["quote_increment"])
        assert built_in(product_id).size_increment == D(rows[product_id]["base_increment"])


def test_every_listed_contract_expires_when_its_name_says() -> None:
    dates = {built_in(name, D("0.01")).expiry for name in KNOWN if name.endswith("-CDE")}
    assert {d.date() for d in dates if d is not None} == {date(2030, 12, 20)}
