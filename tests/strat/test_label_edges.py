"""Labels where a rule has just ended, a range is just there, or no bar has closed yet."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from atlas.errors import InternalError
from atlas.rules import StratRules
from atlas.strat.context import context_of
from atlas.strat.labels import FiftyPercentRule, ladder, shape
from atlas.strat.series import Series

RULES = StratRules()


@pytest.mark.parametrize(
    "path",
    [[(106, 94), (100, 100)], [(94, 94), (106, 106), (100, 100)], [(106, 106), (94, 94), (107, 93)]],
    ids=["in one bar", "low first", "high first"],
)
def test_what_is_complete_stays_complete(path: list[tuple[int, int]]) -> None:
    rule = FiftyPercentRule(Decimal(105), Decimal(95))
    for high, low in path:
        rule.through(Decimal(high), Decimal(low), Decimal(low))
    assert rule.state == "complete"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("100.8", 101, 100, "100.9"), "hammer"),
        (("100.1", 101, 100, "100.2"), "shooter"),
        (("100.5", 101, 100, "100.5"), None),
        (("100.00000002", "100.00000002", 100, "100.00000002"), "hammer"),
        ((100, "100.00000002", 100, 100), "shooter"),
        ((100, 100, 100, 100), None),
    ],
)
def test_a_range_however_small_has_a_shape_and_none_has_none(bars_of, row, expected: str | None) -> None:
    (bar,) = bars_of([row])
    assert shape(bar) == expected


def test_an_equal_extreme_is_no_further_rung_of_a_ladder() -> None:
    highs = [Decimal(price) for price in (110, 120, 120, 115, 121)]
    assert ladder(highs, "long", Decimal(110)) == (120, 121)
    assert ladder([-high for high in highs], "short", Decimal(-110)) == (-120, -121)


def test_without_a_closed_bar_no_setup_has_a_context(bars_of) -> None:
    series = Series.from_bars("X", "1h", bars_of([(100, 110, 90, 100), (100, 120, 80, 110)]), RULES)
    assert series.closed is not None
    setup = series.closed.setups[0]
    context_of(series, setup, RULES)
    with pytest.raises(InternalError, match="is not of the bar that closed last"):
        context_of(Series("X", "1h"), setup, RULES)
    with pytest.raises(InternalError, match="is not of the bar that closed last"):
        context_of(series, replace(setup, timeframe="4h"), RULES)
