"""Walking an order book."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.money.depth import Book, Level, take


def levels(*rows: tuple[str, str]) -> tuple[Level, ...]:
    """Levels as (price, size)."""
    return tuple(Level(D(price), D(size)) for price, size in rows)


def test_an_order_takes_the_best_levels_first_at_their_mean_by_volume() -> None:
    taken = take(levels(("100", "2"), ("101", "1"), ("105", "9")), D(4), D(1))
    assert (taken.contracts, taken.price) == (4, D("101.5"))
    assert taken.left == levels(("105", "8"))


def test_an_order_gets_no_more_than_stands_there_in_whole_increments() -> None:
    taken = take(levels(("100", "1.7"), ("101", "0.9")), D(10), D(1))
    assert (taken.contracts, taken.price) == (2, D("100.15"))
    assert taken.left == levels(("101", "0.6"))


@pytest.mark.parametrize("rows", [(), (("100", "0.9"),)])
def test_less_than_one_increment_is_nothing_and_stays(rows: tuple[tuple[str, str], ...]) -> None:
    taken = take(levels(*rows), D(5), D(1))
    assert (taken.contracts, taken.price, taken.left) == (0, None, levels(*rows))


def test_a_buy_takes_asks_and_a_sell_takes_bids() -> None:
    book = Book(levels(("99", "1")), levels(("100", "1")))
    assert book.against("buy") == book.asks
    assert book.against("sell") == book.bids
    assert book.without("buy", ()) == Book(book.bids, ())
    assert book.without("sell", ()) == Book((), book.asks)


@pytest.mark.parametrize(("bid", "crossed"), [("99", False), ("100", True), ("101", True)])
def test_a_book_is_crossed_when_the_bid_is_at_or_above_the_ask(bid: str, crossed: bool) -> None:
    assert Book(levels((bid, "1")), levels(("100", "1"))).crossed is crossed


def test_a_book_is_judged_by_its_best_levels() -> None:
    assert Book(levels(("100", "1"), ("90", "1")), levels(("100", "1"), ("110", "1"))).crossed
    assert not Book(levels(("99", "1"), ("90", "1")), levels(("100", "1"), ("110", "1"))).crossed


def test_a_book_with_one_side_is_not_crossed() -> None:
    assert not Book(levels(("100", "1"))).crossed
    assert not Book((), levels(("100", "1"))).crossed


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.decimals("0.001", "500", places=3)), max_size=12),
    st.decimals("0.001", "2000", places=3),
    st.sampled_from([D(1), D("0.001"), D("0.1")]),
)
def test_nothing_is_lost_or_made_and_the_price_lies_between_the_levels(
    rows: list[tuple[int, D]], contracts: D, increment: D
) -> None:
    asks = tuple(Level(D(price), size) for price, size in sorted(rows))
    taken = take(asks, contracts, increment)
    standing = sum((level.size for level in asks), D(0))
    assert taken.contracts + sum((level.size for level in taken.left), D(0)) == standing
    assert taken.contracts % increment == 0
    assert 0 <= taken.contracts <= min(contracts, standing)
    assert min(contracts, standing) - taken.contracts < increment
    if taken.price is None:
        assert taken.contracts == 0
    else:
        assert asks[0].price <= taken.price <= asks[-1].price
