"""Lessons 1–118 of docs/lessons.md: the list and the tests agree, and tests about closed bars.

Lessons about one rule stand beside the tests of that rule; those about a live market or a restart in tests/actors.
"""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from atlas.market.aggregation import aggregate
from atlas.rules import StratRules
from atlas.strat.series import Series

CHECKOUT = Path(__file__).resolve().parents[2]
LAST = 118
RULES = StratRules()
NUMBERED = re.compile(r"test_lessons?_((?:\d+_(?:and_)?)+)")


class Line(NamedTuple):
    """One line of the list: a lesson, how it is kept, the test and how that was seen to fail."""

    number: int
    kept: str
    test: str
    broken: str


def lines() -> list[Line]:
    text = (CHECKOUT / "docs" / "lessons.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (\d+) \| (.+?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    every = [Line(int(number), kept, test.strip("`"), broken) for number, kept, test, broken in found]
    return [line for line in every if line.number <= LAST]


def numbered_tests() -> Iterator[tuple[int, str]]:
    """Each lesson's number with each test that bears it, of lessons 1 to LAST."""
    for path in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (match := NUMBERED.match(node.name)):
                for number in map(int, re.findall(r"\d+", match[1])):
                    if number <= LAST:
                        yield number, f"{path.relative_to(CHECKOUT / 'tests').as_posix()}::{node.name}"


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_names_every_lesson_in_order() -> None:
    numbers = [line.number for line in lines()]
    assert sorted(set(numbers)) == list(range(1, LAST + 1))
    assert numbers == sorted(numbers)


def test_the_list_names_exactly_the_tests_that_bear_a_number() -> None:
    listed = [(line.number, line.test) for line in lines() if line.test]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(numbered_tests())


def test_a_line_without_a_test_says_why_the_fault_is_impossible() -> None:
    for line in lines():
        if line.test:
            assert len(line.broken) > 15, f"lesson {line.number}: {line.test} was not seen to fail"
        else:
            assert line.kept.startswith("impossible by design: "), f"lesson {line.number}"


# ── closed bars ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_02_two_readings_of_the_same_closed_bar_give_one_id(bars_of) -> None:
    bars = bars_of([(15, 18, 12, 14), (15, 21, 13, 20), (18, 19, 11, 12)])
    read_now = Series.from_bars("X", "1h", bars[:-1], RULES).close(bars[-1], RULES)
    read_later = Series.from_bars("X", "1h", bars[:-1], RULES)
    read_later.forming_type(Decimal(30), Decimal(5))
    assert [setup.id for setup in read_now.setups] == [setup.id for setup in read_later.close(bars[-1], RULES).setups]
    assert [setup.id for setup in read_now.setups] == ["X:1h:20260101T0200Z:2U-2D-?:long"]


def test_lesson_17_the_last_closed_day_out_of_finer_bars_is_a_setup_bar(bars_of) -> None:
    first, higher, inside = (60, 70, 50, 65), (65, 80, 60, 75), (75, 78, 62, 64)
    closed, forming = aggregate(bars_of([first] * 4 + [higher] * 4 + [inside] * 4, "6h"), "1d", starts_whole=True)
    assert (len(closed), forming) == (3, None)
    setups = Series.from_bars("X", "1d", closed[:-1], RULES).close(closed[-1], RULES).setups
    assert [setup.name for setup in setups] == ["2U-1-?", "2U-1-?"]
    assert {setup.setup_time for setup in setups} == {datetime(2026, 1, 3, tzinfo=UTC)}
    assert {setup.valid_from for setup in setups} == {datetime(2026, 1, 4, tzinfo=UTC)}


def test_lesson_35_open_and_close_of_a_week_are_both_explicit_and_validity_counts_from_the_close(bars_of) -> None:
    bars = bars_of([(15, 18, 12, 14), (15, 21, 13, 20), (18, 19, 11, 12)], "1w")
    assert [bar.open_time.weekday() for bar in bars] == [0, 0, 0]
    assert {bar.close_time - bar.open_time for bar in bars} == {timedelta(days=7)}
    (setup,) = Series.from_bars("X", "1w", bars[:-1], RULES).close(bars[-1], RULES).setups
    assert (setup.setup_time, setup.valid_from) == (bars[-1].open_time, bars[-1].close_time)
    assert setup.valid_until == bars[-1].close_time + timedelta(days=7)
