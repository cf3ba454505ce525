"""What a sweep is judged by: out of sample apart from in sample, nothing counted twice, luck told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import sqrt

import pytest

from atlas.backtest.statistics import deflated_sharpe, shape_of
from atlas.backtest.sweep.grid import Walk, Window
from atlas.backtest.sweep.summary import Runs, Summary, summarise
from atlas.backtest.sweep.task import ClosedTrade, Run
from atlas.performance import DayEquity, measure

DAY = timedelta(days=1)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def window(first: int, last: int) -> Window:
    return Window(JANUARY + first * DAY, JANUARY + last * DAY)


def run(over: Window, *nets: int) -> Run:
    """A trade of each net, one a day, on a deposit of 1000."""
    equity, days, trades = Decimal(1000), [], []
    days.append(DayEquity((over.start - DAY).date(), equity))
    for n, net in enumerate(nets):
        at = over.start + n * DAY
        equity += net
        days.append(DayEquity(at.date(), equity))
        trades.append(ClosedTrade(at, at + DAY / 2, Decimal(net), None))
    return Run(trades, days, measure([], Decimal(1000), days))


TRAIN, TEST = window(0, 5), window(5, 10)
LATER_TRAIN, LATER_TEST = window(5, 10), window(10, 15)
STEPS = [Walk(TRAIN, TEST), Walk(LATER_TRAIN, LATER_TEST)]


def judged(trials: list[tuple[dict[str, int], Runs]], steps: list[Walk], tried: int = 0, by: str = "net") -> Summary:
    return summarise(trials, steps, by, tried=tried, seed=1, resamples=200)  # type: ignore[arg-type]  # of a parameter


def test_out_of_sample_is_the_tests_only_and_in_sample_the_trainings_only() -> None:
    runs = {("A", TRAIN): run(TRAIN, 10, -5, 20), ("A", TEST): run(TEST, -1, 2)}
    (row,) = judged([({}, runs)], STEPS[:1]).rows
    assert (row.in_sample.trades, row.in_sample.net, row.in_sample.profit_factor) == (3, 25, 6)
    assert row.out_of_sample is not None
    assert (row.out_of_sample.trades, row.out_of_sample.net, row.out_of_sample.expectancy) == (2, 1, Decimal("0.5"))


def test_each_step_takes_what_was_best_in_its_training_and_is_judged_by_its_test() -> None:
    one = {
        ("A", TRAIN): run(TRAIN, 50, 50), ("A", TEST): run(TEST, -7, -7), ("A", LATER_TEST): run(LATER_TEST, 1000),
    }  # fmt: skip
    other = {("A", TRAIN): run(TRAIN, 1, 1), ("A", TEST): run(TEST, 3, 4), ("A", LATER_TEST): run(LATER_TEST, -20)}
    found = judged([({"x": 1}, one), ({"x": 2}, other)], STEPS)
    assert [(step.parameters, step.net) for step in found.steps] == [({"x": 1}, -14), ({"x": 2}, -20)]
    assert found.walk_forward is not None
    assert (found.walk_forward.trades, found.walk_forward.net) == (3, -34)


@pytest.mark.parametrize(
    ("by", "chosen"), [("net", 1), ("expectancy", 2), ("profit_factor", 3), ("sharpe", 4)]
)
def test_what_is_best_is_what_was_asked_for(by: str, chosen: int) -> None:
    nets = {1: (100, 90, -60, 30, 1), 2: (120, -10), 3: (20, 20, -1), 4: (6, 7, 6, 7, 6)}
    if by == "profit_factor":
        del nets[4]  # no loss at all is better than any factor
    trials = [({"x": x}, {("A", TRAIN): run(TRAIN, *its), ("A", TEST): run(TEST, 1)}) for x, its in nets.items()]
    (step,) = judged(list(trials), STEPS[:1], by=by).steps  # type: ignore[arg-type]  # dict is invariant
    assert step.parameters == {"x": chosen}


def test_trial_that_traded_nothing_is_never_chosen_over_one_that_lost() -> None:
    lost = {("A", TRAIN): run(TRAIN, -50), ("A", TEST): run(TEST, 1)}
    idle = {("A", TRAIN): run(TRAIN), ("A", TEST): run(TEST)}
    (step,) = judged([({"x": 1}, idle), ({"x": 2}, lost)], STEPS[:1]).steps
    assert step.parameters == {"x": 2}


def test_day_two_trainings_share_counts_once() -> None:
    first, second = window(0, 5), window(2, 7)
    runs = {("A", first): run(first, 1, 2, 3, 4, 5), ("A", second): run(second, 3, 4, 5, 6, 7)}
    (row,) = judged([({}, runs)], [Walk(first, window(5, 6)), Walk(second, window(7, 8))]).rows
    assert (row.in_sample.trades, row.in_sample.net) == (7, 28)


def test_daily_return_is_the_mean_of_the_products_and_the_sharpe_ratio_annual() -> None:
    runs = {("A", TRAIN): run(TRAIN, 10, -10, 30), ("B", TRAIN): run(TRAIN, 30, -30, 10)}
    (row,) = judged([({}, runs)], [Walk(TRAIN, None)]).rows
    a = [10 / 1000, -10 / 1010, 30 / 1000]
    b = [30 / 1000, -30 / 1030, 10 / 1000]
    shape = shape_of([(x + y) / 2 for x, y in zip(a, b, strict=True)])
    assert shape is not None
    assert row.in_sample.sharpe is not None
    assert float(row.in_sample.sharpe) == pytest.approx(shape.sharpe * sqrt(365))
    assert row.out_of_sample is None


def test_sharpe_ratios_are_deflated_by_all_rules_ever_tried() -> None:
    nets = {1: (10, -5, 20, 3, 4), 2: (1, -5, 2, 3, 4)}
    trials: list[tuple[dict[str, int], Runs]]
    trials = [({"x": x}, {("A", TRAIN): run(TRAIN, *its)}) for x, its in nets.items()]
    few, many = judged(trials, [Walk(TRAIN, None)], tried=0), judged(trials, [Walk(TRAIN, None)], tried=50)
    assert (few.trials, many.trials) == (2, 50)
    shapes = []
    for _, runs in trials:
        equity = [float(each.equity) for each in runs["A", TRAIN].equity]
        shapes.append(shape_of([b / a - 1 for a, b in pairwise(equity)]))
    first, second = shapes
    assert first is not None
    assert second is not None
    spread = (first.sharpe - second.sharpe) ** 2 / 2
    for found, tried in ((few, 2), (many, 50)):
        told = found.rows[0].in_sample.deflated_sharpe
        assert told is not None
        assert float(told) == pytest.approx(deflated_sharpe(first, tried, spread))
