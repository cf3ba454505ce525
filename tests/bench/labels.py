"""How fast The Strat is, over arrays and bar by bar. Run by `scripts/bench labels`; no test: it depends on the machine.

What goes over arrays is told as a ratio to `numpy.copyto` of the same bars' highs and lows in the same run, which is
the machine's memory and little else. Each ratio is the median over some rounds of the work's CPU time to that of a copy
just before and a copy just after it, so that what else the machine does hits both; bar by bar each hundred bars count
with their best round, half of the rounds before the arrays and half after them: what slows a machine lasts seconds.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.series import Series
from atlas.strat.vectors import BarLabels, label_all, types_of
from atlas.strat.vectors_setups import SetupArrays, setups_of
from tests.bench.figure import Figure, tell

ARRAY_LIMITS: Final = {"types": 1.2, "labels": 8.0, "setups": 60.0}
"""At most so many times numpy.copyto."""

BAR_LIMITS: Final = {"bar_without_setup": 2.0, "bar_with_setups": 15.0}
"""At most so many microseconds a bar."""

Prices = NDArray[np.int64]


def figures(bars: int = 10_000_000, rounds: int = 5, seed: int = 7) -> Iterator[Figure]:
    """Yield everything that is measured; `bars` go over arrays, of a random walk by `seed`."""
    first = bar_by_bar(rounds)
    copied, ratios = over_arrays(walk(bars, seed), rounds)
    again = bar_by_bar(rounds)
    yield Figure("labels", f"numpy.copyto of high and low, {bars:,} bars", copied, "ns a bar")
    for what, found in ratios.items():
        yield Figure("labels", f"{what} over arrays", found, "x copyto", most=ARRAY_LIMITS[what])
    for what, most in BAR_LIMITS.items():
        yield Figure("labels", what.replace("_", " "), min(first[what], again[what]), "us a bar", most=most)
    yield Figure("labels", "peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB")


def main() -> None:
    """Measure, print a line a figure, end with 1 if one is beyond its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench labels", description="How fast The Strat is.")
    parser.add_argument("--bars", type=int, default=10_000_000, help="how many over arrays (10 million)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    raise SystemExit(not tell(figures(wanted.bars, wanted.rounds, wanted.seed), wanted.json))


def walk(bars: int, seed: int) -> tuple[Prices, Prices, Prices, Prices]:
    """Return open, high, low and close in ticks of a random walk, every bar opening where the last closed."""
    chance = np.random.default_rng(seed)
    close = 10_000_000 + np.cumsum(chance.integers(-40, 41, bars))
    opened = np.empty_like(close)
    opened[0], opened[1:] = close[0], close[:-1]
    high = np.maximum(opened, close) + chance.integers(0, 40, bars)
    low = np.minimum(opened, close) - chance.integers(0, 40, bars)
    return opened, high, low, close


def over_arrays(columns: tuple[Prices, Prices, Prices, Prices], rounds: int) -> tuple[float, dict[str, float]]:
    """Return the nanoseconds a bar of copying highs and lows, and what else takes as multiples of it."""
    opened, high, low, close = columns
    copies = np.empty_like(high), np.empty_like(low)
    codes, labels, setups = np.empty(len(high), np.int8), BarLabels.empty(len(high)), SetupArrays.empty(high)
    rules = StratRules()

    def copy() -> None:
        np.copyto(copies[0], high)
        np.copyto(copies[1], low)

    work: dict[str, Callable[[], object]] = {
        "types": lambda: types_of(high, low, out=codes),
        "labels": lambda: label_all(opened, high, low, close, out=labels),
        "setups": lambda: setups_of(high, low, rules, out=setups),
    }
    copies_spent: list[float] = []
    ratios: dict[str, list[float]] = {what: [] for what in work}
    for call in (copy, *work.values()):
        call()  # touches the memory
    for _ in range(rounds):
        for what, call in work.items():
            before, spent, after = cpu_seconds(copy), cpu_seconds(call), cpu_seconds(copy)
            copies_spent += [before, after]
            ratios[what].append(spent / (before + after) * 2)
    copied = median(copies_spent) / len(high) * 1e9
    return copied, {what: median(found) for what, found in ratios.items()}


def cpu_seconds(call: Callable[[], object]) -> float:
    """Return the CPU time a call takes, which on a machine with nothing else to do is the time it takes."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def bar_by_bar(rounds: int) -> dict[str, float]:
    """Return the microseconds that closing a bar takes: one in a run of 1s from the start on, and one of a walk."""
    count, rules = 20_000, StratRules()
    inside = [(50_000_000, 90_000_000 - i, 10_000_000 + i, 50_000_000) for i in range(count)]
    walked = list(zip(*(column.tolist() for column in walk(count, 1)), strict=True))
    spent = {}
    for what, rows in (("bar_without_setup", inside), ("bar_with_setups", walked)):
        bars = [bar_of(i, row) for i, row in enumerate(rows)]
        parts = [bars[start : start + 100] for start in range(0, count, 100)]
        best = [float("inf")] * len(parts)
        for _ in range(rounds):
            series = Series("BIP-20DEC30-CDE", "1m")
            for place, part in enumerate(parts):
                best[place] = min(best[place], cpu_seconds(partial(close_all, series, part, rules)))
        series = Series("X", "1m")
        given = sum(bool(series.close(bar, rules).setups) for bar in bars)
        assert given == 0 if what == "bar_without_setup" else given > count * 0.99
        spent[what] = sum(best) / count * 1e6
    return spent


def close_all(series: Series, bars: list[Bar], rules: StratRules) -> None:
    """Close bars one by one, and look at nothing."""
    for bar in bars:
        series.close(bar, rules)


def bar_of(place: int, row: tuple[int, ...]) -> Bar:
    """Return a row in ticks of a cent as the minute bar of its place."""
    opens = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=place)
    opened, high, low, close = (Decimal(units).scaleb(-2) for units in row)
    return Bar("1m", opens, opens + timedelta(minutes=1), opened, high, low, close, Decimal(1))


if __name__ == "__main__":
    main()
