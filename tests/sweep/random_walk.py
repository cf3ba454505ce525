"""A made market for sweeps: minutes of a random walk that trends for a while, so that something is traded."""

from pathlib import Path

import numpy as np

from tests.data.candle_csv import START, write_csv


def walk_csv(path: Path, days: int, seed: int) -> Path:
    """Write so many days of minutes of a price about 60,000 on ticks of 0.01."""
    chance = np.random.default_rng(seed)
    count = days * 1440
    drift = np.repeat(chance.choice([-1.5, 1.5], count // 240 + 1), 240)[:count]
    close = 6_000_000 + np.cumsum(chance.normal(drift * 20, 2_000)).astype(np.int64)
    opened = np.concatenate(([6_000_000], close[:-1]))
    high = np.maximum(opened, close) + chance.integers(0, 1_500, count)
    low = np.minimum(opened, close) - chance.integers(0, 1_500, count)
    columns = (column.tolist() for column in (opened, high, low, close))
    rows = (
        f"{START + 60 * n},{o / 100:.2f},{h / 100:.2f},{lo / 100:.2f},{c / 100:.2f},1"
        for n, (o, h, lo, c) in enumerate(zip(*columns, strict=True))
    )
    return write_csv(path, rows)
