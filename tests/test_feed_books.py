"""The feed's order books: kept from level2, told before the trades of a frame, never of a connection that is gone."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.feed_books import Books, LiveBook
from actors.feed_state import missing, subscriptions
from atlas.config import default_settings, load
from atlas.errors import ConfigurationError
from atlas.exchange.wire import BookEvent, BookLevel, Level2
from atlas.money.depth import Book, Level

AT = datetime(2031, 3, 4, 12, tzinfo=UTC)
BTC, BIP = "BTC-USD", "BIP-20DEC30-CDE"
D = Decimal


def bid(price: int, size: float) -> BookLevel:
    return BookLevel("bid", D(price), D(str(size)))


def offer(price: int, size: float) -> BookLevel:
    return BookLevel("offer", D(price), D(str(size)))


def frame(kind: str, *levels: BookLevel, product: str = BTC) -> Level2:
    return Level2("l2_data", AT, 1, (BookEvent(kind, product, levels),))


def sides(book: Book) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    bids, asks = ([(int(level.price), float(level.size)) for level in side] for side in (book.bids, book.asks))
    return bids, asks


def test_a_snapshot_need_not_be_sorted() -> None:
    book = LiveBook()
    book.begin((bid(98, 1), offer(103, 4), bid(99, 2), offer(101, 3)))
    assert sides(book.best(5)) == ([(99, 2), (98, 1)], [(101, 3), (103, 4)])
    assert sides(book.best(1)) == ([(99, 2)], [(101, 3)])


def test_an_update_gives_the_whole_quantity_and_zero_deletes() -> None:
    book = LiveBook()
    book.begin((bid(99, 2), offer(101, 3)))
    for level in (bid(99, 5), bid(98, 1), offer(101, 0), offer(102, 7), offer(150, 0)):
        book.change(level)
    assert sides(book.best(5)) == ([(99, 5), (98, 1)], [(102, 7)])


changes = st.tuples(st.sampled_from(["bid", "offer"]), st.integers(1, 30), st.integers(0, 3))


@given(st.lists(changes, max_size=20), st.lists(changes, max_size=60), st.integers(1, 8))
def test_a_book_is_what_its_changes_add_up_to(
    first: list[tuple[str, int, int]], later: list[tuple[str, int, int]], most: int
) -> None:
    levels = [BookLevel(side, D(price), D(size)) for side, price, size in (*first, *later)]  # type: ignore[arg-type]  # a side drawn
    book, plain = LiveBook(), dict[tuple[str, Decimal], Decimal]()
    book.begin(tuple({(level.side, level.price): level for level in levels[: len(first)]}.values()))
    for level in levels[len(first) :]:
        book.change(level)
    for level in levels:
        plain[level.side, level.price] = level.size
    stands = sorted((price, size) for (side, price), size in plain.items() if side == "bid" and size)
    asks = sorted((price, size) for (side, price), size in plain.items() if side == "offer" and size)
    assert book.best(most) == Book(
        tuple(Level(*row) for row in stands[::-1][:most]), tuple(Level(*row) for row in asks[:most])
    )


def test_a_second_snapshot_replaces_the_book() -> None:
    books = Books(5)
    books.take(frame("snapshot", bid(99, 2), offer(101, 3)))
    books.take(frame("snapshot", bid(90, 1), offer(91, 1)))
    assert books.news(BTC) == (AT, Book((Level(D(90), D(1)),), (Level(D(91), D(1)),)))


def test_only_what_changed_of_the_best_levels_is_news() -> None:
    books = Books(1)
    assert books.news(BTC) is None
    books.take(frame("snapshot", bid(99, 2), bid(90, 1), offer(101, 3)))
    assert books.news(BTC) is not None
    assert books.news(BTC) is None
    books.take(frame("update", bid(90, 8)))
    assert books.news(BTC) is None
    books.take(frame("update", bid(99, 1)))
    assert books.news(BTC) == (AT, Book((Level(D(99), D(1)),), (Level(D(101), D(3)),)))


def test_changes_before_the_snapshot_mean_nothing() -> None:
    books = Books(5)
    books.take(frame("update", bid(99, 2)))
    assert books.news(BTC) is None


def test_each_product_has_its_own_book() -> None:
    books = Books(5)
    books.take(frame("snapshot", bid(99, 2), product=BTC))
    books.take(frame("snapshot", bid(50, 2), product=BIP))
    assert [books.news(product) for product in (BTC, BIP)] == [
        (AT, Book((Level(D(price), D(2)),))) for price in (99, 50)
    ]


# ── asked for ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_books_are_asked_for_before_trades_and_only_where_wanted() -> None:
    assert [one.channel for one in subscriptions([BTC, BIP])] == ["heartbeats", "ticker", "market_trades"]
    asked = subscriptions([BTC, BIP], [BIP])
    assert [(one.channel, one.product_ids) for one in asked[2:]] == [("level2", (BIP,)), ("market_trades", (BTC, BIP))]


def test_a_book_that_is_not_acknowledged_is_missing() -> None:
    held = {"heartbeats": ("heartbeats",), "ticker": (BTC,), "market_trades": (BTC,)}
    assert missing(held, [BTC]) == {}
    assert missing(held, [BTC], [BTC]) == {"level2": (BTC,)}
    assert missing(held | {"level2": (BTC,)}, [BTC], [BTC]) == {}


def test_more_books_than_the_exchange_gives_are_refused_at_the_start() -> None:
    many = {"fills": {"model": "depth"}, "exchange": {"products": [f"C{n}-USD" for n in range(31)]}}
    with pytest.raises(ConfigurationError, match="31 products"):
        load(overrides=many)
    many["fills"]["model"] = "spread"  # type: ignore[index]  # a tree of any shape
    assert len(load(overrides=many).exchange.products) == 31


@pytest.mark.parametrize(
    ("key", "value"), [("model", "guess"), ("latency_ms", -1), ("latency_ms", 60_001), ("levels", 0), ("levels", 1001)]
)
def test_fills_that_make_no_sense_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"`fills\.{key}` = .*{value}"):
        load(overrides={"fills": {key: value}})


def test_fills_by_default_need_no_book_and_take_no_time() -> None:
    fills = default_settings().rules().fills
    assert (fills.model, fills.latency_ms) == ("spread", 0)
