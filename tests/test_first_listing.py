"""What a daemon begins with: the exchange's listing, or the one kept of an earlier run."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from actors.first_listing import Cached, FirstListing, first_listing
from atlas.errors import ExchangeError, UnknownProduct
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from atlas.exchange.rest import Rest
from atlas.market.product import Product
from atlas.market.products import built_in

BIP, BTC = "BIP-20DEC30-CDE", "BTC-USD"
START = datetime(2029, 3, 7, 13, 20, tzinfo=UTC)
NOW = datetime(2029, 3, 9, 8, tzinfo=UTC)
WEEK = 7.0
NOBODY = "http://127.0.0.1:1"


def kept(*names: str, days_ago: float = 1) -> Cached:
    """A listing of that age."""
    return {name: (built_in(name), NOW - timedelta(days=days_ago)) for name in names}


def without_rest(cache: Cached, *names: str, days: float = WEEK) -> FirstListing:
    rest = Rest(NOBODY, rate=500.0, wait=lambda seconds: None)
    try:
        return first_listing(rest, names, lambda: cache, NOW, days)
    finally:
        rest.close()


def ids(products: Iterable[Product]) -> list[str]:
    return [product.id for product in products]


def test_the_exchanges_own_listing_comes_first_with_its_time_and_what_was_known_before() -> None:
    market = SyntheticMarket(listed([BTC, BIP]), int(START.timestamp()) * 10**9, seed=5)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1000, hold=True)
    with LocalExchange(market, options) as exchange:
        rest = Rest(exchange.rest_url, rate=500.0)
        first = first_listing(rest, (BIP, BTC), lambda: kept(BIP), NOW, WEEK)
        with pytest.raises(UnknownProduct, match="'SLP-20DEC30-CDE'"):
            first_listing(rest, (BIP, "SLP-20DEC30-CDE"), lambda: kept(BIP, BTC), NOW, WEEK)
        rest.close()
    assert (ids(first.products), first.at, first.why) == ([BIP, BTC], START, "")
    assert {product.as_of for product in first.products} == {START}
    assert first.before == {BIP: built_in(BIP)}


def test_without_rest_the_listing_kept_will_do_and_says_why() -> None:
    first = without_rest(kept(BTC, BIP), BIP, BTC)
    assert (ids(first.products), first.at) == ([BIP, BTC], None)
    assert "127.0.0.1:1" in first.why


@pytest.mark.parametrize(("age", "usable"), [(7.0, True), (7.01, False)])
def test_the_oldest_of_the_listing_kept_decides(age: float, usable: bool) -> None:
    cache = {**kept(BIP), **kept(BTC, days_ago=age)}
    if usable:
        assert without_rest(cache, BIP, BTC).at is None
    else:
        with pytest.raises(ExchangeError, match=r"of 2029-03-02 07:45 UTC, older than exchange\.listing_days = 7"):
            without_rest(cache, BIP, BTC)


def test_a_product_of_which_no_listing_was_kept_cannot_be_begun_with() -> None:
    with pytest.raises(ExchangeError, match="no listing of BTC-USD was ever kept"):
        without_rest(kept(BIP), BIP, BTC)
