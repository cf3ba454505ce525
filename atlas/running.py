"""The metrics of an account's closed trades, kept while more of them close: a close costs its own groups only."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal

from atlas.errors import InternalError
from atlas.money.book import Position
from atlas.money.closed import Closed, closed
from atlas.performance import DIMENSIONS, Performance, in_order, tallied
from atlas.tally import Tally


class RunningPerformance:
    """What `measure` and `measure_by` say of the trades added so far, but for exposure, which is None.

    `metrics` is of all of them, `by` is dimension → group → metrics; both are made anew at each `add` and never
    changed. `last` is (exit, id) of the trade that closed last.
    """

    def __init__(self, starting_equity: Decimal, zone: tzinfo) -> None:
        """Days and hours are those of `zone`."""
        self._starting_equity = starting_equity
        self._zone = zone
        self._all = Tally(starting_equity)
        self._groups: dict[str, dict[str, Tally]] = {dimension: {} for dimension in DIMENSIONS}
        self.last: tuple[datetime, str] | None = None
        self.metrics = tallied(self._all)
        self.by: dict[str, dict[str, Performance]] = {dimension: {} for dimension in DIMENSIONS}

    def add(self, positions: Sequence[Position]) -> list[Closed]:
        """Add trades that closed after those added before, in any order; return them in the order of exit.

        Raises InternalError for a position that is open, or that closed before another that is added already.
        """
        trades = sorted(((closed(position), position) for position in positions), key=lambda pair: _place(pair[0]))
        if not trades:
            return []
        if self.last is not None and _place(trades[0][0]) <= self.last:
            raise InternalError(f"position {trades[0][0].id} did not close after {self.last[1]}: add all of them anew")
        added = [trade for trade, _ in trades]
        self.last = _place(added[-1])
        self._all.add(added)
        self.metrics = tallied(self._all)
        self.by = {dimension: self._of_groups(dimension, trades) for dimension in DIMENSIONS}
        return added

    def _of_groups(self, dimension: str, trades: Sequence[tuple[Closed, Position]]) -> dict[str, Performance]:
        name_of, tallies = DIMENSIONS[dimension], self._groups[dimension]
        new: dict[str, list[Closed]] = defaultdict(list)
        for trade, position in trades:
            new[name_of(position, self._zone)].append(trade)
        found = dict(self.by[dimension])
        for name, group in new.items():
            tally = tallies.setdefault(name, Tally(self._starting_equity))
            tally.add(group)
            found[name] = tallied(tally)
        return {name: found[name] for name in in_order(dimension, found)}


def _place(trade: Closed) -> tuple[datetime, str]:
    return trade.exit_time, trade.id
