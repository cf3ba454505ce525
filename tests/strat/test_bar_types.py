"""Bar types, color and in force: strict inequalities, highs and lows only."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.strat.bar_types import bar_type, color, in_force, type_after

PRIOR = (100, 105, 95, 102)
PRICES = st.integers(85, 115).map(Decimal)
ORDER = {"1": 0, "2U": 1, "2D": 1, "3": 2}


@pytest.mark.parametrize(
    ("high", "low", "kind"),
    [
        ("106", "94", "3"),
        ("106", "96", "2U"),
        ("104", "94", "2D"),
        ("104", "96", "1"),
        ("105.00000001", "95", "2U"),
        ("105", "94.99999999", "2D"),
        ("94", "90", "2D"),
        ("110", "106", "2U"),
        ("100", "100", "1"),
    ],
)
def test_type_of_a_bar_after_a_range_of_95_to_105(high: str, low: str, kind: str) -> None:
    assert bar_type(Decimal(high), Decimal(low), Decimal(105), Decimal(95)) == kind


def test_equal_high_is_not_a_break() -> None:
    assert bar_type(Decimal("105.0"), Decimal(96), Decimal(105), Decimal(95)) == "1"


def test_equal_low_is_not_a_break() -> None:
    assert bar_type(Decimal(104), Decimal("95.00"), Decimal(105), Decimal(95)) == "1"


def test_identical_range_is_inside() -> None:
    assert bar_type(Decimal(105), Decimal(95), Decimal(105), Decimal(95)) == "1"


def test_first_bar_has_no_type_and_is_not_in_force(bars_of) -> None:
    (only,) = bars_of([PRIOR])
    assert type_after(only, None) is None
    assert in_force(only, None) is None


def test_open_and_close_do_not_matter_to_the_type(bars_of) -> None:
    prior, inside = bars_of([PRIOR, (120, 104, 96, 80)])
    assert type_after(inside, prior) == "1"


def test_color_compares_close_with_open() -> None:
    assert [color(Decimal(100), Decimal(close)) for close in ("100.01", "99.99", "100.00")] == [
        "green",
        "red",
        "neutral",
    ]


@pytest.mark.parametrize(
    ("row", "kind", "expected"),
    [
        ((108, 109, 105.5, 106), "2U", True),
        ((101, 106, 100, 103), "2U", False),
        ((101, 106, 100, 105), "2U", False),
        ((93, 94, 90, 91), "2D", True),
        ((96, 102, 94, 95), "2D", False),
        ((96, 102, 94, 95.1), "2D", False),
        ((100, 108, 92, 107), "3", True),
        ((107, 108, 92, 106), "3", False),
        ((106, 108, 92, 93), "3", True),
        ((94, 108, 92, 94.5), "3", False),
        ((107, 108, 92, 107), "3", False),
        ((100, 108, 92, 105), "3", False),
        ((100, 104, 96, 104), "1", False),
        ((100, 104, 96, 106), "1", False),
    ],
)
def test_in_force_is_a_close_strictly_beyond_the_extreme_taken(bars_of, row, kind, expected) -> None:
    prior, bar = bars_of([PRIOR, row])
    assert type_after(bar, prior) == kind
    assert in_force(bar, prior) is expected


@given(st.lists(PRICES, min_size=1), PRICES, PRICES)
def test_a_forming_bar_only_moves_from_1_to_2_to_3(prices: list[Decimal], one: Decimal, other: Decimal) -> None:
    prior_high, prior_low = max(one, other), min(one, other)
    kinds = [bar_type(max(prices[: i + 1]), min(prices[: i + 1]), prior_high, prior_low) for i in range(len(prices))]
    for before, after in pairwise(kinds):
        assert before == after or ORDER[before] < ORDER[after]


@given(PRICES, PRICES, PRICES, PRICES)
def test_mirrored_prices_mirror_the_type(a: Decimal, b: Decimal, c: Decimal, d: Decimal) -> None:
    high, low, prior_high, prior_low = max(a, b), min(a, b), max(c, d), min(c, d)
    mirror = {"1": "1", "3": "3", "2U": "2D", "2D": "2U"}
    assert bar_type(-low, -high, -prior_low, -prior_high) == mirror[bar_type(high, low, prior_high, prior_low)]
