"""The preset `common` by a replay against a plain loop that knows nothing of ATLAS."""

from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from actors.past_market import Past, PastMarket
from actors.past_outcome import Told
from actors.roles import Decider
from atlas.backtest.result import Outcome
from atlas.config import load
from atlas.market.candle_file import CandleFile
from atlas.market.products import built_in
from atlas.presets import preset

FEE, CENT = D("0.0005"), D("0.01")
START = 1_735_689_600  # 2025-01-01
Candles = list[tuple[int, int, int, int]]


class Done(NamedTuple):
    """A trade of the plain loop, prices in cents."""

    side: int
    entry: int
    exit: int

    @property
    def net(self) -> D:
        return (self.side * (self.exit - self.entry) - FEE * (self.exit + self.entry)) * CENT


def market(seed: int, days: int) -> Candles:
    """A market that opens each minute where the last closed, on cents; its levels are often equal."""
    chance = np.random.default_rng(seed)
    last, found = 6_000, []
    for _ in range(days * 1_440):
        steps = last + np.cumsum(chance.integers(-3, 4, 8))
        found.append((last, max(last, int(steps.max())), min(last, int(steps.min())), int(steps[-1])))
        last = max(int(steps[-1]), 2_000)
        if last != steps[-1]:
            found[-1] = (*found[-1][:3], last) if found[-1][1] >= last else (found[-1][0], last, found[-1][2], last)
    return found


def plain(candles: Candles, *, next_bar: bool) -> Iterator[Done]:
    """The common strategy as its description has it: bars of 15, one position, levels along open, high, low, close."""
    bars = [candles[at : at + 15] for at in range(0, len(candles) - 14, 15)]
    highs, lows = [max(c[1] for c in bar) for bar in bars], [min(c[2] for c in bar) for bar in bars]
    side = entry = stop = target = entered = 0
    orders: tuple[int, int, int, int] | None = None
    for minute, (first, high, low, close) in enumerate(candles):
        if minute % 15 == 0:
            last = minute // 15 - 1
            orders = None
            if last >= 2 and side == 0:
                up, down = highs[last - 1] > highs[last - 2], lows[last - 1] < lows[last - 2]
                inside = highs[last] < highs[last - 1] and lows[last] > lows[last - 1]
                if up != down and inside:
                    orders = highs[last], lows[last], highs[last - 1], lows[last - 1]
        at = first
        for point in (first, high, low, close):
            while True:
                way = 1 if point >= at else -1
                stops = [(0, stop), (1, target)] if side and (not next_bar or minute > entered) else []
                entries = [(2, orders[0]), (3, orders[1])] if not side and orders else []
                hit = None
                for what, level in stops + entries:
                    above = (what == 1) == (side == 1) if what < 2 else what == 2
                    if point >= level if above else point <= level:
                        # Where the path is beyond it already it is had at once, else on the way.
                        price = at if (at >= level if above else at <= level) else level
                        if hit is None or (price - hit[1]) * way < 0:
                            hit = what, price
                if hit is None:
                    break
                what, at = hit
                if what < 2:
                    yield Done(side, entry, at)
                    side, orders = 0, None
                else:
                    assert orders is not None
                    side, entry, entered = (1 if what == 2 else -1), at, minute
                    stop, target = (orders[1], orders[2]) if side == 1 else (orders[0], orders[3])
                    orders = None
            at = point


def replayed(candles: Candles, exits_from: str) -> Outcome:
    columns = [np.array(column, np.int64) for column in zip(*candles, strict=True)]
    times = START + 60 * np.arange(len(candles), dtype=np.int64)
    file = CandleFile(Path("made.csv"), "BTC-USD", 60, 2, 1, 0, times, *columns, np.full(len(candles), 8))
    common = preset("common", exits_from)
    rules = load(None, common.settings).rules()
    market = PastMarket(
        Decider(rules, (common.product,), "1"), [Past(built_in(common.product, tick=CENT), file)], path=common.path,
        records=False,
    )  # fmt: skip
    told = Told(rules)
    for batch in market.events():
        for event in batch.events:
            told.take(event)
    return told.outcome()


@pytest.mark.parametrize("exits_from", ["fill", "next_bar"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_replay_makes_the_trades_of_the_plain_loop(seed: int, exits_from: str) -> None:
    candles = market(seed, days=6)
    expected = list(plain(candles, next_bar=exits_from == "next_bar"))
    found = replayed(candles, exits_from)
    ours = [(1 if each.side == "long" else -1, each.entry_price, each.exit_price, each.net) for each in found.trades]
    assert ours == [(each.side, each.entry * CENT, each.exit * CENT, each.net) for each in expected]
    assert len(ours) > 20
    assert {each.exit_reason for each in found.trades} == {"stop", "target"}
