"""Positions of a backtest as reports list them and metrics take them, made for all at once in the end."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from atlas.backtest.holding import ZERO, Holding
from atlas.backtest.result import Listed, Trade
from atlas.backtest.track import Ints, Track, instant
from atlas.money.closed import Closed
from atlas.money.profit import adverse, favourable, in_r, risk_distance
from atlas.rules import Rules
from atlas.strat.naming import resolved

_FAR: Final = 2**62


def listed(holdings: Sequence[Holding], rules: Rules) -> list[Listed]:
    """Return holdings, closed and open, with the worst and the best price each saw, product by product."""
    found: list[Listed] = []
    for number in sorted({holding.number for holding in holdings}):
        mine = [holding for holding in holdings if holding.number == number]
        low, high = _extremes(mine[0].track, mine)
        for holding, lowest, highest in zip(mine, low.tolist(), high.tolist(), strict=True):
            track = holding.track
            seen = (track.price(lowest), track.price(highest)) if lowest <= highest else ()
            found.append(_listed(holding, seen, rules))
    return found


def _listed(holding: Holding, seen: Sequence[Decimal], rules: Rules) -> Listed:
    """Return one; `seen` are the lowest and highest price between its fills, none if there was no trade."""
    candidate, terms, left, entry = holding.candidate, holding.terms, holding.left, holding.price
    product, side, contracts = holding.track.product, candidate.side, holding.terms.contracts
    id_, name, setup_time = candidate.identity()
    fees, slippage, gross, exit_time, prices = holding.fee, holding.slippage, ZERO, None, [candidate.reference, *seen]
    if left is not None:
        fees, slippage, gross, exit_time = fees + left.fee, slippage + left.slippage, left.gross, instant(left.at)
        prices.append(left.reference)
    worst, best = (min(prices), max(prices)) if side == "long" else (max(prices), min(prices))
    favour, risk = favourable(side, entry, best), risk_distance(entry, terms.stop)
    trade = Trade(
        symbol=product.id,
        timeframe=candidate.timeframe,
        setup=resolved(name, side),
        side=side,
        setup_time=setup_time,
        entry_time=instant(candidate.time),
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
    if exit_time is None:
        return Listed(id_, trade, None)
    best_profit = favour * contracts * product.contract_size
    closed = Closed(
        id_, trade.entry_time, exit_time, gross, fees, trade.funding, slippage, net, trade.r, trade.mae_r, trade.mfe_r,
        best_profit,
    )  # fmt: skip
    return Listed(id_, trade, closed)


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
