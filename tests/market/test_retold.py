"""Trades told by REST and told again by the feed: each counts once, in whichever order they come."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from atlas.market.bar import Tick
from atlas.market.retold import Told, is_news

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
X = "BIP-20DEC30-CDE"


def tick(number: int, seconds: float) -> Tick:
    return Tick(number, NOON + timedelta(seconds=seconds), Decimal(60000), Decimal(1))


def news(told: Told, one: Tick, source: str, last: float | None = None, *, up: bool = False) -> bool:
    last_at = None if last is None else NOON + timedelta(seconds=last)
    return is_news(told, X, one, source, last_at=last_at, feed_up=up)


def test_a_trade_told_twice_by_rest_counts_once() -> None:
    told: Told = {}
    assert news(told, tick(7, 1), "rest", 0)
    assert not news(told, tick(7, 1), "rest", 1)


def test_a_trade_of_the_instant_of_the_last_live_one_is_not_news() -> None:
    assert not news({}, tick(7, 1), "rest", 1)
    assert news({}, tick(7, 1.5), "rest", 1)


def test_trades_of_one_instant_are_told_apart_by_their_numbers() -> None:
    told: Told = {}
    assert [news(told, tick(number, 1), "rest", last) for number, last in ((7, 0), (8, 1), (8, 1), (9, 1))] == [
        True, True, False, True,
    ]  # fmt: skip


def test_what_rest_told_is_no_news_of_the_feed_and_later_trades_are() -> None:
    told: Told = {}
    assert news(told, tick(7, 1), "rest", 0)
    for source in ("snapshot", "feed"):
        assert not news(told, tick(6, 0.5), source, 1)
        assert not news(told, tick(7, 1), source, 1)
    assert news(told, tick(8, 2), "snapshot", 1)
    assert told
    assert news(told, tick(9, 3), "feed", 2)
    assert told == {}


def test_rest_is_not_heard_after_what_the_feed_has_replayed() -> None:
    told: Told = {}
    assert news(told, tick(7, 1), "rest", 0)
    assert news(told, tick(9, 3), "snapshot", 1)
    assert not news(told, tick(8, 2), "rest", 3)
    assert not news(told, tick(9, 3), "rest", 3)
    assert news(told, tick(10, 4), "rest", 3)


def test_rest_is_not_heard_while_the_feed_is_up() -> None:
    assert not news({}, tick(7, 1), "rest", 0, up=True)


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(("rest", "snapshot"))), max_size=40))
def test_no_trade_of_rest_counts_twice_however_they_come(calls: list[tuple[int, str]]) -> None:
    """Trade n is stamped n seconds past noon; the last known follows what counted."""
    told: Told = {}
    last, by_rest, counted = 0.0, set[int](), list[int]()
    for number, source in calls:
        if news(told, tick(number, number), source, last):
            last = max(last, number)
            counted.append(number)
            if source == "rest":
                assert number not in by_rest
                by_rest.add(number)
    assert all(counted.count(number) == 1 or number not in by_rest for number in counted)
