"""The daily loss limit between changes of what is held: was equity ever as low as that (trading.md, Account)?

Equity is known at every trade of what is held and after every hour's funding. The extremes of a stretch tell cheaply
that it cannot have been so low; only where they do not is each moment looked at.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import inf
from typing import Final

import numpy as np

from atlas.backtest.holding import ZERO, Holding
from atlas.backtest.track import Track
from atlas.money.account import daily_loss_hit
from atlas.rules import SizingRules

_HAIR: Final = 1e-6
"""USD: what float64 may be wrong by; nearer to the limit the Decimals decide."""


class LossWatch:
    """`base` is the equity the day began with; `hit`: the limit was reached on this day. `on`: its gate is on."""

    def __init__(self, tracks: Sequence[Track], rules: SizingRules, *, on: bool) -> None:
        self._tracks, self._rules = tracks, rules
        self._seen = [0] * len(tracks)
        self.on, self.base, self.hit = on, ZERO, False
        self._limit = 0.0
        """Above this equity in USD the limit is clearly not reached."""
        self._paid: list[tuple[int, Decimal]] = []

    def begin_day(self, equity: Decimal) -> None:
        """A day begins: the limit counts anew from its equity."""
        self.base, self.hit = equity, False
        self._limit = float(equity) * (1 - float(self._rules.daily_loss)) + _HAIR if equity > 0 else inf

    def look(self, equity: Decimal) -> None:
        """Take the equity of one moment."""
        if self.on and not self.hit:
            self.hit = self._is_hit(equity)

    def paid(self, at: int, amount: Decimal) -> None:
        """Note funding paid at an hour, since the last stretch."""
        if self.on and not self.hit:
            self._paid.append((at, amount))

    def stretch(self, holdings: Sequence[Holding], cash: Decimal, until: Sequence[int]) -> None:
        """Look at the moments since the last stretch, up to the points `until` (of each product, exclusive).

        `cash` is what there is at its end; funding paid meanwhile has been told.
        """
        seen, self._seen = self._seen, list(until)
        paid, self._paid = self._paid, []
        if not self.on or self.hit or not holdings:
            return
        before = sum((amount for _, amount in paid), cash)
        least = float(before) - sum([max(float(amount), 0.0) for _, amount in paid])
        for holding in holdings:
            least += self._worst(holding, seen[holding.number], until[holding.number])
        if least <= self._limit:
            self._each(holdings, before, paid, seen, until)

    def _worst(self, holding: Holding, begin: int, end: int) -> float:
        """Return a profit that the position cannot have been below between two points, USD."""
        track = holding.track
        first, last = max(begin - 1, 0) // track.points, -(-end // track.points)
        if holding.candidate.side == "long":
            return holding.profit_about(int(np.minimum.reduce(track.low[first:last])))
        return holding.profit_about(int(np.maximum.reduce(track.high[first:last])))

    def _each(
        self, holdings: Sequence[Holding], cash: Decimal, paid: Sequence[tuple[int, Decimal]], seen: Sequence[int],
        until: Sequence[int],
    ) -> None:  # fmt: skip
        """Look at each moment: trades of what is held, and fundings, in the order of time."""
        numbers = sorted({holding.number for holding in holdings})
        times, products, prices = [], [], []
        for number in numbers:
            track = self._tracks[number]
            points = np.arange(seen[number], until[number])
            rows, places = np.divmod(points, track.points)
            times.append(track.times[rows] + places * track.step)
            prices.append(track.paths(rows)[np.arange(len(rows)), places])
            products.append(np.full(len(points), number))
        at = np.concatenate([*times, np.array([hour for hour, _ in paid], np.int64)])
        # An hour's funding is settled a microsecond after it, behind the trades of then.
        of = np.concatenate([*products, np.full(len(paid), len(self._tracks))]).astype(np.int64)
        order = np.lexsort((of, at))
        moved = np.concatenate([*prices, np.arange(len(paid))]).astype(np.int64)[order]
        of = of[order]
        marks = {number: self._mark(number, seen[number]) for number in numbers}
        for number, value in zip(of.tolist(), moved.tolist(), strict=True):
            if number == len(self._tracks):
                cash -= paid[value][1]
            else:
                marks[number] = value
            if self._below(holdings, cash, marks):
                self.hit = True
                return

    def _mark(self, number: int, seen: int) -> int:
        return self._tracks[number].priced(max(seen - 1, 0))

    def _below(self, holdings: Sequence[Holding], cash: Decimal, marks: dict[int, int]) -> bool:
        equity = cash
        for holding in holdings:
            equity += holding.unrealised(holding.track.price(marks[holding.number]))
        return self._is_hit(equity)

    def _is_hit(self, equity: Decimal) -> bool:
        return float(equity) <= self._limit and daily_loss_hit(self.base, equity, self._rules)
