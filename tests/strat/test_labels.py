"""Context labels: failed 2s, shapes, machine guns, mother bars, the 50 % rule, ladders, first sides; the context."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError, InternalError
from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.context import Context, context_of
from atlas.strat.labels import FiftyPercentRule, Labels, failed_two, shape
from atlas.strat.series import PEAKS, Series

RULES = StratRules()
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
    assert (failed_two(bar, prior), failed_two(bar, prior, "reclaim")) == (by_color, by_reclaim)


def test_an_unknown_setting_of_the_failed_2_is_refused(bars_of) -> None:
    prior, bar = bars_of([PRIOR, PRIOR])
    with pytest.raises(ConfigurationError, match="'either'"):
        failed_two(bar, prior, "either")


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


def labels_of(bars: list[Bar]) -> Labels:
    """The labels of the last bar."""
    closed = Series.from_bars("X", "1h", bars, RULES).closed
    assert closed is not None
    return closed.labels()


def test_the_first_bar_has_a_color_and_a_shape_and_no_other_label(bars_of) -> None:
    labels = labels_of(bars_of([(190, 200, 100, 199)]))
    assert labels == Labels("green", None, None, "hammer", 0, 0, None, None, None)


def falling(highs: list[float]) -> list[tuple[float, float, float, float]]:
    return [(high - 1, high, 10 - i, high - 2) for i, high in enumerate(highs)]


def test_five_comparisons_make_a_machine_gun_and_four_do_not(bars_of) -> None:
    assert labels_of(bars_of(falling([50, 49, 48, 47, 46, 45]))).machine_gun == "long"
    assert labels_of(bars_of(falling([50, 49, 48, 47, 46]))).machine_gun is None


def test_an_equal_high_breaks_the_run(bars_of) -> None:
    labels = labels_of(bars_of(falling([50, 49, 48, 48, 47, 46])))
    assert (labels.lower_highs, labels.machine_gun) == (2, None)


def test_higher_lows_are_the_machine_gun_of_the_short_side(bars_of) -> None:
    labels = labels_of(bars_of([(30 + i, 40 + i, 20 + i, 35 + i) for i in range(7)]))
    assert (labels.higher_lows, labels.lower_highs, labels.machine_gun) == (6, 0, "short")


def test_bars_ever_further_inside_are_no_machine_gun_of_either_side(bars_of) -> None:
    labels = labels_of(bars_of([(50, 60 - i, 40 + i, 50) for i in range(7)]))
    assert (labels.higher_lows, labels.lower_highs, labels.machine_gun) == (6, 6, None)


def test_mother_bar_is_the_bar_before_the_first_1(bars_of) -> None:
    bars = bars_of([PRIOR, (100, 110, 90, 105), (100, 104, 96, 101), (100, 103, 97, 101)])
    assert [labels_of(bars[: n + 1]).mother for n in range(4)] == [None, None, bars[1], bars[1]]


def test_mother_bar_holds_2s_inside_it_until_one_goes_beyond(bars_of) -> None:
    bars = bars_of(
        [(100, 110, 90, 105), (100, 104, 96, 101), (101, 106, 97, 105), (101, 110, 98, 105), (101, 111, 99, 105)]
    )
    assert [labels_of(bars[: n + 1]).mother for n in range(5)] == [None, bars[0], bars[0], bars[0], None]


def test_a_run_of_1s_inside_a_mother_bar_makes_no_other(bars_of) -> None:
    bars = bars_of([(100, 110, 90, 105), (100, 104, 96, 101), (101, 106, 97, 105), (101, 105, 98, 105)])
    assert labels_of(bars).mother == bars[0]


def ladder(bars: list[Bar], side: str, target: int) -> tuple[Decimal, ...]:
    return Series.from_bars("X", "1h", bars, RULES).ladder(side, Decimal(target))


def test_ladder_takes_older_extremes_each_further_than_the_last(bars_of) -> None:
    highs = [130, 118, 125, 112, 120, 110, 108]
    bars = bars_of([(100, high, 90, 100) for high in highs])
    assert ladder(bars, "long", 110) == (120, 125, 130)
    assert ladder(bars, "long", 120) == (125, 130), "strictly beyond the first target"
    lows = bars_of([(100, 130, low, 100) for low in [70, 85, 80, 90, 91]])
    assert ladder(lows, "short", 90) == (80, 70)


def test_a_ladder_stands_on_the_nearest_peaks_and_the_series_keeps_no_more(bars_of) -> None:
    rows = [(100, 200 - i, 10 + i, 100) for i in range(PEAKS + 20)]
    bars = bars_of(rows)
    assert ladder(bars, "long", 150) == tuple(Decimal(high) for high in range(151, 150 + 31))
    assert ladder(bars, "short", 60) == tuple(Decimal(low) for low in range(59, 59 - 30, -1))
    series = Series.from_bars("X", "1h", bars, RULES)
    assert len(series.highs) == len(series.lows) == PEAKS


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
def test_first_side_of_a_3_from_a_lower_frame(bars_of, path, expected) -> None:
    prior, bar = bars_of([PRIOR, (100, 106, 94, 104)])
    series = Series.from_bars("X", "1h", [prior], RULES)
    seen = series.forming_path()
    assert seen is not None
    for high, low in path:
        seen.through(Decimal(high), Decimal(low), Decimal(low))
    assert seen.first_side == expected
    assert series.close(bar, RULES, seen).labels().first_side == expected


def test_only_a_3_has_a_first_side(bars_of) -> None:
    prior, bar = bars_of([PRIOR, (100, 106, 96, 104)])
    series = Series.from_bars("X", "1h", [prior], RULES)
    seen = series.forming_path()
    assert seen is not None
    for price in (100, 106, 96, 104):
        seen.trade(Decimal(price))
    labels = series.close(bar, RULES, seen).labels()
    assert (seen.first_side, labels.first_side, labels.fifty) == ("long", None, "active")


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ((100, 105, 95, 102), "invalid"),
        ((104, 106, "100.01", 103), "standby"),
        ((104, 106, 97, 100), "active"),
        ((104, 106, 100, "100.01"), "unknown"),
        ((96, "99.99", 94, 98), "standby"),
        ((96, 103, 94, 100), "active"),
        ((96, 100, 94, "99.99"), "unknown"),
        ((100, 106, 94, 105), "complete"),
    ],
)
def test_fifty_percent_rule_as_far_as_the_bar_alone_tells_it(bars_of, row, state) -> None:
    assert labels_of(bars_of([PRIOR, row])).fifty == state


def test_what_a_lower_frame_leaves_open_a_later_bar_of_it_may_tell() -> None:
    for later, state in ((106, 101), "unknown"), ((103, 100), "active"), ((103, 94), "complete"):
        rule = FiftyPercentRule(Decimal(105), Decimal(95))
        rule.through(Decimal(106), Decimal(99), Decimal(104))
        assert rule.state == "unknown"
        high, low = map(Decimal, later)
        rule.through(high, low, high)
        assert (rule.state, rule.side) == (state, "short")


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


PRICES = st.lists(st.integers(90, 110), min_size=1)


@given(PRICES, st.data())
def test_a_lower_frame_tells_what_the_trades_tell_or_that_it_is_unknown(prices: list[int], data) -> None:
    by_trade, by_bar = FiftyPercentRule(Decimal(105), Decimal(95)), FiftyPercentRule(Decimal(105), Decimal(95))
    while prices:
        count = data.draw(st.integers(1, len(prices)))
        bar, prices = prices[:count], prices[count:]
        for price in bar:
            by_trade.trade(Decimal(price))
        by_bar.through(Decimal(max(bar)), Decimal(min(bar)), Decimal(bar[-1]))
        assert by_bar.state in (by_trade.state, "unknown")
        assert by_bar.first_side in (by_trade.first_side, None)


@given(PRICES)
def test_fifty_percent_rule_mirrors_and_completes_only_in_a_3(prices: list[int]) -> None:
    rule, mirrored = FiftyPercentRule(Decimal(105), Decimal(95)), FiftyPercentRule(Decimal(105), Decimal(95))
    for price in prices:
        rule.trade(Decimal(price))
        mirrored.trade(Decimal(200 - price))
    assert rule.state == mirrored.state
    assert (rule.state == "complete") == (max(prices) > 105 and min(prices) < 95)
    assert (rule.state == "invalid") == (max(prices) <= 105 and min(prices) >= 95)


# ── context ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_context_of_a_setup_has_every_label_of_its_bar_and_its_sides_ladder(bars_of) -> None:
    bars = bars_of([(100, 130, 70, 100), (100, 110, 90, 105), (105, 108, 85, 86), (87, 100, 87, 99)])
    series = Series("X", "1h")
    for bar in bars:
        closed = series.close(bar, RULES)
    long, short = closed.setups
    context = context_of(series, long, RULES)
    assert context == Context(
        color="green", in_force=False, failed_two=False, shape=None, machine_gun=None, lower_highs=3, higher_lows=1,
        mother_time=bars[0].open_time, mother_high=Decimal(130), mother_low=Decimal(70), fifty="invalid",
        first_side=None, ladder=(Decimal(110), Decimal(130)),
    )  # fmt: skip
    assert context_of(series, short, RULES).ladder == (Decimal(70),)
    assert msgspec.json.decode(msgspec.json.encode(context), type=Context) == context


def test_the_context_of_a_failed_2_is_under_the_setting_in_use(bars_of) -> None:
    series = Series("X", "1h")
    for bar in bars_of([(100, 110, 90, 100), (100, 111, 91, 95), (96, 112, 92, 100)]):
        closed = series.close(bar, RULES)
    (setup,) = closed.setups
    assert [context_of(series, setup, StratRules(failed=name)).failed_two for name in ("color", "reclaim")] == [
        False,
        True,
    ]


def test_a_setup_of_an_earlier_bar_has_no_context_any_more(bars_of) -> None:
    bars = bars_of([(100, 110, 90, 100), (100, 111, 89, 95), (96, 112, 92, 100)])
    series = Series.from_bars("X", "1h", bars[:2], RULES)
    assert series.closed is not None
    setup = series.closed.setups[0]
    context_of(series, setup, RULES)
    series.close(bars[2], RULES)
    with pytest.raises(InternalError, match="is not of the bar that closed last"):
        context_of(series, setup, RULES)
