"""Labels over arrays against the rules bar by bar, for every bar there can be around one range."""

from itertools import product

import numpy as np
import pytest

from atlas.market.bar import Bar
from atlas.strat.bar_types import color, in_force, type_after
from atlas.strat.labels import failed_two, shape
from atlas.strat.vectors import COLORS, SHAPES, TYPES, label_all
from tests.strat.rows import Rows, columns

PRIOR = (4, 5, 3, 4)
SECOND = [
    (opened, high, low, close)
    for high, low in product(range(1, 8), repeat=2)
    if low <= high
    for opened, close in product(range(low - 1, high + 2), repeat=2)
]
ROWS: Rows = [row for second in SECOND for row in (PRIOR, second)]


@pytest.fixture(scope="module")
def pairs(bars_of) -> list[tuple[Bar, Bar]]:
    (prior,) = bars_of([PRIOR])
    return [(prior, bars_of([PRIOR, second])[1]) for second in SECOND]


@pytest.mark.parametrize("setting", ["color", "reclaim"])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_every_bar_after_a_range_has_the_labels_the_rules_give_it(pairs, kind, setting: str) -> None:
    found = label_all(*columns(ROWS, kind), failed=setting)
    assert [TYPES[code] for code in found.types[1::2].tolist()] == [type_after(bar, prior) for prior, bar in pairs]
    assert [COLORS[code] for code in found.colors[1::2].tolist()] == [color(bar.open, bar.close) for _, bar in pairs]
    assert [SHAPES[code] for code in found.shapes[1::2].tolist()] == [shape(bar) for _, bar in pairs]
    assert found.failed[1::2].tolist() == [failed_two(bar, prior, setting) for prior, bar in pairs]
    assert found.in_force[1::2].tolist() == [in_force(bar, prior) for prior, bar in pairs]


@pytest.mark.parametrize("setting", ["color", "reclaim"])
def test_the_first_bar_is_neither_failed_nor_in_force_and_has_a_color_and_a_shape(setting: str) -> None:
    for row, shade, form in ((19, 20, 10, 20), 1, 1), ((12, 20, 10, 11), -1, 2), ((25, 20, 10, 5), -1, 0):
        found = label_all(*columns([row], np.int64), failed=setting)
        told = (found.types[0], found.colors[0], found.shapes[0], found.failed[0], found.in_force[0])
        assert told == (-1, shade, form, False, False)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_bars_of_price_zero_are_inside_neutral_and_without_a_shape(kind) -> None:
    found = label_all(*columns([(0, 0, 0, 0)] * 3, kind))
    assert (found.types.tolist(), found.colors.tolist(), found.shapes.tolist()) == ([-1, 0, 0], [0] * 3, [0] * 3)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_shapes_hold_to_33_percent_exactly_on_either_side(kind) -> None:
    rows = [(167, 200, 100, 199), (166, 200, 100, 199), (133, 200, 100, 101), (134, 200, 100, 101)]
    assert label_all(*columns(rows, kind)).shapes.tolist() == [1, 0, 2, 0]


def test_a_range_far_below_1_has_a_shape() -> None:
    rows = [(1 + 2**-9, 1 + 2**-9, 1, 1 + 2**-9), (1, 1 + 2**-9, 1, 1), (1, 1, 1, 1)]
    assert label_all(*columns(rows, np.float64)).shapes.tolist() == [1, 2, 0]
