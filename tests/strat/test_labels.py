"""Context labels: failed 2s, hammer and shooter, machine guns, mother bars, the 50 % rule, ladders, first breaks."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError
from atlas.strat.labels import (
    FiftyPercentRule,
    first_break,
    higher_lows,
    is_failed_two,
    labels_of,
    lower_highs,
    machine_gun,
    magnitude_ladder,
    mother_bar,
    shape,
)

PRIOR = (100, 105, 95, 102)


@pytest.mark.parametrize(
    ("row", "by_color", "by_reclaim"),
    [
        ((108, 109, 105.5, 106), True, False),
        ((101, 106, 100, 103), False, True),
        ((101, 106, 100, 105), False, True),
        ((104, 106, 100, 101), True, True),
        ((101, 107, 100, 106), False, False),
        ((106, 107, 100, 106), False, False),
        ((96, 102, 94, 101), True, True),
        ((92, 93, 90, 92.5), True, False),
        ((97, 102, 94, 95), False, True),
        ((97, 102, 94, 94.5), False, False),
        ((104, 106, 94, 96), False, False),
        ((100, 104, 96, 99), False, False),
    ],
)
def test_failed_2_under_both_settings(bars_of, row, by_color, by_reclaim) -> None:
    prior, bar = bars_of([PRIOR, row])
    assert (is_failed_two(bar, prior), is_failed_two(bar, prior, "reclaim")) == (by_color, by_reclaim)


def test_an_unknown_setting_of_the_failed_2_is_refused(bars_of) -> None:
    prior, bar = bars_of([PRIOR, PRIOR])
    with pytest.raises(ConfigurationError, match="'either'"):
        is_failed_two(bar, prior, "either")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((167, 200, 100, 199), "hammer"),
        (("166.99", 200, 100, 199), None),
        ((199, 200, 100, 167), "hammer"),
        ((133, 200, 100, 101), "shooter"),
        (("133.01", 200, 100, 101), None),
        ((101, 200, 100, 133), "shooter"),
        ((101, 200, 100, 199), None),
        ((100, 100, 100, 100), None),
        ((210, 200, 100, 190), "hammer"),
        ((90, 200, 100, 110), "shooter"),
    ],
)
def test_hammer_and_shooter_hold_to_33_percent_exactly(bars_of, row, expected) -> None:
    (bar,) = bars_of([row])
    assert shape(bar) == expected


def test_the_first_bar_has_a_shape_and_no_other_label(bars_of) -> None:
    labels = labels_of(bars_of([(190, 200, 100, 199)]))
    assert (labels.shape, labels.failed_two, labels.machine_gun, labels.mother) == ("hammer", False, None, None)


def falling(highs: list[float]) -> list[tuple[float, float, float, float]]:
    return [(high - 1, high, 10 - i, high - 2) for i, high in enumerate(highs)]


def test_five_comparisons_make_a_machine_gun_and_four_do_not(bars_of) -> None:
    assert machine_gun(bars_of(falling([50, 49, 48, 47, 46, 45]))) == "long"
    assert machine_gun(bars_of(falling([50, 49, 48, 47, 46]))) is None


def test_an_equal_high_breaks_the_run(bars_of) -> None:
    bars = bars_of(falling([50, 49, 48, 48, 47, 46]))
    assert lower_highs(bars) == 2
    assert machine_gun(bars) is None


def test_higher_lows_are_the_machine_gun_of_the_short_side(bars_of) -> None:
    bars = bars_of([(30 + i, 40 + i, 20 + i, 35 + i) for i in range(7)])
    assert (higher_lows(bars), lower_highs(bars)) == (6, 0)
    assert machine_gun(bars) == "short"


def test_bars_ever_further_inside_are_no_machine_gun_of_either_side(bars_of) -> None:
    bars = bars_of([(50, 60 - i, 40 + i, 50) for i in range(7)])
    assert (higher_lows(bars), lower_highs(bars)) == (6, 6)
    assert machine_gun(bars) is None


def test_mother_bar_is_the_bar_before_the_first_1(bars_of) -> None:
    bars = bars_of([PRIOR, (100, 110, 90, 105), (100, 104, 96, 101), (100, 103, 97, 101)])
    assert mother_bar(bars[:2]) is None
    assert mother_bar(bars[:3]) == bars[1]
    assert mother_bar(bars) == bars[1]


def test_mother_bar_holds_2s_inside_it_until_one_goes_beyond(bars_of) -> None:
    bars = bars_of(
        [(100, 110, 90, 105), (100, 104, 96, 101), (101, 106, 97, 105), (101, 110, 98, 105), (101, 111, 99, 105)]
    )
    assert [mother_bar(bars[: n + 1]) for n in range(5)] == [None, bars[0], bars[0], bars[0], None]


def test_a_run_of_1s_inside_a_mother_bar_makes_no_other(bars_of) -> None:
    bars = bars_of([(100, 110, 90, 105), (100, 104, 96, 101), (101, 106, 97, 105), (101, 105, 98, 105)])
    assert mother_bar(bars) == bars[0]


def test_ladder_takes_older_extremes_each_further_than_the_last(bars_of) -> None:
    highs = [130, 118, 125, 112, 120, 110, 108]
    bars = bars_of([(100, high, 90, 100) for high in highs])
    assert magnitude_ladder(bars, "long", Decimal(110)) == (120, 125, 130)
    assert magnitude_ladder(bars, "long", Decimal(120)) == (125, 130), "strictly beyond the first target"
    lows = bars_of([(100, 130, low, 100) for low in [70, 85, 80, 90, 91]])
    assert magnitude_ladder(lows, "short", Decimal(90)) == (80, 70)


def test_the_setup_bar_is_no_rung_of_its_own_ladder(bars_of) -> None:
    assert magnitude_ladder(bars_of([(100, 105, 90, 100), (100, 130, 80, 100)]), "long", Decimal(104)) == (105,)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([(104, 96), (106, 97), (104, 94)], "long"),
        ([(104, 96), (104, 94), (106, 97)], "short"),
        ([(105, 95), (106, 94)], None),
        ([(105, 95)], None),
        ([], None),
    ],
)
def test_first_side_of_a_3_from_a_lower_frame(path, expected) -> None:
    steps = [(Decimal(high), Decimal(low)) for high, low in path]
    assert first_break(Decimal(105), Decimal(95), steps) == expected


@pytest.mark.parametrize(
    ("prices", "states", "side"),
    [
        ([104, 105, 95], ["invalid", "invalid", "invalid"], None),
        ([104, 94, 99, 100, 104, 105, 105.5], ["invalid", *["standby"] * 2, *["active"] * 3, "complete"], "long"),
        ([106, 101, 100, 95, 94], ["standby", "standby", "active", "active", "complete"], "short"),
        ([94, 106], ["standby", "complete"], "long"),
        ([94, 99, 93, 100, 93], ["standby", "standby", "standby", "active", "active"], "long"),
        ([106, 94, 106], ["standby", "complete", "complete"], "short"),
    ],
)
def test_fifty_percent_rule_along_a_path(prices, states, side) -> None:
    rule = FiftyPercentRule(Decimal(105), Decimal(95))
    seen = []
    for price in prices:
        rule.trade(Decimal(str(price)))
        seen.append(rule.state)
    assert seen == states
    assert rule.side == side
    assert rule.midpoint == 100


@given(st.lists(st.integers(90, 110), min_size=1))
def test_fifty_percent_rule_mirrors_and_completes_only_in_a_3(prices: list[int]) -> None:
    rule, mirrored = FiftyPercentRule(Decimal(105), Decimal(95)), FiftyPercentRule(Decimal(105), Decimal(95))
    for price in prices:
        rule.trade(Decimal(price))
        mirrored.trade(Decimal(200 - price))
    assert rule.state == mirrored.state
    assert (rule.state == "complete") == (max(prices) > 105 and min(prices) < 95)
    assert (rule.state == "invalid") == (max(prices) <= 105 and min(prices) >= 95)
