"""What a grid names: every combination once, windows that never test what they were chosen by, clear faults."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.backtest.sweep.grid import WalkForward, Window, read_grid, tree_of, walks
from atlas.errors import ConfigurationError

DAY = timedelta(days=1)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = """
data = ["btc"]
products = ["BTC-USD"]
[grid]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return path


def test_every_combination_is_tried_once_in_order(tmp_path: Path) -> None:
    grid = read_grid(written(tmp_path, PLAIN + 'a.x = [1, 2]\n"b.y" = ["p", "q", "r"]'))
    assert list(grid.trials()) == [{"a.x": x, "b.y": y} for x in (1, 2) for y in "pqr"]


def test_values_may_be_lists_themselves(tmp_path: Path) -> None:
    grid = read_grid(written(tmp_path, PLAIN + 'strat.families = [["2-1"], ["2-1", "3-1"]]'))
    assert [each["strat.families"] for each in grid.trials()] == [["2-1"], ["2-1", "3-1"]]
    assert tree_of({"strat.families": ["2-1"], "strat.stop": "x"}) == {"strat": {"families": ["2-1"], "stop": "x"}}


@pytest.mark.parametrize("written_as", ["2026-02-01", '"2026-02-01"', "2026-02-01T00:00:00Z"])
def test_dates_are_read_in_every_way_toml_writes_them(tmp_path: Path, written_as: str) -> None:
    grid = read_grid(written(tmp_path, f"from = {written_as}\n{PLAIN}a.x = [1]"))
    assert grid.from_.startswith("2026-02-01")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data = [", "grid.toml: "),
        ('data = ["a"]\nproducts = ["A"]\n', "missing required field `grid`"),
        (PLAIN.replace("data =", "datum ="), "unknown field `datum`"),
        (PLAIN.replace('["btc"]', '["btc", "eth"]') + "a.x = [1]", "2 data and 1 products"),
        ('data = ["a", "b"]\nproducts = ["A", "A"]\n[grid]\na.x = [1]', "products names A twice"),
        (PLAIN + "a.x = 1", "grid.a.x = 1 is no list of values; write [1]"),
        (PLAIN + "a.x = []", "grid.a.x = [] is no list of values"),
        (PLAIN + "a.x = [1]\n[walk_forward]\ntrain_days = 0\ntest_days = 1", "walk_forward.train_days = 0"),
        (PLAIN + "a.x = [1]\n[walk_forward]\ntrain_days = 9\ntest_days = 5\nstep_days = 4", "the tests would overlap"),
        (PLAIN + 'a.x = [1]\n[walk_forward]\ntrain_days = 9\ntest_days = 5\nchoose_by = "luck"', "'luck'"),
    ],
)
def test_fault_of_a_grid_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        read_grid(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_grid_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: No such file"):
        read_grid(tmp_path / "none.toml")


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 30), st.booleans(), st.integers(1, 120))
def test_no_day_is_tested_twice_nor_by_what_it_was_chosen_by(
    train: int, test: int, step: int, anchored: bool, days: int
) -> None:
    step = step and max(step, test)
    asked = WalkForward(train_days=train, test_days=test, step_days=step, anchored=anchored)
    end = JANUARY + days * DAY
    if days <= train:
        with pytest.raises(ConfigurationError, match="leave nothing to test"):
            walks(asked, JANUARY, end)
        return
    found = walks(asked, JANUARY, end)
    for walk in found:
        assert walk.test is not None
        assert walk.train.end == walk.test.start < walk.test.end <= end
        assert walk.test.end - walk.test.start == min(test * DAY, end - walk.test.start)
        assert walk.train.start == (JANUARY if anchored else walk.train.end - train * DAY)
    tests = [walk.test for walk in found if walk.test is not None]
    assert all(one.end <= other.start for one, other in pairwise(tests))
    if not step:
        assert tests[0].start == JANUARY + train * DAY
        assert tests[-1].end == end


def test_without_a_walk_forward_all_of_the_time_is_one_window() -> None:
    (walk,) = walks(None, JANUARY, JANUARY + 9 * DAY)
    assert (walk.train, walk.test) == (Window(JANUARY, JANUARY + 9 * DAY), None)
