"""The metrics of an account's closed trades, measured once for each trade that closes.

Ten thousand trades take a second to measure, and the numbers of a closed trade never change: what was measured is kept
until one more has closed in the same period. What hangs on the equity of this moment is measured each time.
"""

from collections import OrderedDict
from collections.abc import Hashable
from decimal import Decimal
from threading import Lock
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, func, select

from atlas.money.profit import mae_r, mfe_r, r_multiple
from atlas.performance import DIMENSIONS, DayEquity, Performance, measure, measure_by
from db.equity import daily_equity
from db.models import PositionRow
from db.period import Period
from db.results import opened_account, positions

KEPT: Final = 8
"""How many periods are remembered."""


class Closed(msgspec.Struct, frozen=True):
    """What is known of the trades closed in a period. `by` is dimension → group → metrics; the others are in R."""

    metrics: Performance
    by: dict[str, dict[str, Performance]]
    r: tuple[Decimal, ...]
    mae: tuple[Decimal, ...]
    mfe: tuple[Decimal, ...]


class Measured(msgspec.Struct, frozen=True):
    """A period measured. `of_equity` are the metrics of the daily equity: drawdown, return, Sharpe, Sortino, Calmar."""

    closed: Closed
    of_equity: Performance
    equity: list[DayEquity]


_kept: OrderedDict[Hashable, Closed] = OrderedDict()
_lock = Lock()


def measured(connection: Connection, account: str, zone: str, period: Period) -> Measured:
    """Return a period's metrics. Raises DataError for an account that was never opened."""
    equity = daily_equity(connection, account, zone, period)
    begun = equity[0].equity if equity else opened_account(connection, account).starting_equity
    return Measured(_closed(connection, account, zone, period, begun), measure((), begun, equity), equity)


def _closed(connection: Connection, account: str, zone: str, period: Period, begun: Decimal) -> Closed:
    last = select(func.count(), func.max(PositionRow.exit_time)).where(
        PositionRow.account == account, PositionRow.status == "closed", *period.of(PositionRow.exit_time)
    )
    key = (connection.engine.url, account, zone, period.start, period.end, begun, *connection.execute(last).one())
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
            return found
    trades = positions(connection, account, "closed", period)
    found = Closed(
        metrics=measure(trades, begun),
        by={name: measure_by(name, trades, begun, ZoneInfo(zone)) for name in DIMENSIONS},
        r=tuple(r for r in map(r_multiple, trades) if r is not None),
        mae=tuple(r for r in map(mae_r, trades) if r is not None),
        mfe=tuple(r for r in map(mfe_r, trades) if r is not None),
    )
    with _lock:
        _kept[key] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found
