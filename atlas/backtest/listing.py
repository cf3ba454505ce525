"""Positions of a backtest as reports list them and metrics take them, made for all at once in the end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np

from atlas.backtest.holding import ZERO, Holding
from atlas.backtest.result import Listed, Trade
from atlas.backtest.track import Ints, Track, instants
from atlas.money.closed import Closed
from atlas.money.profit import adverse, favourable, in_r, risk_distance
from atlas.rules import Rules
from atlas.strat.naming import resolved

_FAR: Final = 2**62


def listed(holdings: Sequence[Holding], rules: Rules) -> list[Listed]:
    """Return holdings, closed and open, with the worst and the best price each saw.

    They are made in the order they were held, in which they lie in memory: product by product takes longer.
    """
    low, high = np.zeros((2, len(holdings)), np.int64)
    numbers = np.array([holding.number for holding in holdings], np.int64)
    for number in sorted(set(numbers.tolist())):
        mine = np.flatnonzero(numbers == number)
        some = [holdings[place] for place in mine.tolist()]
        low[mine], high[mine] = _extremes(some[0].track, some)
    opened = instants([holding.candidate.opened for holding in holdings])
    entered = instants([holding.candidate.time for holding in holdings])
    left = instants([0 if holding.left is None else holding.left.at for holding in holdings])
    times, seen = zip(opened, entered, left, strict=True), zip(low.tolist(), high.tolist(), strict=True)
    return [_listed(*each, rules) for each in zip(holdings, times, seen, strict=True)]


def _listed(
    holding: Holding, times: tuple[datetime, datetime, datetime], seen: tuple[int, int], rules: Rules
) -> Listed:
    """Return one. `times` are those of setup bar, entry and exit, the last for nothing while it is open.

    `seen` are the lowest and the highest price from its trigger on, in units, that of its exit aside.
    """
    candidate, terms, left, entry = holding.candidate, holding.terms, holding.left, holding.price
    product, side, contracts = candidate.track.product, candidate.side, terms.contracts
    (setup_time, entry_time, left_at), (low, high) = times, map(candidate.track.price, seen)
    fees, slippage, gross, exit_time = holding.fee, holding.slippage, ZERO, None
    if left is not None:
        fees, slippage, gross, exit_time = fees + left.fee, slippage + left.slippage, left.gross, left_at
        low, high = min(low, left.reference), max(high, left.reference)
    worst, best = (low, high) if side == "long" else (high, low)
    favour, risk = favourable(side, entry, best), risk_distance(entry, terms.stop)
    trade = Trade(
        symbol=product.id,
        timeframe=candidate.timeframe,
        setup=resolved(candidate.name, side),
        side=side,
        setup_time=setup_time,
        entry_time=entry_time,
        entry_price=entry,
        stop=terms.stop,
        target=terms.target,
        exit_time=exit_time,
        exit_price=None if left is None else left.price,
        exit_reason=None if left is None else left.found.reason,
        contracts=contracts,
        gross=gross,
        fees=fees,
        funding=holding.funding,
        net=(net := gross - fees - holding.funding),
        r=in_r(net, contracts, product.contract_size, risk),
        mae_r=None if risk is None else adverse(side, entry, worst) / risk,
        mfe_r=None if risk is None else favour / risk,
        continuity=candidate.reading(rules).score,
        family=candidate.family,
        slippage=slippage,
        filled_while_down=False,
        ambiguous=left is not None and left.found.ambiguous,
    )
    id_ = candidate.id(setup_time)
    if exit_time is None:
        return Listed(id_, trade, None)
    best_profit = favour * contracts * product.contract_size
    closed = Closed(
        id_, entry_time, exit_time, gross, fees, trade.funding, slippage, net, trade.r, trade.mae_r, trade.mfe_r,
        best_profit,
    )  # fmt: skip
    return Listed(id_, trade, closed)


def _extremes(track: Track, holdings: Sequence[Holding]) -> tuple[Ints, Ints]:
    """Return lowest and highest price, in units, of its trigger and of the points each saw after its entry."""
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
    triggered = np.array([holding.candidate.price for holding in holdings])
    return np.minimum(low, triggered), np.maximum(high, triggered)


def _until(track: Track, holding: Holding) -> int:
    return track.points * len(track) if holding.left is None else holding.left.until
