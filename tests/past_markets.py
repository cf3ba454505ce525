"""Markets as hypothesis makes them: gaps, holes, equal highs, zero ranges, jumps through stop and target."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from atlas.market.candle_file import CandleFile
from tests.past_candles import DAY

TICK = 50  # In units of 0.01: prices on a tick of 0.5.


def candles(prices: list[tuple[int, int, int, int]], times: list[int], volumes: list[int], step: int) -> CandleFile:
    """Return candles in ticks of 0.5 as a file would be read."""
    columns = [np.array(column, np.int64) * TICK for column in zip(*prices, strict=True)]
    return CandleFile(
        path=Path("made.csv"), symbol="made", interval=step, scale=2, tick_units=TICK, volume_scale=1,
        times=np.array(times, np.int64), open=columns[0], high=columns[1], low=columns[2], close=columns[3],
        volume=np.array(volumes, np.int64),
    )  # fmt: skip


@st.composite
def markets(draw: st.DrawFn, *, step: int = 60, least: int = 200, most: int = 700, reach: int = 40) -> CandleFile:
    """A market of so many candles. A seed makes the bulk, for few draws would make only short ones; `reach` in ticks.

    How often it gaps, jumps, stands still, repeats its extremes and does not trade at all is drawn.
    """
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(least, most))
    gap, jump, still, equal, hole = (draw(st.sampled_from((0.0, 0.02, 0.2))) for _ in range(5))
    prices, times, volumes = list[tuple[int, int, int, int]](), list[int](), list[int]()
    last, at, before = 100_000, DAY, (100_000, 100_000)
    for _ in range(count):
        opened = last + (int(chance.integers(-3 * reach, 3 * reach + 1)) if chance.random() < gap else 0)
        wide = reach * (12 if chance.random() < jump else 1)
        close = opened + int(chance.integers(-wide, wide + 1))
        high = max(opened, close) + int(chance.integers(0, wide))
        low = min(opened, close) - int(chance.integers(0, wide))
        if chance.random() < still:
            opened = high = low = close = last
        elif chance.random() < equal and before[1] <= min(opened, close) and max(opened, close) <= before[0]:
            high, low = before
        prices.append((opened, high, low, close))
        times.append(at)
        volumes.append(int(chance.integers(0, 9)))
        last, before = close, (high, low)
        at += step * (1 + (int(chance.integers(1, 40)) if chance.random() < hole / 10 else 0))
    return candles(prices, times, volumes, step)
