"""The market of the long runs: seeded trades of five products, with forty days before them, as trade files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from atlas.exchange.local import PRODUCTS
from atlas.exchange.local.instants import NS, in_break

NAMES = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE", "SLP-20DEC30-CDE", "XPP-20DEC30-CDE", "ADP-20DEC30-CDE")
START = datetime(2026, 3, 9, tzinfo=UTC)
"""A Monday; what lies before is history."""
HISTORY = timedelta(days=40)
EVERY = 90
"""Seconds between two trades of a product: few, so that a day of bars of 15m costs little."""
STEP = 0.0012
"""The deviation of one trade from the one before, as a share of the price, times the product's own volatility."""


def written(place: Path, seed: int, length: timedelta, history: timedelta = HISTORY) -> dict[str, Path]:
    """Write one trade file a product, from `history` before `START` to `length` after it; product → file.

    Prices are on the product's tick; nothing trades in the weekly break of the derivatives.
    """
    files = {}
    for number, name in enumerate(NAMES):
        listed = PRODUCTS[name]
        chance = np.random.default_rng((seed, number))
        begin, count = int((START - history).timestamp()), int((history + length).total_seconds()) // EVERY
        middle = int(listed.first_price / listed.tick.decimal)
        steps = chance.standard_t(4, count) * middle * STEP * listed.volatility
        # A pull towards the middle keeps weeks of it within reach of the first price.
        ticks, level = [], 0.0
        for step in steps.tolist():
            level += step - level * 0.0005
            ticks.append(max(middle // 4, middle + round(level)))
        seconds = begin + EVERY * np.arange(count) + chance.integers(0, EVERY - 1, count)
        sizes, sides = chance.integers(1, 40, count), chance.integers(0, 2, count)
        rows = ["time,price,size,side"]
        for at, tick, size, bought in zip(seconds.tolist(), ticks, sizes.tolist(), sides.tolist(), strict=True):
            if not in_break(at * NS):
                rows.append(f"{at},{listed.tick.decimal * tick},{size},{'buy' if bought else 'sell'}")
        files[name] = place / f"made_{name}_trades_{seed}.csv"
        files[name].write_text("\n".join(rows) + "\n", encoding="utf-8")
    return files
