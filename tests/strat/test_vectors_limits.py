"""Where the arithmetic over arrays ends: the largest prices, the narrow ones, room that does not fit, wrong columns."""

from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace

from atlas.errors import DataError, InternalError
from atlas.rules import StratRules
from atlas.strat.labels import shape
from atlas.strat.series import Series
from atlas.strat.vectors import LARGEST, SHAPES, SMALL, BarLabels, count_of, label_all, types_of
from atlas.strat.vectors_context import context_all, ladder_at
from atlas.strat.vectors_setups import SetupArrays, setups_of
from tests.strat.rows import Rows, columns

WIDE: Rows = [(50, 100, 0, 60), (50, 90, 10, 55), (50, 95, 5, 60), (55, 101, 5, 60), (60, 102, 4, 70)]


@pytest.mark.parametrize("top", [SMALL - 1, SMALL, SMALL + 1, 21_600_000, 40_000_000, 2**31 - 1, 2**31, 2**33])
def test_shapes_are_exact_on_either_side_of_what_32_bits_hold(bars_of, top: int) -> None:
    rows = [(top, top, 0, top), (0, top, 0, 0), (top, top, 0, 0), (top - 1, top, top - 2, top), (67, 100, 0, 100)]
    found = label_all(*columns(rows, np.int64))
    assert [SHAPES[code] for code in found.shapes.tolist()] == [shape(bar) for bar in bars_of(rows)]
    assert found.colors.tolist() == [0, 0, -1, 1, 1]


def test_whole_prices_are_taken_up_to_2_to_the_54_and_no_further() -> None:
    assert LARGEST == 18_014_398_509_481_984
    rows = [(1, 2**54 - 1, 0, 1)]
    assert label_all(*columns(rows, np.int64)).types.tolist() == [-1]
    assert setups_of(*columns(rows, np.int64)[1:3], StratRules()).families.tolist() == [-1]
    with pytest.raises(DataError, match=f"price {2**54}"):
        label_all(*columns([(1, 2**54, 0, 1)], np.int64))


@pytest.mark.parametrize("column", range(4))
def test_a_price_that_cannot_be_held_is_refused_in_any_column(column: int) -> None:
    for wrong, kind in (-1, np.int64), (np.nan, np.float64):
        prices = columns(WIDE, kind)
        prices[column][3] = wrong
        with pytest.raises(DataError, match=f"price {wrong}"):
            label_all(*prices, chunk=2)
        if column in (1, 2):
            with pytest.raises(DataError, match=f"price {wrong}"):
                setups_of(*prices[1:3], StratRules(), chunk=2)
        if column > 0:
            with pytest.raises(DataError, match=f"price {wrong}"):
                context_all(*prices[1:])


def test_the_first_of_several_wrong_prices_is_named() -> None:
    for first, later, kind in (LARGEST, LARGEST + 1, np.int64), (np.inf, np.nan, np.float64):
        prices = columns(WIDE, kind)
        prices[1][1], prices[1][3] = first, later
        with pytest.raises(DataError, match=f"price {first}: "):
            label_all(*prices)


def test_one_column_alone_is_counted_as_any() -> None:
    assert count_of(np.array([5, 6, 7])) == 3


def test_room_for_results_is_as_long_as_the_bars_in_every_array() -> None:
    prices = columns(WIDE, np.int64)
    for name in BarLabels.__struct_fields__:
        room = {each: getattr(BarLabels.empty(5), each) for each in BarLabels.__struct_fields__}
        room[name] = room[name][:4]
        with pytest.raises(DataError, match=r"shape \(4,\) for the results of 5 bars"):
            label_all(*prices, out=BarLabels(**room))
    with pytest.raises(DataError, match=r"shape \(4,\) for the results of 5 bars"):
        setups_of(*prices[1:3], StratRules(), out=SetupArrays.empty(prices[1][:4]))
    room_of_setups = SetupArrays.empty(prices[1])
    with pytest.raises(DataError, match=r"shape \(6,\) for the results of 5 bars"):
        setups_of(*prices[1:3], StratRules(), out=replace(room_of_setups, families=np.empty(6, np.int8)))
    assert setups_of(*prices[1:3], StratRules(), out=room_of_setups) is room_of_setups


@pytest.mark.parametrize("column", range(4))
def test_a_column_of_another_length_or_kind_is_refused_whichever_it_is(column: int) -> None:
    short, other = columns(WIDE, np.int64), columns(WIDE, np.int64)
    short[column] = short[column][:4]
    other[column] = other[column].astype(np.float64)
    for prices, said in (short, r"shapes \[\(4,\), \(5,\)\]"), (other, "prices of float64, int64"):
        with pytest.raises(DataError, match=said):
            label_all(*prices)
        if column > 0:
            with pytest.raises(DataError, match=said):
                context_all(*prices[1:])
    with pytest.raises(DataError, match=r"shapes \[\(5, 1\)\]"):
        types_of(*(prices[:, None] for prices in columns(WIDE, np.int64)[1:3]))


def test_without_a_mother_bar_its_index_is_minus_1() -> None:
    _, *prices = columns(WIDE, np.int64)
    assert context_all(*prices).mothers.tolist() == [-1, 0, 0, -1, -1]


@pytest.mark.parametrize("bar", range(5))
def test_a_ladder_below_the_bars_own_extreme_begins_with_it_as_a_series_has_it(bars_of, bar: int) -> None:
    _, high, low, _ = columns(WIDE, np.int64)
    series = Series.from_bars("X", "1h", bars_of(WIDE)[: bar + 1], StratRules())
    for target in range(-1, 104):
        assert ladder_at(high, bar, "long", target) == list(series.ladder("long", Decimal(target)))
        assert ladder_at(low, bar, "short", target) == list(series.ladder("short", Decimal(target)))


@pytest.mark.parametrize("in_high", range(5))
@pytest.mark.parametrize("in_low", range(5))
def test_of_two_wrong_prices_that_of_the_earlier_bar_is_named_of_one_bar_its_high(in_high: int, in_low: int) -> None:
    _, high, low, _ = columns(WIDE, np.int64)
    high[in_high], low[in_low] = LARGEST, LARGEST + 1
    with pytest.raises(DataError, match=f"price {LARGEST if in_high <= in_low else LARGEST + 1}: "):
        setups_of(high, low, StratRules(), chunk=1)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_the_first_bar_gives_nothing_whatever_was_in_the_room(kind: type[np.int64] | type[np.float64]) -> None:
    _, high, low, _ = columns(WIDE, kind)
    room = SetupArrays.empty(high)
    for side in (room.long, room.short):
        for told in (side.given, side.stop, side.target, side.measured):
            told[:] = 7
    found = setups_of(high, low, StratRules(), out=room)
    for side in (found.long, found.short):
        assert (side.given[0], side.stop[0], side.target[0], side.measured[0]) == (False, 0, 0, False)
    assert (found.types[0], found.families[0], found.before[0], found.two_sided[0]) == (-1, -1, -1, False)


@pytest.mark.parametrize("chunk", [1, 2, 3, 10])
def test_the_bar_the_table_speaks_of_is_one_back_or_before_the_run_of_1s(chunk: int) -> None:
    rows = [(50, 100, 0, 50), *[(50, 90, 10, 50)] * 3, (50, 95, 10, 50), *[(50, 90, 20, 50)] * 2, (50, 96, 5, 50)]
    _, high, low, _ = columns(rows, np.int64)
    found = setups_of(high, low, StratRules(), chunk=chunk)
    assert found.types.tolist() == [-1, 0, 0, 0, 1, 0, 0, 3]
    assert found.before.tolist() == [-1, 0, 0, 0, 3, 4, 4, 6]


def test_a_typed_bar_that_gives_no_setup_has_no_name() -> None:
    _, high, low, _ = columns([(50, 100, 0, 50), (50, 110, 10, 50), (50, 105, 20, 50)], np.int64)
    found = setups_of(high, low, StratRules())
    assert found.name(2) == "2U-1-?"
    for bar in (0, 1):
        with pytest.raises(InternalError, match=f"bar {bar} gives no setup"):
            found.name(bar)


def test_a_peak_one_above_the_bars_own_extreme_hides_it_not() -> None:
    high, low = np.array([101, 100]), np.array([9, 10])
    assert ladder_at(high, 1, "long", 99) == [100, 101]
    assert ladder_at(low, 1, "short", 11) == [10, 9]


def test_bars_of_price_zero_have_the_first_of_them_as_mother_bar() -> None:
    zeros = np.zeros(3, np.int64)
    assert context_all(zeros, zeros, zeros).mothers.tolist() == [-1, 0, 0]


def test_only_a_side_that_is_given_is_measured() -> None:
    _, high, low, _ = columns(WIDE, np.int64)
    found = setups_of(high, low, StratRules())
    for side in (found.long, found.short):
        assert not (side.measured & ~side.given).any()
