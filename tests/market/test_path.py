"""The path inside a candle."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.market.path import candle_path, candle_paths, point_time

prices = st.integers(min_value=1, max_value=10_000)


@st.composite
def candles(draw: st.DrawFn) -> tuple[int, int, int, int]:
    low, high = sorted((draw(prices), draw(prices)))
    return draw(prices), high, low, draw(st.integers(min_value=low, max_value=high))


def test_a_rising_candle_trades_its_low_first() -> None:
    assert candle_path(Decimal(10), Decimal(13), Decimal(9), Decimal(12)) == (10, 9, 13, 12)


def test_a_falling_candle_trades_its_high_first() -> None:
    assert candle_path(Decimal(12), Decimal(13), Decimal(9), Decimal(10)) == (12, 13, 9, 10)


def test_a_candle_that_closes_where_it_opened_trades_its_low_first() -> None:
    assert candle_path(10, 13, 9, 10) == (10, 9, 13, 10)


def test_always_high_first_holds_for_a_rising_candle_too() -> None:
    assert candle_path(10, 13, 9, 12, always_high_first=True) == (10, 13, 9, 12)


@pytest.mark.parametrize(("opened", "first"), [(20, 13), (2, 9)])
def test_an_open_outside_the_range_is_clamped_into_it(opened: int, first: int) -> None:
    assert candle_path(opened, 13, 9, 12)[0] == first


@given(candles(), st.booleans())
def test_a_path_reaches_high_and_low_and_never_leaves_them(candle: tuple[int, int, int, int], high_first: bool) -> None:
    _, high, low, close = candle
    path = candle_path(*candle, always_high_first=high_first)
    assert max(path) == high
    assert min(path) == low
    assert path[-1] == close


@given(st.lists(candles(), min_size=1, max_size=20), st.booleans())
def test_whole_columns_give_the_same_paths_as_single_candles(
    rows: list[tuple[int, int, int, int]], high_first: bool
) -> None:
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    paths = candle_paths(*columns, always_high_first=high_first)
    assert [tuple(path) for path in paths.tolist()] == [candle_path(*row, always_high_first=high_first) for row in rows]


def test_the_points_lie_a_quarter_of_the_candle_apart() -> None:
    opened = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    times = [point_time(opened, timedelta(minutes=1), point) for point in range(4)]
    assert times == [opened + timedelta(seconds=15 * point) for point in range(4)]


def test_a_fifth_point_is_refused() -> None:
    with pytest.raises(ValueError, match="points 0 to 3, not 4"):
        point_time(datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=1), 4)
