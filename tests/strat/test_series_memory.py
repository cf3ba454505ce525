"""What a series remembers of the bars that closed: how many 1s end it, and the extremes a ladder may stand on."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from msgspec.structs import replace

from atlas.errors import InternalError
from atlas.rules import StratRules
from atlas.strat.series import PEAKS, Series
from tests.strat.rows import Rows, bars_with_ties

RULES = StratRules()
WIDE = (100, 300, 10, 100)


def peaks(extremes: Sequence[int], sign: int) -> list[int]:
    """Those further than all that came after them, nearest last, read afresh over the whole list."""
    later = [extremes[place + 1 :] for place in range(len(extremes))]
    kept = [one for one, rest in zip(extremes, later, strict=True) if all(sign * one > sign * other for other in rest)]
    return kept[-PEAKS:]


def remembered(bars_of, rows: Rows) -> Series:
    return Series.from_bars("X", "1h", bars_of(rows), RULES)


@pytest.mark.parametrize(
    "rows",
    [
        [(100, 130, 70, 100), (100, 118, 85, 100), (100, 125, 80, 100), (100, 112, 90, 100), (100, 120, 80, 100)],
        [(100, 110 + i, 90 - i, 100) for i in range(6)],
        [(100, 110, 90, 100)] * 6,
        [(100, 200 - i, 10 + i, 100) for i in range(PEAKS + 5)],
        [(100, 200 - i, 10 + i, 100) for i in range(PEAKS)],
    ],
    ids=["in and out", "ever wider", "ever the same", "more than are kept", "as many as are kept"],
)  # fmt: skip
def test_the_extremes_kept_are_those_further_than_all_since(bars_of, rows: Rows) -> None:
    series = remembered(bars_of, rows)
    assert series.highs == peaks([high for _, high, _, _ in rows], 1)
    assert series.lows == peaks([low for _, _, low, _ in rows], -1)


@given(bars_with_ties())
def test_the_extremes_kept_of_any_bars_are_those_further_than_all_since(bars_of, rows: Rows) -> None:
    series = remembered(bars_of, rows)
    assert series.highs == peaks([high for _, high, _, _ in rows], 1)
    assert series.lows == peaks([low for _, _, low, _ in rows], -1)


def test_thirty_two_extremes_are_kept_and_the_last_ladder_rung_is_the_furthest_of_them(bars_of) -> None:
    series = remembered(bars_of, [(100, 200 - i, 10 + i, 100) for i in range(60)])
    assert (series.highs, series.lows) == (list(range(172, 140, -1)), list(range(38, 70)))
    assert series.ladder("long", Decimal(141)) == tuple(range(142, 173))
    assert series.ladder("short", Decimal(69)) == tuple(range(68, 37, -1))


@pytest.mark.parametrize("step", [0, 1])
def test_lesser_extremes_push_no_further_one_out_however_many_there_are(bars_of, step: int) -> None:
    lesser = [(100, 150 + step * i, 90 - step * i, 100) for i in range(2 * PEAKS)]
    series = remembered(bars_of, [WIDE, *lesser])
    assert series.ladder("long", Decimal(250)) == (300,)
    assert series.ladder("short", Decimal(20)) == (10,)


def test_inside_is_the_number_of_1s_that_end_the_series_and_no_other(bars_of) -> None:
    series = Series("X", "1h")
    told = [series.inside]
    inside, directional = (100, 110, 90, 100), (100, 120, 90, 100)
    for bar in bars_of([inside, inside, inside, directional, inside, (100, 125, 85, 100), directional, directional]):
        series.close(bar, RULES)
        told.append(series.inside)
    assert told == [0, 0, 1, 2, 0, 1, 0, 1, 2]


def test_a_series_without_bars_has_no_last_one_no_types_and_no_path() -> None:
    series = Series("X", "1h")
    assert (series.last, series.types, series.forming_path()) == (None, (None, None), None)
    assert series.ladder("long", Decimal(1)) == series.ladder("short", Decimal(1)) == ()


def test_types_are_those_of_the_last_two_bars_newest_first(bars_of) -> None:
    bars = bars_of([(100, 110, 90, 100), (100, 120, 90, 100), (100, 110, 80, 100)])
    told = [Series.from_bars("X", "1h", bars[: n + 1], RULES).types for n in range(3)]
    assert told == [(None, None), ("2U", None), ("2D", "2U")]


def test_a_bar_of_another_timeframe_is_refused_as_the_first_and_as_the_next(bars_of) -> None:
    series = Series("X", "1h")
    for bar in bars_of([WIDE, WIDE]):
        with pytest.raises(InternalError, match="X 1h: the 15m bar"):
            series.close(replace(bar, timeframe="15m"), RULES)
        series.close(bar, RULES)
