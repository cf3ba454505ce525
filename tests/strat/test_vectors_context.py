"""The context over arrays is that of the bars one by one."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import DataError
from atlas.rules import StratRules
from atlas.strat import vectors_context
from atlas.strat.series import PEAKS, Series
from atlas.strat.vectors_context import FIFTY, ContextArrays, context_all, ladder_at
from tests.strat.rows import KINDS, Rows, bars_with_ties, columns


@given(bars_with_ties(), KINDS, st.integers(1, 7))
def test_context_is_that_of_the_bars_one_by_one(bars_of, rows: Rows, kind, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors_context, "_CHUNK", chunk)
        _, high, low, close = columns(rows, kind)
        found = context_all(high, low, close)
    bars, series = bars_of(rows), Series("X", "1h")
    for i, bar in enumerate(bars):
        closed = series.close(bar, StratRules())
        labels, mother = closed.labels(), found.mothers[i]
        assert (found.lower_highs[i], found.higher_lows[i]) == (labels.lower_highs, labels.higher_lows)
        assert (None if mother < 0 else bars[mother]) == labels.mother
        assert FIFTY[int(found.fifty[i])] == labels.fifty
        for setup in closed.setups:
            extremes = high if setup.side == "long" else low
            assert ladder_at(extremes, i, setup.side, float(setup.target)) == list(
                series.ladder(setup.side, setup.target)
            )


def test_a_ladder_reaches_as_far_as_the_peaks_a_series_keeps(bars_of) -> None:
    rows = [(100, 200 - i, 10 + i, 100) for i in range(PEAKS + 20)]
    _, high, low, _ = columns(rows, np.int64)
    series = Series.from_bars("X", "1h", bars_of(rows), StratRules())
    assert ladder_at(high, len(rows) - 1, "long", 150) == list(series.ladder("long", Decimal(150)))
    assert ladder_at(low, len(rows) - 1, "short", 60) == list(series.ladder("short", Decimal(60)))


@given(bars_with_ties(), KINDS, st.data())
def test_later_bars_change_nothing_said_of_earlier_ones(rows: Rows, kind, data) -> None:
    cut = data.draw(st.integers(1, len(rows)))
    whole, part = context_all(*columns(rows, kind)[1:]), context_all(*columns(rows[:cut], kind)[1:])
    for name in ContextArrays.__struct_fields__:
        assert getattr(whole, name)[:cut].tolist() == getattr(part, name).tolist()


def test_no_bars_have_no_context_and_wrong_columns_are_refused() -> None:
    none = np.empty(0, np.int64)
    assert len(context_all(none, none, none).mothers) == 0
    with pytest.raises(DataError, match=r"shapes \[\(1,\), \(2,\)\]"):
        context_all(np.array([1, 2]), np.array([1]), np.array([1, 2]))
    with pytest.raises(DataError, match="price -1"):
        context_all(np.array([1]), np.array([-1]), np.array([1]))
