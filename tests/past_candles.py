"""A market of one's own as a file of 1m candles: seeded, so that two tests may ask for the same."""

from pathlib import Path

import numpy as np

DAY = 1_772_582_400  # Wednesday 2026-03-04 00:00 UTC


def written(place: Path, seed: int, days: int, name: str = "made_BTC_1m_x.csv", begins: int = DAY) -> Path:
    """Write a random walk on a tick of 0.5 around 60 000, opening each minute where the last closed."""
    chance = np.random.default_rng(seed)
    minutes = days * 1440
    close = 120_000 + np.cumsum(chance.integers(-60, 61, minutes))
    opened = np.concatenate(([120_000], close[:-1]))
    high = np.maximum(opened, close) + chance.integers(0, 40, minutes)
    low = np.minimum(opened, close) - chance.integers(0, 40, minutes)
    columns = zip(*(column.tolist() for column in (opened, high, low, close)), strict=True)
    rows = [
        f"{begins + 60 * minute},{','.join(f'{ticks / 2:.1f}' for ticks in row)},{minute % 7 + 4}"
        for minute, row in enumerate(columns)
    ]
    path = place / name
    path.write_text("time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    return path
