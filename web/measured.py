"""The metrics of an account's closed trades, each trade measured once.

Ten thousand trades take a second to measure, and the numbers of a closed trade never change: what was measured is kept,
and at each look only what has closed since is added. What hangs on the equity of this moment is measured each time.
"""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from decimal import Decimal
from threading import Lock
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, Select, func, select

from atlas.errors import InternalError
from atlas.money.closed import Closed as Trade
from atlas.money.closed import closed_at
from atlas.performance import DayEquity, Performance, measure
from atlas.running import RunningPerformance
from db.equity import daily_equity
from db.models import PositionRow
from db.period import Period
from db.results import opened_account, positions
from web.histogram import Bin, Histogram

KEPT: Final = 8
"""How many periods are remembered."""


class Closed(msgspec.Struct, frozen=True):
    """What is known of the trades closed in a period. `by` is dimension → group → metrics; the bins are of R."""

    metrics: Performance
    by: dict[str, dict[str, Performance]]
    r: list[Bin]
    mae: list[Bin]
    mfe: list[Bin]


class Measured(msgspec.Struct, frozen=True):
    """A period measured. `of_equity` are the metrics of the daily equity: drawdown, return, Sharpe, Sortino, Calmar."""

    closed: Closed
    of_equity: Performance
    equity: list[DayEquity]


class _Kept:
    """The trades of a period measured so far."""

    def __init__(self, starting_equity: Decimal, zone: str) -> None:
        self.lock = Lock()
        self._performance = RunningPerformance(starting_equity, ZoneInfo(zone))
        self._r = Histogram("-3", "5", "0.5")
        self._mae = Histogram("0", "2", "0.25")
        self._mfe = Histogram("0", "4", "0.25")

    def now(self, connection: Connection, account: str, period: Period) -> Closed | None:
        """Add what has closed since, and return what all come to; None where that is not all the difference."""
        held, last = self._performance.metrics.trades, self._performance.last
        count, newest = connection.execute(_closed_in(account, period)).one()
        if count != held or newest != (None if last is None else last[0]):
            since = period if last is None else Period(last[0], period.end)
            closed = positions(connection, account, "closed", since)
            new = closed if last is None else [each for each in closed if (closed_at(each), each.id) > last]
            if held + len(new) != count:
                return None
            self._add(self._performance.add(new))
        of_all = self._performance
        return Closed(of_all.metrics, of_all.by, self._r.bins(), self._mae.bins(), self._mfe.bins())

    def _add(self, trades: list[Trade]) -> None:
        self._r.add(trade.r for trade in trades if trade.r is not None)
        self._mae.add(trade.mae_r for trade in trades if trade.mae_r is not None)
        self._mfe.add(trade.mfe_r for trade in trades if trade.mfe_r is not None)


_kept: OrderedDict[Hashable, _Kept] = OrderedDict()
_lock = Lock()


def measured(connection: Connection, account: str, zone: str, period: Period) -> Measured:
    """Return a period's metrics. Raises DataError for an account that was never opened."""
    equity = daily_equity(connection, account, zone, period)
    begun = equity[0].equity if equity else opened_account(connection, account).starting_equity
    return Measured(_closed(connection, account, zone, period, begun), measure((), begun, equity), equity)


def _closed(connection: Connection, account: str, zone: str, period: Period, begun: Decimal) -> Closed:
    key = connection.engine.url, account, zone, period.start, period.end, begun
    with _lock:
        kept = _kept.setdefault(key, _Kept(begun, zone))
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    with kept.lock:
        found = kept.now(connection, account, period)
    if found is not None:
        return found
    # A trade was stored that closed before another that was stored earlier, or another look has seen more than this.
    anew = _Kept(begun, zone)
    found = anew.now(connection, account, period)
    if found is None:
        raise InternalError(f"account {account!r}: closed positions changed within one transaction that reads")
    with _lock:
        _kept[key] = anew
    return found


def _closed_in(account: str, period: Period) -> Select[int, datetime | None]:
    return select(func.count(), func.max(PositionRow.exit_time)).where(
        PositionRow.account == account, PositionRow.status == "closed", *period.of(PositionRow.exit_time)
    )
