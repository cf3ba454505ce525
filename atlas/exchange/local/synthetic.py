"""A seeded synthetic market: correlated products, clustered volatility, every trade on its tick.

Each underlying follows one path, so that BTC-USD and BIP-20DEC30-CDE move together: per minute a volatility (AR(1) in
the logarithm with a daily cycle, shared by all), per second a Student-t step made of a common and an own part. A
product's trades come at random instants (Poisson) and print at the bid or ask around that path. The derivatives rest
in their weekly break. Each minute is drawn from (seed, minute), so that nothing depends on who listens, or how fast.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from atlas.errors import UsageError
from atlas.exchange.local.instants import MINUTE, NS, US, in_break
from atlas.exchange.local.market import FIRST_TRADE_ID, MarketTrade, MinuteRows
from atlas.exchange.local.products import ListedProduct
from atlas.exchange.local.synthetic_past import (
    COMMON_SHARE,
    MINUTE_VOLATILITY,
    PERSISTENCE,
    SHOCK,
    SyntheticPast,
    day_cycle,
    mean_lots,
)

DEGREES = 5
"""Of the Student-t steps."""
MOST_FRAMES = 400
"""Frames per wall second the default trade rate aims at when time is compressed."""
_SECONDS = 60


def default_rate(speed: float, products: int) -> float:
    """Return trades per exchange second and product: 1, but so few that 2 frames each stay near `MOST_FRAMES`."""
    return min(1.0, MOST_FRAMES / (2 * speed * products))


class SyntheticMarket:
    """An endless market that starts at `start` (nanoseconds, a whole minute)."""

    from_file = False
    end: int | None = None

    def __init__(self, products: Sequence[ListedProduct], start: int, *, seed: int = 1, rate: float = 1.0) -> None:
        """`rate` is trades per exchange second and product, above 0 and at most 1000."""
        if not 0 < rate <= 1000:
            raise UsageError(f"--rate {rate} is not above 0 and at most 1000 trades per second and product")
        self.products: Mapping[str, ListedProduct] = {product.product_id: product for product in products}
        self.start = start // MINUTE * MINUTE
        self.seed = seed
        self._rate = rate
        self._past = SyntheticPast(seed, self.start)

    def minutes_before(self, product_id: str) -> MinuteRows:
        """Return 400 days that end at the first price."""
        return self._past.minutes(self.products[product_id], self._rate)

    def opening_ticks(self, product_id: str) -> int:
        """Return the first price in ticks."""
        product = self.products[product_id]
        return int(product.first_price / product.tick.decimal)

    def trades(self) -> Iterator[MarketTrade]:
        """Yield the trades by time, without end."""
        underlyings = sorted({product.underlying for product in self.products.values()})
        weights = {product.underlying: product.volatility for product in self.products.values()}
        levels = dict.fromkeys(underlyings, 0.0)
        ids = dict.fromkeys(self.products, FIRST_TRADE_ID)
        volatility = 0.0
        for number in range(1 << 40):
            minute = self.start + number * MINUTE
            rng = np.random.default_rng((self.seed, 1, minute // MINUTE))
            volatility = PERSISTENCE * volatility + SHOCK * float(rng.standard_normal())
            scale = MINUTE_VOLATILITY * math.exp(volatility) * day_cycle(minute) / math.sqrt(_SECONDS)
            common = _steps(rng, _SECONDS)
            paths: dict[str, NDArray[np.float64]] = {}
            for underlying in underlyings:
                own = _steps(rng, _SECONDS)
                steps = COMMON_SHARE * common + math.sqrt(1 - COMMON_SHARE**2) * own
                paths[underlying] = levels[underlying] + np.cumsum(steps) * scale * weights[underlying]
                levels[underlying] = float(paths[underlying][-1])
            found: list[MarketTrade] = []
            for product in self.products.values():
                found += self._minute(rng, product, minute, paths[product.underlying], ids)
            found.sort(key=lambda trade: trade.time)  # stable: at one instant in the order of the products
            yield from found

    def _minute(
        self,
        rng: np.random.Generator,
        product: ListedProduct,
        minute: int,
        path: NDArray[np.float64],
        ids: dict[str, int],
    ) -> list[MarketTrade]:
        """Draw one product's trades of one minute. Draws are made in the break too, to leave the others unmoved."""
        count = int(rng.poisson(self._rate * _SECONDS))
        times = np.sort(rng.integers(0, MINUTE // US, count))
        price = float(product.first_price) * np.exp(path[times * US // NS])
        mid = np.maximum(np.rint(price / float(product.tick.decimal)).astype(np.int64), 4)
        spread = rng.choice(np.array([1, 2, 3]), count, p=[0.8, 0.15, 0.05])
        bought = rng.random(count) < 0.5
        lots = draw_lots(rng, product, count)
        if product.kind == "FUTURE" and in_break(minute):
            return []
        bid = mid - (spread + 1) // 2
        rows = zip(
            (minute + times * US).tolist(), bid.tolist(), (bid + spread).tolist(), lots.tolist(), bought.tolist(),
            strict=True,
        )  # fmt: skip
        name, first = product.product_id, ids[product.product_id]
        ids[name] = first + count
        return [
            MarketTrade(time, name, first + place, high if taker_bought else low, size, not taker_bought, low, high)
            for place, (time, low, high, size, taker_bought) in enumerate(rows)
        ]


def _steps(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Draw Student-t steps of unit variance."""
    return rng.standard_t(DEGREES, count) / math.sqrt(DEGREES / (DEGREES - 2))


def draw_lots(rng: np.random.Generator, product: ListedProduct, count: int) -> NDArray[np.int64]:
    """Draw trade sizes in lots, at least 1: log-normal around a mean."""
    drawn = np.exp(rng.standard_normal(count) - 0.5) * mean_lots(product)
    return np.maximum(np.rint(drawn).astype(np.int64), 1)
