"""How much of a result is luck: the deflated Sharpe ratio, and bootstrap intervals of expectancy and profit factor.

Sharpe ratios here are per observation (a day), not annualised. Sources: D. H. Bailey and M. López de Prado, "The
Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and Non-Normality", Journal of Portfolio
Management 40(5), 2014; B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

from collections.abc import Sequence
from math import e, isnan, sqrt
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_NORMAL: Final = NormalDist()
EULER: Final = 0.5772156649015329
"""Euler's and Mascheroni's constant."""
RESAMPLES: Final = 5_000
COVERAGE: Final = 0.95
_AT_ONCE: Final = 2_000_000
"""Trades drawn at once: what bounds the memory."""


class Shape(msgspec.Struct, frozen=True):
    """What the distribution of some returns is like. `kurtosis` of a normal distribution is 3."""

    count: int
    sharpe: float
    skew: float
    kurtosis: float


class Interval(msgspec.Struct, frozen=True):
    """From the lower to the upper end; an end is None where nothing bounds it."""

    low: float | None
    high: float | None


def shape_of(returns: Sequence[float]) -> Shape | None:
    """Return the shape of returns; None for fewer than three, or where none differs from another."""
    values = np.asarray(returns, dtype=np.float64)
    if len(values) < 3:
        return None
    deviation = float(values.std(ddof=1))
    if deviation <= 1e-12 * float(np.abs(values).max(initial=1e-300)):
        return None
    mean = float(values.mean())
    centred = (values - mean) / float(values.std())
    return Shape(len(values), mean / deviation, float((centred**3).mean()), float((centred**4).mean()))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio the best of so many trials shows if none of them is worth anything.

    `variance` is that of the Sharpe ratios of the trials. One trial was not chosen among any: 0.
    """
    if trials < 2:
        return 0.0
    return sqrt(variance) * (
        (1 - EULER) * _NORMAL.inv_cdf(1 - 1 / trials) + EULER * _NORMAL.inv_cdf(1 - 1 / (trials * e))
    )


def deflated_sharpe(found: Shape, trials: int, variance: float) -> float:
    """Return the probability that the true Sharpe ratio is above 0, given that this is the best of so many trials."""
    above = found.sharpe - expected_best_sharpe(trials, variance)
    spread = 1 - found.skew * found.sharpe + (found.kurtosis - 1) / 4 * found.sharpe**2
    if spread <= 0:  # only a distribution with less than its own least kurtosis has it
        return float("nan")
    return _NORMAL.cdf(above * sqrt(found.count - 1) / sqrt(spread))


def bootstrap(nets: Sequence[float], seed: int, resamples: int = RESAMPLES) -> tuple[Interval, Interval]:
    """Return the 95 % percentile intervals of the expectancy and of the profit factor of trades.

    Trades are drawn with replacement; the same seed, the same intervals. Below two trades nothing bounds them. A
    drawing without a loss has no profit factor; where more than the share outside have none, the upper end is None.
    """
    values = np.asarray(nets, dtype=np.float64)
    if len(values) < 2:
        return Interval(None, None), Interval(None, None)
    chance = np.random.default_rng(seed)
    means, factors = np.empty(resamples), np.empty(resamples)
    wins, losses = values.clip(min=0), -values.clip(max=0)
    step = max(1, _AT_ONCE // len(values))
    for first in range(0, resamples, step):
        rows = slice(first, min(first + step, resamples))
        drawn = chance.integers(0, len(values), (rows.stop - first, len(values)))
        means[rows] = values[drawn].mean(axis=1)
        lost = losses[drawn].sum(axis=1)
        won = wins[drawn].sum(axis=1)
        factors[rows] = np.where(lost > 0, won / np.where(lost > 0, lost, 1.0), np.where(won > 0, np.inf, np.nan))
    return _interval(means), _interval(factors)


def _interval(values: NDArray[np.float64]) -> Interval:
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return Interval(None, None)
    outside = (1 - COVERAGE) / 2
    # A drawn value, not one between two: infinity has no middle.
    low, high = (float(known[min(int(share * len(known)), len(known) - 1)]) for share in (outside, 1 - outside))
    return Interval(_finite(low), _finite(high))


def _finite(value: float) -> float | None:
    return None if isnan(value) or value in (float("inf"), float("-inf")) else value
