"""One position while it is held, as light as it can be: what it was entered with, and how it was left.

The whole `Position` is made of it when somebody asks, at the end for all at once: see `made`.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from atlas.backtest.candidate import Candidate
from atlas.backtest.exits import Exit
from atlas.backtest.track import Ints, Track, instant
from atlas.money.book import Position, Purpose
from atlas.money.profit import loss_at, profit
from atlas.money.windows import Tier
from atlas.rules import Rules
from atlas.strat.naming import resolved

Clock = tuple[int, int, Purpose]
"""When an exit by the clock is due, its place in the order of arming, and its reason."""
ZERO: Final = Decimal(0)
_FAR: Final = 2**62


class Approved(msgspec.Struct, frozen=True, gc=False):
    """The terms of an entry: how much, at what margin, and its levels on the product's tick."""

    contracts: Decimal
    leverage: Decimal
    tier: Tier
    stop: Decimal
    target: Decimal


class Left(msgspec.Struct, frozen=True, gc=False):
    """How a position was left, by `found`: `until` is the first point it did not see; amounts are USD."""

    found: Exit
    at: int
    until: int
    reference: Decimal
    price: Decimal
    gross: Decimal
    fee: Decimal
    slippage: Decimal


class Holding(msgspec.Struct, gc=False):
    """A position: what triggered it and on what terms, its fill, its margin now.

    `entered` is the point of its track it was filled at, `settled` the place of the next of `hours`, which are the
    funding due until `exit_at`, as (microseconds, USD); `funded` is until when that is settled. `exit` is what its
    levels come to, None if nothing until the end. `leaving`: a market exit has been ordered and waits for a trade.
    """

    candidate: Candidate
    terms: Approved
    entered: int
    price: Decimal
    fee: Decimal
    slippage: Decimal
    margin: Decimal
    leverage: Decimal
    tier: Tier
    liquidation: Decimal | None
    funded: int
    funding: Decimal = ZERO
    carried: bool = False
    exit: Exit | None = None
    exit_at: int = 0
    hours: Sequence[tuple[int, Decimal]] = ()
    settled: int = 0
    clocks: list[Clock] = []
    leaving: Purpose | None = None
    left: Left | None = None

    @property
    def number(self) -> int:
        """Which of the products it is in."""
        return self.candidate.number

    @property
    def track(self) -> Track:
        """The past of its product."""
        return self.candidate.track

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return what it would bring at a price, before costs."""
        size = self.track.product.contract_size
        return profit(self.candidate.side, self.price, mark, self.terms.contracts, size)

    def risk(self) -> Decimal:
        """Return what it loses from its entry to its stop."""
        size = self.track.product.contract_size
        return loss_at(self.candidate.side, self.price, self.terms.stop, self.terms.contracts, size)

    def funding_until(self, at: int, *, inclusive: bool) -> Iterator[tuple[int, Decimal]]:
        """Settle the hours before an instant, or at it too, and yield them."""
        before = at + inclusive
        while self.settled < len(self.hours) and self.hours[self.settled][0] < before:
            self.funded = self.hours[self.settled][0]
            self.settled += 1
            yield self.hours[self.settled - 1]

    def position(self, rules: Rules, low: Decimal | None = None, high: Decimal | None = None) -> Position:
        """Return the whole of it; `low` and `high` are the extremes it saw, None for those of its fills alone."""
        candidate, terms, left = self.candidate, self.terms, self.left
        product, reading = self.track.product, candidate.reading(rules)
        id_, name, setup_time, entry_bar_end = candidate.identity()
        long, reference = candidate.side == "long", candidate.reference
        seen = [reference, *(price for price in (low, high) if price is not None)]
        if left is not None:
            seen.append(left.reference)
        return Position(
            id=id_,
            symbol=product.id,
            timeframe=candidate.timeframe,
            setup=resolved(name, candidate.side),
            family=candidate.family,
            side=candidate.side,
            contract_size=product.contract_size,
            tick=product.tick,
            contracts=terms.contracts if left is None else ZERO,
            entry_contracts=terms.contracts,
            entry_price=self.price,
            entry_reference=reference,
            entry_time=instant(candidate.time),
            stop=terms.stop,
            first_stop=terms.stop,
            target=terms.target,
            invalidation=candidate.opposite,
            entry_bar_end=entry_bar_end,
            leverage=self.leverage,
            tier=self.tier,
            margin=self.margin if left is None else ZERO,
            liquidation=self.liquidation,
            worst=min(seen) if long else max(seen),
            best=max(seen) if long else min(seen),
            fees=self.fee if left is None else self.fee + left.fee,
            detection=reading,
            at_trigger=reading,
            setup_time=setup_time,
            risk_at_entry=self.risk(),
            funding=self.funding,
            slippage=self.slippage if left is None else self.slippage + left.slippage,
            gross=ZERO if left is None else left.gross,
            carried=self.carried,
            exit_price=None if left is None else left.price,
            exit_time=None if left is None else instant(left.at),
            exit_reason=None if left is None else left.found.reason,
            ambiguous=left is not None and left.found.ambiguous,
        )


def made(holdings: Sequence[Holding], rules: Rules) -> list[Position]:
    """Return the positions of holdings, with the worst and the best price each saw, in the same order."""
    found: dict[int, Position] = {}
    for number in sorted({holding.number for holding in holdings}):
        mine = [(place, holding) for place, holding in enumerate(holdings) if holding.number == number]
        low, high = _extremes(mine[0][1].track, [holding for _, holding in mine])
        track = mine[0][1].track
        for (place, holding), lowest, highest in zip(mine, low.tolist(), high.tolist(), strict=True):
            seen = lowest <= highest  # else it saw no trade between its fills
            prices = (track.price(lowest), track.price(highest)) if seen else (None, None)
            found[place] = holding.position(rules, *prices)
    return [found[place] for place in range(len(holdings))]


def _extremes(track: Track, holdings: Sequence[Holding]) -> tuple[Ints, Ints]:
    """Return lowest and highest price, in units, of the points each saw after its entry; low above high: none."""
    # Where a path goes through levels, the point it was on the way to at the entry is still to come.
    begin = np.array([holding.entered + (not track.through) for holding in holdings])
    until = np.array([_until(track, holding) for holding in holdings])
    until = np.maximum(until, begin)
    (first, place), (last, ends) = np.divmod(begin, track.points), np.divmod(until, track.points)
    places = np.arange(track.points)
    heads, tails = (track.paths(np.minimum(rows, len(track) - 1)) for rows in (first, last))
    in_head = (places >= place[:, None]) & ((first < last)[:, None] | (places < ends[:, None]))
    in_tail = (first < last)[:, None] & (places < ends[:, None])
    low = np.minimum(np.where(in_head, heads, _FAR), np.where(in_tail, tails, _FAR)).min(axis=1)
    high = np.maximum(np.where(in_head, heads, -_FAR), np.where(in_tail, tails, -_FAR)).max(axis=1)
    between = np.flatnonzero(first + 1 < last)
    edges = np.stack([first[between] + 1, last[between] - 1], axis=1).ravel()
    if len(edges):
        # Both edges are whole rows seen; the last one is taken for itself, a range ends before its second edge.
        low[between] = np.minimum(low[between], np.minimum.reduceat(track.low, edges)[::2])
        high[between] = np.maximum(high[between], np.maximum.reduceat(track.high, edges)[::2])
        low[between] = np.minimum(low[between], track.low[edges[1::2]])
        high[between] = np.maximum(high[between], track.high[edges[1::2]])
    return low, high


def _until(track: Track, holding: Holding) -> int:
    return track.points * len(track) if holding.left is None else holding.left.until
