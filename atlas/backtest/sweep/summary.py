"""What came of a sweep: each trial over all products, what it was chosen by beside what it was not, and how much luck.

Sharpe ratios: the daily return of a trial is the mean of its products' returns on that day; × √365 where told.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import sqrt
from statistics import variance

import msgspec

from atlas.backtest.statistics import Interval, Shape, bootstrap, deflated_sharpe, shape_of
from atlas.backtest.sweep.grid import Criterion, Parameters, Walk, Window
from atlas.backtest.sweep.task import ClosedTrade, Run
from atlas.money.rounding import ratio

Runs = Mapping[tuple[str, Window], Run]
"""Product and window → what came of one trial there."""


class Part(msgspec.Struct, frozen=True):
    """A trial over some windows. `net` and `expectancy` in USD, `sharpe` annual; None where nothing defines it.

    `deflated_sharpe` is the probability that the true Sharpe ratio is above 0 although this is the best of all trials.
    """

    trades: int
    win_rate: Decimal | None
    net: Decimal
    expectancy: Decimal | None
    expectancy_low: Decimal | None
    expectancy_high: Decimal | None
    profit_factor: Decimal | None
    profit_factor_low: Decimal | None
    profit_factor_high: Decimal | None
    sharpe: Decimal | None
    deflated_sharpe: Decimal | None


class TrialRow(msgspec.Struct, frozen=True):
    """One trial. `out_of_sample` is None in a sweep without a walk forward."""

    parameters: Parameters
    in_sample: Part
    out_of_sample: Part | None


class Step(msgspec.Struct, frozen=True):
    """One step of the walk forward: what was chosen in its training, and what that then did."""

    train: Window
    test: Window
    parameters: Parameters
    trades: int
    net: Decimal


class Summary(msgspec.Struct, frozen=True):
    """All of it. `trials` is what the Sharpe ratios are deflated by: every set of rules ever tried on this past.

    `walk_forward` is what choosing anew at each step would have had: it was not chosen by what it is judged by, so its
    Sharpe ratio is deflated by one trial only.
    """

    trials: int
    rows: list[TrialRow]
    steps: list[Step]
    walk_forward: Part | None


class _Pool(msgspec.Struct):
    """Trades and daily returns from several runs; what overlapping windows tell twice counts once."""

    trades: dict[tuple[str, ClosedTrade], None] = {}
    returns: dict[date, dict[str, float]] = {}

    def add(self, product: str, run: Run) -> None:
        """Take what one run tells of a product."""
        self.trades.update(dict.fromkeys((product, trade) for trade in run.trades))
        for before, after in zip(run.equity, run.equity[1:], strict=False):
            if before.equity > 0:
                self.returns.setdefault(after.day, {}).setdefault(product, float(after.equity / before.equity - 1))

    @property
    def nets(self) -> list[Decimal]:
        """The net of each trade in the order of exits."""
        return [trade.net for _, trade in sorted(self.trades, key=_closed)]

    @property
    def daily(self) -> list[float]:
        """The return of each day, oldest first."""
        return [sum(each.values()) / len(each) for _, each in sorted(self.returns.items())]


def summarise(
    trials: Sequence[tuple[Parameters, Runs]],
    walk: Sequence[Walk],
    choose_by: Criterion,
    *,
    tried: int,
    seed: int,
    resamples: int,
) -> Summary:
    """Return what came of every trial; `tried` is how many sets of rules this past has seen, these included."""
    tried = max(tried, len(trials))
    trains, tests = [step.train for step in walk], [step.test for step in walk if step.test is not None]
    pools = [(_pool(runs, trains), _pool(runs, tests)) for _, runs in trials]
    inside = [shape_of(train.daily) for train, _ in pools]
    outside = [shape_of(test.daily) for _, test in pools]
    spread, spread_outside = _variance(inside), _variance(outside)
    rows = [
        TrialRow(
            parameters,
            _part(train, shape, tried, spread, seed, resamples),
            _part(test, shape_outside, tried, spread_outside, seed, resamples) if tests else None,
        )
        for (parameters, _), (train, test), shape, shape_outside in zip(trials, pools, inside, outside, strict=True)
    ]
    steps, walked = [], _Pool()
    for step in walk:
        if step.test is None:
            continue
        parameters, runs = max(trials, key=lambda trial: _merit(_pool(trial[1], [step.train]), choose_by))
        judged = _pool(runs, [step.test])
        steps.append(Step(step.train, step.test, parameters, len(judged.trades), sum(judged.nets, Decimal(0))))
        for (product, window), run in runs.items():
            if window == step.test:
                walked.add(product, run)
    forward = _part(walked, shape_of(walked.daily), 1, 0.0, seed, resamples) if steps else None
    return Summary(tried, rows, steps, forward)


def _pool(runs: Runs, windows: Iterable[Window]) -> _Pool:
    pool, wanted = _Pool(), set(windows)
    for (product, window), run in sorted(runs.items(), key=lambda each: (each[0][1], each[0][0])):
        if window in wanted:
            pool.add(product, run)
    return pool


def _closed(key: tuple[str, ClosedTrade]) -> tuple[datetime, datetime, str]:
    product, trade = key
    return trade.closed, trade.entered, product


def _variance(shapes: Sequence[Shape | None]) -> float:
    sharpes = [shape.sharpe for shape in shapes if shape is not None]
    return variance(sharpes) if len(sharpes) > 1 else 0.0


def _merit(pool: _Pool, choose_by: Criterion) -> float:
    """Return how good a trial was in training; one without a trade is the worst."""
    nets = [float(net) for net in pool.nets]
    if not nets:
        return float("-inf")
    if choose_by == "net":
        return sum(nets)
    if choose_by == "expectancy":
        return sum(nets) / len(nets)
    if choose_by == "profit_factor":
        lost = -sum(net for net in nets if net < 0)
        return sum(net for net in nets if net > 0) / lost if lost else float("inf")
    shape = shape_of(pool.daily)
    return float("-inf") if shape is None else shape.sharpe


def _part(pool: _Pool, shape: Shape | None, trials: int, spread: float, seed: int, resamples: int) -> Part:
    nets = pool.nets
    won, lost = sum((net for net in nets if net > 0), Decimal(0)), -sum((net for net in nets if net < 0), Decimal(0))
    expectancy, factor = bootstrap([float(net) for net in nets], seed, resamples)
    return Part(
        trades=len(nets),
        win_rate=ratio(Decimal(sum(net > 0 for net in nets)) / len(nets)) if nets else None,
        net=won - lost,
        expectancy=ratio((won - lost) / len(nets)) if nets else None,
        **_ends("expectancy", expectancy),
        profit_factor=ratio(won / lost) if lost else None,
        **_ends("profit_factor", factor),
        sharpe=None if shape is None else _number(shape.sharpe * sqrt(365)),
        deflated_sharpe=None if shape is None else _number(deflated_sharpe(shape, trials, spread)),
    )


def _ends(name: str, interval: Interval) -> dict[str, Decimal | None]:
    return {
        f"{name}_{end}": None if value is None else _number(value)
        for end, value in (("low", interval.low), ("high", interval.high))
    }


def _number(value: float) -> Decimal | None:
    """Return a statistic; None for one that is not defined."""
    return ratio(Decimal(value)) if value == value else None
