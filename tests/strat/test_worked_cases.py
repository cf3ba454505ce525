"""The worked cases of worked.py, and lessons about closed bars that are told with such bars."""

import json as text
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from atlas.rules import StratRules
from atlas.strat.continuity import FULL_FRAMES, FrameView, full_side, read
from atlas.strat.labels import FiftyPercentRule, failed_two
from atlas.strat.naming import resolved
from atlas.strat.series import ClosedBar, Series
from atlas.strat.setup import Side
from tests.strat.worked import BEFORE, CASES, CONTINUITY, Aligned, Levels, Worked


def close_all(bars: list[Any], stop: str = "structure") -> list[ClosedBar]:
    series = Series("X", "1h")
    return [series.close(bar, StratRules(stop=stop)) for bar in bars]


def setup_bar(case: Worked) -> int:
    return -2 if case.entered or case.entry_bar else -1


def given(case: Worked) -> dict[Side, Levels]:
    sides: dict[Side, Levels | None] = {"long": case.long, "short": case.short}
    return {side: levels for side, levels in sides.items() if levels is not None}


def named(name: str) -> Any:
    return pytest.mark.parametrize("case", [case for case in CASES if name in case.labels], ids=lambda case: case.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_worked_case(bars_of, case: Worked) -> None:
    closed = close_all(bars_of([case.first, *case.rows]))
    assert closed[0].type is None
    assert [bar.type for bar in closed[1:]] == case.types.split()
    found = closed[setup_bar(case)].setups if case.rows else ()
    assert {s.name for s in found} == ({case.setup} if case.setup else set())
    assert {s.side: tuple(float(level) for level in (s.trigger, s.stop, s.target)) for s in found} == given(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.setup], ids=lambda case: case.name)
def test_the_setting_setup_bar_puts_the_stop_at_the_other_extreme_of_the_setup_bar(bars_of, case: Worked) -> None:
    closed = close_all(bars_of([case.first, *case.rows]), stop="setup_bar")[setup_bar(case)]
    for setup in closed.setups:
        assert setup.stop == (closed.bar.low if setup.side == "long" else closed.bar.high)
        assert float(setup.trigger) == given(case)[setup.side][0]


@pytest.mark.parametrize("case", [case for case in CASES if case.entered], ids=lambda case: case.name)
def test_the_entry_bar_breaks_the_side_it_is_named_for(bars_of, case: Worked) -> None:
    *_, before, entry = close_all(bars_of([case.first, *case.rows]))
    side: Side = "long" if case.entered.endswith("2U") else "short"
    (setup,) = (s for s in before.setups if s.side == side)
    assert resolved(setup.name, side) == case.entered
    assert entry.bar.high > setup.trigger if side == "long" else entry.bar.low < setup.trigger


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@named("failed")
def test_worked_failed_2s(bars_of, case: Worked) -> None:
    prior, bar = bars_of([case.first, *case.rows])[-2:]
    assert tuple(failed_two(bar, prior, setting) for setting in ("color", "reclaim")) == case.labels["failed"]


@named("shape")
def test_worked_shapes(bars_of, case: Worked) -> None:
    closed = close_all(bars_of([case.first, *case.rows]))
    assert closed[setup_bar(case)].labels().shape == case.labels["shape"]


@named("in_force")
def test_worked_in_force(bars_of, case: Worked) -> None:
    assert close_all(bars_of([case.first, *case.rows]))[-1].in_force == case.labels["in_force"]


@named("mother")
def test_worked_mother_bars(bars_of, case: Worked) -> None:
    mother = close_all(bars_of([case.first, *case.rows]))[-1].labels().mother
    assert (None if mother is None else (mother.high, mother.low)) == case.labels["mother"]


@named("gun")
def test_worked_machine_guns(bars_of, case: Worked) -> None:
    labels = close_all(bars_of([case.first, *case.rows]))[-1].labels()
    assert labels.machine_gun == case.labels["gun"]
    assert max(labels.lower_highs, labels.higher_lows) == case.labels["run"]


@named("ladder")
def test_worked_ladders(bars_of, case: Worked) -> None:
    bars = bars_of([case.first, *case.rows])
    ((side, (_, _, target)),) = given(case).items()
    until_setup_bar = bars[: len(bars) + 1 + setup_bar(case)]
    series = Series.from_bars("X", "1h", until_setup_bar, StratRules())
    assert series.ladder(side, Decimal(str(target))) == case.labels["ladder"]


@named("continuation")
def test_worked_continuations(bars_of, case: Worked) -> None:
    assert close_all(bars_of([case.first, *case.rows]))[-1].continuation == case.labels["continuation"]


@named("midpoint")
def test_worked_midpoints(bars_of, case: Worked) -> None:
    prior = bars_of([case.first, *case.rows])[-2]
    assert FiftyPercentRule(prior.high, prior.low).midpoint == case.labels["midpoint"]


@named("first")
def test_worked_first_sides_need_the_path(bars_of, case: Worked) -> None:
    prior, bar = bars_of([case.first, *case.rows])[-2:]
    high_first = (bar.high, bar.low)
    path = FiftyPercentRule(prior.high, prior.low)
    for price in high_first if case.labels["first"] == "long" else reversed(high_first):
        path.trade(price)
    assert path.first_side == case.labels["first"]
    assert close_all([prior, bar])[-1].labels().first_side is None, "the candle alone cannot tell"


def test_every_label_of_a_case_is_looked_at() -> None:
    looked_at = {"failed", "shape", "in_force", "mother", "gun", "run", "ladder", "continuation", "midpoint", "first"}
    assert {name for case in CASES for name in case.labels} == looked_at


# ── continuity ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CONTINUITY, ids=lambda case: case.name)
def test_worked_continuity(case: Aligned) -> None:
    opens = [Decimal(str(opened)) for opened in case.opens]
    frames = [FrameView(name, at, at, at, at, None, None) for name, at in zip(FULL_FRAMES, opens, strict=True)]
    price = Decimal(str(case.price))
    long, short = (read(side, price, frames, 3) for side in ("long", "short"))
    assert (len(long.agree), len(short.agree)) == case.agree
    assert full_side(price, frames) == case.full


# ── the shared golden folder ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.shared
def test_every_golden_case_is_told_here_or_says_what_overrules_it(shared: Path) -> None:
    golden = shared / "golden"
    for file, cases in (("strat_cases.json", CASES), ("continuity_cases.json", CONTINUITY)):
        names = [name for case in cases for name in case.of.split()]
        assert len(names) == len(set(names))
        assert set(names) == {case["name"] for case in text.loads((golden / file).read_text(encoding="utf-8"))}


@pytest.mark.shared
def test_what_overrules_a_case_is_a_line_of_the_spec(shared: Path) -> None:
    spec = (shared / "spec" / "strat.md").read_text(encoding="utf-8")
    overruled = [case.overruled for case in [*CASES, *CONTINUITY] if case.overruled]
    assert len(overruled) == 9
    assert [line for line in overruled if line not in spec] == []


@pytest.mark.shared
def test_a_case_has_the_types_and_the_direction_of_the_golden_case_it_tells(shared: Path) -> None:
    golden = {
        case["name"]: case for case in text.loads((shared / "golden" / "strat_cases.json").read_text(encoding="utf-8"))
    }
    told = [(case, golden[name]["expect"]) for case in CASES for name in case.of.split()]
    assert [case.name for case, expect in told if case.types.split() != expect["types"][1:]] == []
    for case, expect in told:
        if expect["direction"] and case.setup and not case.overruled:
            assert expect["direction"] in given(case), case.name


# ── lessons ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
