"""The table of setups, row by row and edge by edge."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from atlas.errors import ConfigurationError, InternalError
from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.series import ClosedBar, Series
from atlas.strat.setup import FAMILIES
from atlas.strat.setups import TABLE, continuation, validate

RULES = StratRules()
# Bars in the order of their names, each against the one before: a first bar without a type, then these.
FIRST = (100, 110, 90, 100)
OUTSIDE = (100, 120, 80, 110)  # 3 after FIRST
UP = (105, 115, 95, 112)  # 2U after FIRST
DOWN = (95, 105, 85, 88)  # 2D after FIRST


def close_all(bars: list[Bar], rules: StratRules = RULES) -> ClosedBar:
    series = Series("X", bars[0].timeframe)
    return [series.close(bar, rules) for bar in bars][-1]


def levels(closed: ClosedBar) -> list[tuple[str, str, str, Decimal, Decimal, Decimal]]:
    return [(s.name, s.family, s.side, s.trigger, s.stop, s.target) for s in closed.setups]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([FIRST, OUTSIDE, (105, 112, 88, 100)],
         [("3-1-?", "3-1", "long", 112, 80, 120), ("3-1-?", "3-1", "short", 88, 120, 80)]),
        ([FIRST, UP, (105, 112, 99, 100)],
         [("2U-1-?", "2-1", "long", 112, 95, 115), ("2U-1-?", "2-1", "short", 99, 115, 95)]),
        ([FIRST, DOWN, (95, 103, 87, 100)],
         [("2D-1-?", "2-1", "long", 103, 85, 105), ("2D-1-?", "2-1", "short", 87, 105, 85)]),
        ([FIRST, DOWN, (95, 103, 87, 100), (95, 101, 89, 100)],
         [("2D-1-1-?", "2-1", "long", 101, 85, 105), ("2D-1-1-?", "2-1", "short", 89, 105, 85)]),
        ([FIRST, OUTSIDE, (105, 112, 88, 100), (95, 101, 89, 100), (95, 100, 90, 99)],
         [("3-1-1-1-?", "3-1", "long", 100, 80, 120), ("3-1-1-1-?", "3-1", "short", 90, 120, 80)]),
        ([FIRST, UP, (105, 113, 93, 94)], [("2U-2D-?", "2-2", "long", 113, 93, 115)]),
        ([FIRST, DOWN, (90, 100, 80, 82)], [("2D-2D-?", "2-2", "long", 100, 80, 105)]),
        ([FIRST, DOWN, (90, 107, 87, 106)], [("2D-2U-?", "2-2", "short", 87, 107, 85)]),
        ([FIRST, UP, (105, 117, 99, 106)], [("2U-2U-?", "2-2", "short", 99, 117, 95)]),
        ([FIRST, OUTSIDE, (90, 112, 79, 80)], [("3-2D-?", "3-2-2", "long", 112, 79, 120)]),
        ([FIRST, OUTSIDE, (90, 121, 85, 119)], [("3-2U-?", "3-2-2", "short", 85, 121, 80)]),
        ([FIRST, (100, 108, 95, 100), (90, 105, 93, 94)], [("1-2D-?", "rev-strat", "long", 105, 93, 108)]),
        ([FIRST, (100, 108, 95, 100), (90, 109, 97, 98)], [("1-2U-?", "rev-strat", "short", 97, 109, 95)]),
    ],
)  # fmt: skip
def test_row_of_the_table(bars_of, rows, expected) -> None:
    assert levels(close_all(bars_of(rows))) == expected


@pytest.mark.parametrize(
    "before", [[FIRST], [FIRST, (100, 108, 95, 100)], [FIRST, UP], [FIRST, DOWN], [FIRST, OUTSIDE]]
)
def test_an_outside_bar_is_a_setup_whatever_came_before_it(bars_of, before) -> None:
    closed = close_all(bars_of([*before, (100, 200, 50, 120)]))
    assert [(s.name, s.side, s.trigger, s.stop) for s in closed.setups] == [
        ("3-?", "long", 200, 50),
        ("3-?", "short", 50, 200),
    ]


def test_lesson_19_target_of_a_3_is_the_nearer_of_risk_and_percent(bars_of) -> None:
    wide = close_all(bars_of([FIRST, (100, 120, 80, 110)]))  # 1.5 × risk = 60
    assert [s.target for s in wide.setups] == [Decimal("121.8"), Decimal("78.8")]
    tight = close_all(bars_of([(1000, 1001, 999, 1000), (1000, 1002, 998, 1000)]))  # 1.5 × risk = 6, 1.5 % = 15.03
    assert [s.target for s in tight.setups] == [Decimal(1008), Decimal(992)]


@pytest.mark.parametrize(
    ("setting", "targets"), [("risk", [180, 20]), ("percent", [Decimal("121.8"), Decimal("78.8")])]
)
def test_target_settings_of_a_3(bars_of, setting, targets) -> None:
    rules = StratRules(outside_target=setting)
    assert [s.target for s in close_all(bars_of([FIRST, OUTSIDE]), rules).setups] == targets


def test_lesson_18_structure_stop_is_the_extreme_of_the_bar_before_the_inside_bars(bars_of) -> None:
    rows = [FIRST, DOWN, (95, 103, 87, 100), (95, 101, 89, 100)]
    assert [s.stop for s in close_all(bars_of(rows)).setups] == [85, 105]


def test_setup_bar_stop_puts_every_stop_at_the_opposite_extreme_of_the_setup_bar(bars_of) -> None:
    rules = StratRules(stop="setup_bar")
    inside = close_all(bars_of([FIRST, DOWN, (95, 103, 87, 100), (95, 101, 89, 100)]), rules)
    assert [(s.trigger, s.stop) for s in inside.setups] == [(101, 89), (89, 101)]
    outside = close_all(bars_of([FIRST, OUTSIDE]), rules)
    assert [(s.trigger, s.stop) for s in outside.setups] == [(120, 80), (80, 120)]


def test_a_target_not_beyond_the_trigger_is_measured(bars_of) -> None:
    shared_high = close_all(bars_of([FIRST, DOWN, (95, 105, 87, 100)]))
    assert [(s.side, s.target, s.measured) for s in shared_high.setups] == [
        ("long", 105 + Decimal("1.5") * 20, True),
        ("short", 85, False),
    ]


def test_a_measured_target_uses_the_risk_of_the_stop_setting(bars_of) -> None:
    rows = [FIRST, DOWN, (95, 105, 87, 100)]
    long = close_all(bars_of(rows), StratRules(stop="setup_bar")).setups[0]
    assert (long.target, long.measured) == (105 + Decimal("1.5") * 18, True)


def test_reversal_sharing_its_high_with_the_bar_before_has_a_measured_target(bars_of) -> None:
    (long,) = close_all(bars_of([FIRST, UP, (105, 115, 93, 94)])).setups
    assert (long.name, long.target, long.measured) == ("2U-2D-?", 115 + Decimal("1.5") * 22, True)


def test_a_side_without_risk_is_not_emitted_and_the_other_stands_alone(bars_of) -> None:
    at_the_low = close_all(bars_of([FIRST, DOWN, (85, 85, 85, 85)]))
    (short,) = at_the_low.setups
    assert (short.side, short.trigger, short.stop, short.two_sided) == ("short", 85, 105, False)
    assert short.measured, "its target, the low, is the trigger"


def test_a_zero_range_setup_bar_gives_nothing_under_its_own_stop(bars_of) -> None:
    rows = [FIRST, DOWN, (95, 95, 95, 95)]
    assert close_all(bars_of(rows), StratRules(stop="setup_bar")).setups == ()
    assert len(close_all(bars_of(rows)).setups) == 2


def test_opposite_level_is_the_other_extreme_of_the_setup_bar_under_either_stop(bars_of) -> None:
    rows = [FIRST, DOWN, (95, 103, 87, 100), (95, 101, 89, 100)]
    for stop in ("structure", "setup_bar"):
        closed = close_all(bars_of(rows), StratRules(stop=stop))
        assert [s.opposite_level for s in closed.setups] == [89, 101]


def test_a_run_of_1s_without_a_typed_2_or_3_before_it_gives_nothing(bars_of) -> None:
    series = Series("X", "1h")
    for bar in bars_of([FIRST, (100, 108, 95, 100), (100, 107, 96, 100), (100, 107, 96, 100)]):
        assert series.close(bar, RULES).setups == ()


def test_a_2_after_the_first_bar_gives_nothing(bars_of) -> None:
    assert close_all(bars_of([FIRST, UP])).setups == ()
    assert close_all(bars_of([FIRST, DOWN])).setups == ()


def test_lesson_06_rev_strat_is_never_a_2_2(bars_of) -> None:
    inside_then_down = close_all(bars_of([FIRST, OUTSIDE, (105, 112, 88, 100), (100, 110, 85, 86)]))
    assert [s.family for s in inside_then_down.setups] == ["rev-strat"]


def test_lesson_07_the_break_of_a_rev_strat_is_named_so(bars_of) -> None:
    # 1, 2D, 2U: what the closed 2U gives is a setup of its own, a 2-2 short of 2D and 2U; never a 2-2 long.
    closed = close_all(bars_of([FIRST, (100, 108, 95, 100), (97, 105, 93, 94), (94, 106, 94, 105)]))
    assert [(s.name, s.side) for s in closed.setups] == [("2D-2U-?", "short")]


def test_lesson_08_a_3_then_a_2d_is_a_long_setup_before_the_next_bar_closes(bars_of) -> None:
    closed = close_all(bars_of([FIRST, OUTSIDE, (90, 112, 79, 80)]))
    (long,) = closed.setups
    assert (long.name, long.trigger, long.target) == ("3-2D-?", 112, 120)
    assert long.valid_from == closed.bar.close_time


def test_lesson_11_two_inside_bars_stay_a_setup_with_the_last_ones_bounds(bars_of) -> None:
    closed = close_all(bars_of([FIRST, DOWN, (95, 103, 87, 100), (95, 101, 89, 100)]))
    assert [(s.name, s.trigger) for s in closed.setups] == [("2D-1-1-?", 101), ("2D-1-1-?", 89)]


@pytest.mark.parametrize(
    ("rows", "held", "side"),
    [
        ([FIRST, UP, (105, 117, 99, 106)], "2U-2U", "short"),
        ([FIRST, DOWN, (90, 100, 80, 82)], "2D-2D", "long"),
        ([FIRST, OUTSIDE, (90, 121, 85, 119), (90, 122, 86, 119)], "3-2U-2U", "short"),
        ([FIRST, OUTSIDE, (90, 112, 79, 80), (90, 111, 78, 80)], "3-2D-2D", "long"),
    ],
)
def test_lesson_28_a_continuation_is_held_and_the_only_setup_is_against_it(bars_of, rows, held, side) -> None:
    closed = close_all(bars_of(rows))
    assert closed.continuation == held
    assert [s.side for s in closed.setups] == [side]


@pytest.mark.parametrize(
    ("c3", "c2", "c1", "name"),
    [
        (None, "2U", "2U", "2U-2U"),
        ("2D", "2U", "2U", "2U-2U"),
        ("1", "2D", "2D", "2D-2D"),
        ("3", "2U", "2U", "3-2U-2U"),
        ("3", "2D", "2D", "3-2D-2D"),
        ("3", "2U", "2D", None),
        ("2U", "2U", "1", None),
        ("1", "1", "1", None),
        ("3", "3", "3", None),
        (None, None, "2U", None),
    ],
)
def test_continuation_of_the_last_three_types(c3, c2, c1, name) -> None:
    assert continuation(c1, c2, c3) == name


def test_lesson_01_a_weekly_setup_lives_until_the_end_of_the_week_that_follows(bars_of) -> None:
    closed = close_all(bars_of([FIRST, DOWN, (95, 103, 87, 100)], "1w"))
    for setup in closed.setups:
        assert setup.valid_from == setup.setup_time + timedelta(days=7)
        assert setup.valid_until == setup.valid_from + timedelta(days=7)


def test_a_monthly_setup_lives_a_calendar_month(bars_of) -> None:
    closed = close_all(bars_of([FIRST, DOWN, (95, 103, 87, 100)], "1M"))
    assert closed.setups[0].setup_time == datetime(2026, 3, 1, tzinfo=UTC)
    assert closed.setups[0].valid_from == datetime(2026, 4, 1, tzinfo=UTC)
    assert closed.setups[0].valid_until == datetime(2026, 5, 1, tzinfo=UTC)


def test_bars_across_a_hole_are_neighbours_and_the_entry_bar_is_the_period_after_the_setup_bar(bars_of) -> None:
    bars = bars_of([FIRST, DOWN, FIRST, FIRST, (95, 103, 87, 100)])
    closed = close_all([bars[0], bars[1], bars[4]])
    assert closed.type == "1"
    assert closed.setups[0].name == "2D-1-?"
    assert closed.setups[0].valid_from == bars[4].close_time
    assert closed.setups[0].valid_until == bars[4].close_time + timedelta(hours=1)


def test_lesson_03_both_sides_have_ids_of_their_own(bars_of) -> None:
    closed = close_all(bars_of([FIRST, DOWN, (95, 103, 87, 100)]))
    assert [s.id for s in closed.setups] == ["X:1h:20260101T0200Z:2D-1-?:long", "X:1h:20260101T0200Z:2D-1-?:short"]
    assert all(s.two_sided for s in closed.setups)


def test_the_table_holds_every_family_and_each_pair_once() -> None:
    pairs = [(before, row.setup_bar) for row in TABLE for before in row.before]
    assert len(pairs) == len(set(pairs))
    assert {row.family for row in TABLE} == set(FAMILIES)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (StratRules(stop="tight"), "stop = 'tight'"),
        (StratRules(outside_target="far"), "outside_target = 'far'"),
        (StratRules(families=("2-2", "4-4")), "unknown family '4-4'"),
    ],
)
def test_unknown_settings_are_a_configuration_error(rules, said) -> None:
    with pytest.raises(ConfigurationError, match=said):
        validate(rules)


def test_the_defaults_are_valid() -> None:
    validate(RULES)


def test_a_bar_that_does_not_follow_is_refused(bars_of) -> None:
    first, second = bars_of([FIRST, UP])
    series = Series.from_bars("X", "1h", [first, second], RULES)
    with pytest.raises(InternalError, match="X 1h: the 1h bar at 2026-01-01 01:00"):
        series.close(second, RULES)
    with pytest.raises(InternalError, match="15m bar"):
        series.close(msgspec.structs.replace(second, timeframe="15m"), RULES)
    assert series == Series.from_bars("X", "1h", [first, second], RULES), "the refused bar has changed nothing"
