"""The deflated Sharpe ratio against its authors' example, and intervals that hold what they claim."""

from itertools import product
from math import sqrt

import numpy as np
import pytest

from atlas.backtest.statistics import (
    Interval,
    Shape,
    bootstrap,
    deflated_sharpe,
    expected_best_sharpe,
    shape_of,
)

PAPER = Shape(count=1250, sharpe=2.5 / sqrt(250), skew=-3.0, kurtosis=10.0)
"""Bailey and López de Prado 2014, "A numerical example": annual Sharpe 2.5 over five years of 250 days."""


def test_the_best_of_a_hundred_is_that_of_the_paper() -> None:
    assert expected_best_sharpe(100, 1 / (2 * 250)) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(("trials", "deflated"), [(100, 0.9004), (46, 0.9505)])
def test_deflated_sharpe_is_that_of_the_paper(trials: int, deflated: float) -> None:
    assert deflated_sharpe(PAPER, trials, 1 / (2 * 250)) == pytest.approx(deflated, abs=5e-5)


def test_more_trials_deflate_more() -> None:
    found = [deflated_sharpe(PAPER, trials, 1 / 500) for trials in (1, 2, 10, 100, 10_000)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5


def test_expected_best_is_what_worthless_trials_really_show() -> None:
    chance = np.random.default_rng(11)
    best = chance.standard_normal((4_000, 50)).max(axis=1).mean()
    assert expected_best_sharpe(50, 1.0) == pytest.approx(best, rel=0.02)


def test_shape_is_that_of_the_moments() -> None:
    returns = [0.01, -0.02, 0.03, 0.0, 0.01]
    found = shape_of(returns)
    assert found is not None
    mean = sum(returns) / 5
    second, third, fourth = (sum((r - mean) ** n for r in returns) / 5 for n in (2, 3, 4))
    assert found.sharpe == pytest.approx(mean / sqrt(second * 5 / 4))
    assert (found.skew, found.kurtosis) == pytest.approx((third / second**1.5, fourth / second**2))


@pytest.mark.parametrize("returns", [[], [0.1, 0.2], [0.01] * 30, [0.0] * 30])
def test_returns_that_are_few_or_all_alike_have_no_shape(returns: list[float]) -> None:
    assert shape_of(returns) is None


def test_interval_of_two_trades_is_that_of_all_their_drawings() -> None:
    """Of trades 3 and -1 the drawings are (3 3), (3 -1), (-1 3), (-1 -1), each a quarter of the time."""
    expectancy, factor = bootstrap([3.0, -1.0], seed=5)
    assert {sum(each) / 2 for each in product((3.0, -1.0), repeat=2)} == {3.0, 1.0, -1.0}
    assert expectancy == Interval(-1.0, 3.0)
    assert factor == Interval(0.0, None)  # a quarter of the drawings has no loss


def test_interval_of_the_mean_is_that_of_the_normal_distribution_where_trades_are_many() -> None:
    nets = np.random.default_rng(3).normal(2.0, 10.0, 4_000)
    expectancy, factor = bootstrap(nets.tolist(), seed=1)
    wide = 1.96 * nets.std() / sqrt(len(nets))
    assert expectancy.low == pytest.approx(nets.mean() - wide, abs=0.05)
    assert expectancy.high == pytest.approx(nets.mean() + wide, abs=0.05)
    assert factor.low is not None
    assert factor.high is not None
    assert factor.low < nets.clip(min=0).sum() / -nets.clip(max=0).sum() < factor.high


def test_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    nets = np.random.default_rng(3).normal(2.0, 10.0, 40).tolist()
    assert bootstrap(nets, seed=1) == bootstrap(nets, seed=1)
    assert bootstrap(nets, seed=1) != bootstrap(nets, seed=2)


def test_what_memory_is_bounded_by_changes_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = np.random.default_rng(3).normal(2.0, 10.0, 40).tolist()
    whole = bootstrap(nets, seed=1)
    monkeypatch.setattr("atlas.backtest.statistics._AT_ONCE", 40 * 7)
    assert bootstrap(nets, seed=1) == whole


@pytest.mark.parametrize("nets", [[], [5.0]])
def test_below_two_trades_nothing_bounds_them(nets: list[float]) -> None:
    assert bootstrap(nets, seed=1) == (Interval(None, None), Interval(None, None))


def test_trades_that_all_won_have_no_upper_profit_factor() -> None:
    assert bootstrap([1.0, 2.0, 3.0], seed=1)[1] == Interval(None, None)
