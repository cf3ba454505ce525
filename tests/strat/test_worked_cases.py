"""Worked cases of the project's own: bars as a trader draws them, and what each last bar is and allows.

A row is open, high, low, close. Stops are those of the setting `structure`.
"""

from typing import Any, NamedTuple

import pytest
from msgspec import json

from atlas.rules import StratRules
from atlas.strat.series import ClosedBar, Series

BEFORE = (50, 60, 40, 52)
Row = tuple[float, float, float, float]


class Worked(NamedTuple):
    """`types` of the bars after BEFORE, and the last one's setups: name and, a side, trigger, stop, target."""

    name: str
    rows: list[Row]
    types: str
    setup: str = ""
    long: tuple[float, float, float] | None = None
    short: tuple[float, float, float] | None = None


CASES = [
    Worked("both extremes equal is inside", [(50, 60, 40, 45)], "1"),
    Worked("one tick over an equal low is a 2U", [(50, 60.01, 40, 55)], "2U"),
    Worked("one tick under an equal high is a 2D", [(50, 60, 39.99, 45)], "2D"),
    Worked("a whole bar above the last is a 2U, gap or not", [(65, 70, 62, 66)], "2U"),
    Worked("a gap up that sells through the old low is a 3", [(62, 63, 39, 41)], "3", "3-?", (63, 39, 63.945),
           (39, 63, 38.415)),
    Worked("a single price is a bar like any other", [(50, 50, 50, 50)], "1"),
    Worked("each inside bar is measured against the one before it", [(50, 58, 42, 51), (50, 57, 43, 51),
                                                                     (50, 57.5, 43, 51)], "1 1 2U", "1-2U-?",
           short=(43, 57.5, 21.25)),
    Worked("2-1-2 up or down after a 2D", [(48, 58, 34, 36), (38, 50, 36, 44)], "2D 1", "2D-1-?", (50, 34, 58),
           (36, 58, 34)),
    Worked("2-1-2 up or down after a 2U", [(52, 66, 44, 64), (60, 63, 48, 55)], "2U 1", "2U-1-?", (63, 44, 66),
           (48, 66, 44)),
    Worked("3-1-2 after a red 3", [(58, 64, 36, 38), (42, 52, 40, 50)], "3 1", "3-1-?", (52, 36, 64), (40, 64, 36)),
    Worked("3-1-2 after a green 3", [(42, 64, 36, 62), (60, 62, 50, 56)], "3 1", "3-1-?", (62, 36, 64), (50, 64, 36)),
    Worked("two 1s: triggers of the last, stop and target of the 3", [(42, 64, 36, 62), (60, 62, 50, 56),
                                                                      (56, 61, 51, 57)], "3 1 1", "3-1-1-?",
           (61, 36, 64), (51, 64, 36)),
    Worked("2-2 down out of an advance", [(54, 68, 50, 66), (66, 76, 62, 74)], "2U 2U", "2U-2U-?", short=(62, 76, 50)),
    Worked("2-2 up after a failed advance", [(54, 68, 50, 66), (64, 67, 47, 49)], "2U 2D", "2U-2D-?",
           long=(67, 47, 68)),
    Worked("2-2 up out of a decline", [(46, 50, 34, 36), (36, 44, 28, 30)], "2D 2D", "2D-2D-?", long=(44, 28, 50)),
    Worked("2-2 down after a failed decline", [(46, 50, 34, 36), (36, 52, 35, 51)], "2D 2U", "2D-2U-?",
           short=(35, 52, 34)),
    Worked("3-2-2 down", [(54, 66, 34, 60), (60, 72, 56, 70)], "3 2U", "3-2U-?", short=(56, 72, 34)),
    Worked("3-2-2 up", [(54, 66, 34, 40), (40, 44, 30, 32)], "3 2D", "3-2D-?", long=(44, 30, 66)),
    Worked("rev strat up", [(52, 56, 44, 50), (48, 53, 42, 43)], "1 2D", "1-2D-?", long=(53, 42, 56)),
    Worked("rev strat down", [(52, 56, 44, 50), (52, 58, 47, 57)], "1 2U", "1-2U-?", short=(47, 58, 44)),
    Worked("inside, outside, inside is a 3-1", [(52, 56, 44, 50), (50, 57, 43, 44), (46, 54, 45, 53)], "1 3 1", "3-1-?",
           (54, 43, 57), (45, 57, 43)),
    Worked("a 3 after a 3 is a 3", [(50, 62, 38, 60), (60, 63, 37, 38)], "3 3", "3-?", (63, 37, 63.945),
           (37, 63, 36.445)),
    Worked("inside bars from the first bar on are nothing", [(50, 58, 42, 51), (50, 57, 43, 51)], "1 1"),
]  # fmt: skip


def close_all(bars: list[Any]) -> list[ClosedBar]:
    series = Series("X", "1h")
    return [series.close(bar, StratRules()) for bar in bars]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_worked_case(bars_of, case: Worked) -> None:
    closed = close_all(bars_of([BEFORE, *case.rows]))
    assert closed[0].type is None
    assert [bar.type for bar in closed[1:]] == case.types.split()
    found = {s.side: s for s in closed[-1].setups}
    assert {s.name for s in found.values()} == ({case.setup} if case.setup else set())
    for side, expected in (("long", case.long), ("short", case.short)):
        assert (side in found) == (expected is not None)
        if expected is not None:
            levels = found[side].trigger, found[side].stop, found[side].target
            assert tuple(float(level) for level in levels) == expected


RULES = StratRules()
ADVANCE = [BEFORE, (52, 66, 44, 64)]  # a 2U


def test_lesson_04_a_3_is_a_setup_for_one_bar_only(bars_of) -> None:
    outside, *later = close_all(
        bars_of([BEFORE, (54, 66, 34, 60), (50, 64, 36, 51), (51, 63, 37, 50), (51, 67, 38, 66)])
    )[1:]
    assert {s.name for s in outside.setups} == {"3-?"}
    assert all(s.name != "3-?" for bar in later for s in bar.setups)
    assert outside.setups[0].valid_until == later[0].bar.close_time


def test_lesson_09_an_inside_bar_after_a_2_turns_the_setup_into_a_2_1(bars_of) -> None:
    closed = close_all(bars_of([*ADVANCE, (64, 65, 43, 45), (46, 60, 44, 50)]))
    assert [[s.name for s in bar.setups] for bar in closed[2:]] == [["2U-2D-?"], ["2D-1-?", "2D-1-?"]]


def test_lesson_10_the_opposite_level_of_a_reversal_is_its_setup_bars_low(bars_of) -> None:
    (long,) = close_all(bars_of([*ADVANCE, (64, 65, 43, 45)]))[-1].setups
    assert (long.side, long.opposite_level, long.two_sided) == ("long", 43, False)


def test_lesson_13_the_trigger_is_the_extreme_of_the_setup_bar_to_the_digit(bars_of) -> None:
    bars = bars_of([*ADVANCE, (60, "63.12345678", "48.87654321", 55)])
    long, short = close_all(bars)[-1].setups
    assert (str(long.trigger), str(short.trigger)) == ("63.12345678", "48.87654321")


def test_lesson_16_17_the_newest_closed_bar_is_a_setup_bar(bars_of) -> None:
    bars = bars_of([*ADVANCE, (60, 63, 48, 55)])
    for setup in close_all(bars)[-1].setups:
        assert setup.setup_time == bars[-1].open_time


def test_lesson_21_22_each_side_of_a_two_sided_setup_has_levels_of_its_own(bars_of) -> None:
    long, short = close_all(bars_of([*ADVANCE, (60, 63, 48, 55)]))[-1].setups
    assert long.stop < long.trigger < long.target
    assert short.target < short.trigger < short.stop


def test_lesson_34_the_next_close_replaces_all_setups(bars_of) -> None:
    closed = close_all(bars_of([BEFORE, (54, 66, 34, 60), (60, 67, 50, 66), (66, 70, 49, 50)]))
    names = [{s.name for s in bar.setups} for bar in closed]
    assert names == [set(), {"3-?"}, {"3-2U-?"}, {"3-?"}]


def test_lesson_36_a_long_run_of_inside_bars_stays_a_setup(bars_of) -> None:
    run = [(50, 65 - i, 45 + i, 50) for i in range(8)]
    closed = close_all(bars_of([*ADVANCE, *run]))
    long, short = closed[-1].setups
    assert long.name == "2U-" + "1-" * 8 + "?"
    assert (long.stop, long.target, short.stop, short.target) == (44, 66, 66, 44)


def test_lesson_37_setups_come_in_the_order_of_their_bars_long_first(bars_of) -> None:
    rows = [*ADVANCE, (60, 63, 48, 55), (54, 66, 34, 60), (60, 72, 56, 70), (60, 71, 57, 58)]
    setups = [s for bar in close_all(bars_of(rows)) for s in bar.setups]
    assert len(setups) > 5
    assert setups == sorted(setups, key=lambda s: (s.setup_time, s.side != "long"))


def test_lesson_38_all_bars_at_once_and_one_by_one_give_the_same_bytes(bars_of) -> None:
    bars = bars_of([*ADVANCE, (60, 63, 48, 55), (54, 66, 34, 60), (60, 72, 56, 70)])
    live = Series("X", "1h")
    for bar in bars[:-1]:
        live = json.decode(json.encode(live), type=Series)
        live.close(bar, RULES)
    backtest = Series.from_bars("X", "1h", bars[:-1], RULES)
    assert json.encode(live.close(bars[-1], RULES)) == json.encode(backtest.close(bars[-1], RULES))
