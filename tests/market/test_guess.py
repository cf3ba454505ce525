"""Candles as guesses of a path: what is left at each point, and the walk over what was missed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from atlas.market.bar import Bar
from atlas.market.guess import Guess, guesses, walk_missed, walked_so_far
from atlas.market.past import walked

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
D = Decimal


def candle(minute: int, *prices: int) -> Bar:
    opened = NOON + minute * MINUTE
    return Bar("1m", opened, opened + MINUTE, *(D(price) for price in prices), D(8))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


RISING, FALLING = (100, 104, 99, 103), (103, 105, 98, 99)


def test_each_point_knows_the_extremes_still_to_come_and_only_the_open_is_certain() -> None:
    bar = candle(0, *RISING)
    assert list(guesses(walked(bar, 1), bar.close_time)) == [
        Guess(D(99), D(104), at(60), True), Guess(D(99), D(104), at(60)),
        Guess(D(103), D(104), at(60)), Guess(D(103), D(103), at(60)),
    ]  # fmt: skip


def test_two_products_are_walked_together_in_order_of_time() -> None:
    missed = {"B": [candle(0, *RISING), candle(2, *FALLING)], "A": [candle(0, *FALLING)]}
    walk = [(symbol, tick.time, int(tick.price)) for symbol, tick, _ in walk_missed(missed, at(-1), at(180))]
    assert walk == [
        ("B", at(0), 100), ("A", at(0), 103), ("B", at(15), 99), ("A", at(15), 105), ("B", at(30), 104),
        ("A", at(30), 98), ("B", at(45), 103), ("A", at(45), 99),
        ("B", at(120), 103), ("B", at(135), 105), ("B", at(150), 98), ("B", at(165), 99),
    ]  # fmt: skip


def test_what_was_seen_already_is_not_walked_again() -> None:
    walk = list(walk_missed({"A": [candle(0, *RISING)]}, at(15), at(60)))
    assert [(tick.time, guess) for _, tick, guess in walk] == [
        (at(30), Guess(D(103), D(104), at(60))), (at(45), Guess(D(103), D(103), at(60))),
    ]  # fmt: skip


@pytest.mark.parametrize(("after", "until"), [(50, 60), (50, 120), (59, 60), (50, 55)])
def test_the_last_price_of_a_minute_that_was_half_seen_is_walked(after: float, until: float) -> None:
    """Else what traded in its last quarter would never be seen, and no mark, stop or target would know it."""
    ((_, tick, guess),) = walk_missed({"A": [candle(0, *RISING)]}, at(after), at(until))
    assert (tick.time, tick.price, guess.until) == (at(after) + timedelta(microseconds=1), D(103), at(60))
    assert not guess.certain


def test_nothing_is_walked_of_a_candle_up_to_the_instant_it_was_seen() -> None:
    assert list(walk_missed({"A": [candle(0, *RISING)]}, at(60), at(120))) == []
    assert list(walk_missed({"A": [candle(0, *RISING)]}, at(50), at(50))) == []


def test_a_candle_still_forming_is_walked_as_far_as_it_has_come() -> None:
    """Half of the falling one: open and high have traded, at the times they have in the whole."""
    half = candle(0, 103, 105, 103, 105)
    assert [(tick.time, int(tick.price)) for tick in walked_so_far(half, 1, at(20))] == [(at(0), 103), (at(15), 105)]
    assert [tick.time for tick in walked_so_far(candle(0, *FALLING), 1, at(20))] == [at(0), at(15), at(20), at(20)]
    walk = walk_missed({"A": [half]}, at(-1), at(20))
    assert [guess.until for _, _, guess in walk] == [at(60), at(60)]


def test_a_minute_without_a_change_of_price_is_one_point() -> None:
    assert [int(tick.price) for tick in walked_so_far(candle(0, 7, 7, 7, 7), 1, at(50))] == [7]
