"""The common strategy in vectorbt: orders found by a compiled loop, the portfolio its. Run in its environment: … FILE…

A FILE is a CSV file, or a folder of columns as ATLAS keeps them (atlas/data/column_files.py). The loop is compiled by a
first call that does not count ("warm").
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
import vectorbt as vbt  # noqa: E402  its import warns
from numba import njit  # noqa: E402  as above

PER_BAR = 15


@njit(cache=False)
def orders(open_, high, low, close):  # type: ignore[no-untyped-def]  # compiled
    """Return size and price of two orders a minute at most: what is entered, and what is left, in it."""
    count = len(close)
    size, price = np.zeros((count, 2)), np.full((count, 2), np.nan)
    bars = count // PER_BAR
    tops, bottoms = np.empty(bars), np.empty(bars)
    for bar in range(bars):
        tops[bar] = high[bar * PER_BAR : (bar + 1) * PER_BAR].max()
        bottoms[bar] = low[bar * PER_BAR : (bar + 1) * PER_BAR].min()
    held, stop, target = 0, 0.0, 0.0
    long_target = short_target = top = bottom = 0.0
    armed = False
    for minute in range(count):
        if minute % PER_BAR == 0:
            bar = minute // PER_BAR - 1
            armed = False
            if bar >= 2 and held == 0 and tops[bar] < tops[bar - 1] and bottoms[bar] > bottoms[bar - 1]:
                up, down = tops[bar - 1] > tops[bar - 2], bottoms[bar - 1] < bottoms[bar - 2]
                armed = up != down
                top, bottom, long_target, short_target = tops[bar], bottoms[bar], tops[bar - 1], bottoms[bar - 1]
        if held == 0 and not armed:
            continue
        at = open_[minute]
        for point in range(4):
            to = (open_[minute], high[minute], low[minute], close[minute])[point]
            while True:
                level, deed = np.nan, 0
                if held == 0:
                    if not armed:
                        break
                    if to >= top or at >= top:
                        level, deed = max(top, at) if point == 0 else top, 1
                    elif to <= bottom or at <= bottom:
                        level, deed = min(bottom, at) if point == 0 else bottom, -1
                    if deed == 0:
                        break
                    held, armed = deed, False
                    stop, target = (bottom, long_target) if deed > 0 else (top, short_target)
                    size[minute, 0], price[minute, 0] = deed, level
                    at = level
                    continue
                if (to - stop) * held <= 0 or (at - stop) * held <= 0:
                    level = stop if point else (min(stop, at) if held > 0 else max(stop, at))
                elif (to - target) * held >= 0 or (at - target) * held >= 0:
                    level = target if point else (max(target, at) if held > 0 else min(target, at))
                else:
                    break
                size[minute, 1], price[minute, 1] = -held, level
                held = 0
                at = level
            at = to
    return size, price


def play(rows: pd.DataFrame) -> tuple[int, float]:
    """Return how many trades, and their net."""
    size, price = orders(*(rows[name].to_numpy() for name in ("open", "high", "low", "close")))
    flat = np.repeat(rows["close"].to_numpy(), 2)
    portfolio = vbt.Portfolio.from_orders(
        flat, size=size.ravel(), price=np.where(np.isnan(price.ravel()), flat, price.ravel()), fees=0.0005,
        init_cash=10_000_000.0,
    )  # fmt: skip
    return int(portfolio.trades.count()), float(portfolio.total_profit())


def read(path: Path) -> pd.DataFrame:
    """Return the prices of a file or a folder."""
    if not path.is_dir():
        return pd.read_csv(path)
    unit = 10 ** json.loads((path / "candles.json").read_text())["scale"]
    return pd.DataFrame({name: np.load(path / f"{name}.npy") / unit for name in ("open", "high", "low", "close")})


def main() -> None:
    """Play each file, one alone twice; print what came of the last and the CPU seconds that took."""
    paths = [Path(word) for word in sys.argv[1:]]
    for path in paths[:-1] or paths:
        play(read(path))
    rows = read(paths[-1])
    begun = time.process_time()
    trades, net = play(rows)
    print(json.dumps({"seconds": time.process_time() - begun, "trades": trades, "net": net}))


if __name__ == "__main__":
    main()
