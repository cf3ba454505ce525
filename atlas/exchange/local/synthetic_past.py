"""The minutes before a synthetic market's start: 400 days per product.

Of the last 120 days every minute traded; before, to spare start-up time, one an hour, with the hour's whole move.
Minute returns share their volatility and their common factor, as the trades to come do. High and low of a minute are
drawn from the law of a Brownian path's extremes between its ends, which costs two uniforms instead of a path.
The whole is shifted so that it ends at the product's first price.
"""

import numpy as np
from numpy.typing import NDArray

from atlas.exchange.local.instants import DAY, HOUR, MINUTE, in_break
from atlas.exchange.local.market import MinuteRows
from atlas.exchange.local.products import ListedProduct

FULL_DAYS = 120
SPARSE_DAYS = 280
MINUTE_VOLATILITY = 0.0006
"""Of bitcoin, per square root of a minute: some 43 % a year."""
PERSISTENCE, SHOCK = 0.985, 0.06
"""AR(1) of the logarithm of the volatility, per minute."""
CYCLE = 0.25
COMMON_SHARE = 0.75
"""Correlation of an underlying's steps with the common factor."""
MEAN_CONTRACTS = 3.0
MEAN_NOTIONAL = 400.0
"""Dollars in a mean spot trade."""


def day_cycle(instant: int) -> float:
    """Return the time of day's factor on volatility."""
    return float(np.exp(CYCLE * np.sin(2 * np.pi * (instant % DAY) / DAY)))


class SyntheticPast:
    """The past of all products of one market."""

    def __init__(self, seed: int, start: int) -> None:
        """`start` is the market's start in nanoseconds, a whole minute."""
        self._seed = seed
        self._start = start
        self._lengths = np.repeat(np.array([60, 1]), [SPARSE_DAYS * 24, FULL_DAYS * 1440])  # minutes to the next row
        self._times = start // MINUTE * 60 - 60 * np.cumsum(self._lengths[::-1])[::-1]
        self._shared: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._underlyings: dict[str, NDArray[np.float64]] = {}

    def minutes(self, product: ListedProduct, rate: float) -> MinuteRows:
        """Return a product's minutes, given its trades per second."""
        scale, _ = self._common()
        sigma = scale * product.volatility
        path = self._path(product)
        opened = np.concatenate((path[:1], path[:-1]))
        rng = np.random.default_rng((self._seed, 3, *product.product_id.encode()))
        spread_high, spread_low = (self._extreme(rng, path - opened, sigma) for _ in range(2))
        tick = float(product.tick.decimal)
        first = float(product.first_price)
        highest, lowest = np.maximum(opened, path) + spread_high, np.minimum(opened, path) - spread_low
        open_, high, low, close = (
            np.maximum(np.rint(first * np.exp(logarithm) / tick), 4).astype(np.int64)
            for logarithm in (opened, highest, lowest, path)
        )
        mean = mean_lots(product) * max(rate * 60, 1.0)
        activity = scale / MINUTE_VOLATILITY * np.sqrt(self._lengths)
        drawn = np.exp(rng.standard_normal(len(path)) * 0.8 - 0.32) * mean * activity
        volume = np.maximum(np.rint(drawn), 4).astype(np.int64)
        rows = MinuteRows(self._times, open_, high, low, close, volume)
        return _without_breaks(rows) if product.kind == "FUTURE" else rows

    def _extreme(
        self, rng: np.random.Generator, move: NDArray[np.float64], sigma: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Draw how far beyond its ends a minute's path went."""
        size = np.abs(move)
        uniform = 1.0 - rng.random(len(move))
        beyond: NDArray[np.float64] = (np.sqrt(size**2 - 2 * sigma**2 * np.log(uniform)) - size) / 2
        return beyond

    def _common(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the volatility of each row and the common factor's steps."""
        if self._shared is None:
            rng = np.random.default_rng((self._seed, 2))
            count = len(self._times)
            level, levels = 0.0, []
            for shock in (SHOCK * rng.standard_normal(count)).tolist():
                level = PERSISTENCE * level + shock
                levels.append(level)
            cycle = CYCLE * np.sin(2 * np.pi * (self._times % 86_400) / 86_400)
            volatility = np.asarray(levels)
            scale = MINUTE_VOLATILITY * np.exp(volatility + cycle - volatility.var() / 2) * np.sqrt(self._lengths)
            self._shared = scale, rng.standard_normal(count)
        return self._shared

    def _path(self, product: ListedProduct) -> NDArray[np.float64]:
        """Return an underlying's logarithmic path, 0 at the start of the market."""
        name = product.underlying
        if name not in self._underlyings:
            scale, common = self._common()
            own = np.random.default_rng((self._seed, 4, *name.encode())).standard_normal(len(scale))
            steps = COMMON_SHARE * common + np.sqrt(1 - COMMON_SHARE**2) * own
            path = np.cumsum(steps * scale * product.volatility)
            # A year's drift would dwarf or burst the price of a volatile product: pull the path back to its end.
            drift = np.linspace(path[0], path[-1], len(path))
            self._underlyings[name] = path - drift
        return self._underlyings[name]


def mean_lots(product: ListedProduct) -> float:
    """Return the mean size of a trade in lots."""
    if product.kind == "FUTURE":
        return MEAN_CONTRACTS
    return MEAN_NOTIONAL / float(product.first_price) / float(product.lot.decimal)


def _without_breaks(rows: MinuteRows) -> MinuteRows:
    hours = rows.times // 3600
    friday = (hours // 24 + 3) % 7 == 4  # 1970 began on a Thursday, 3
    evening = (hours % 24 == 21) | (hours % 24 == 22)  # 17:00 New York, in summer and in winter
    closed = [hour for hour in np.unique(hours[friday & evening]).tolist() if in_break(hour * HOUR)]
    keep = ~np.isin(hours, closed)
    columns = (rows.times, rows.open, rows.high, rows.low, rows.close, rows.volume)
    return MinuteRows(*(column[keep] for column in columns))
