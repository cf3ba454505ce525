"""What became of every trigger, by timeframe and family: triggers = trades + Σ rejections, for any period."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, and_, func, select

from atlas.backtest.result import FunnelRow, Key, funnel_rows
from db.models import RejectionRow, SetupRow, TriggerRow
from db.period import ALWAYS, Period


def funnel(connection: Connection, account: str, period: Period = ALWAYS) -> list[FunnelRow]:
    """Return the rows of the triggers within the period, and of the setups invalidated in it.

    A rejection belongs to the period of its trigger, which may be a moment earlier. A trigger that is neither a trade
    nor rejected yet (one is at most, while its input is being decided) is not counted.
    """
    of_period = (TriggerRow.account == account, *period.of(TriggerRow.at))
    triggers = _counted(connection, TriggerRow, *of_period, TriggerRow.outcome.is_not(None))
    trades = _counted(connection, TriggerRow, *of_period, TriggerRow.outcome == "trade")
    invalidated = _counted(
        connection,
        SetupRow,
        SetupRow.account == account,
        SetupRow.status == "invalidated",
        *period.of(SetupRow.resolved_at),
    )
    return funnel_rows(triggers, trades, _gates(connection, *of_period), invalidated)


def _gates(connection: Connection, *where: Any) -> dict[Key, Counter[str]]:
    columns = (TriggerRow.timeframe, TriggerRow.family, RejectionRow.gate)
    query = (
        select(*columns, func.count())
        .join(RejectionRow, and_(RejectionRow.account == TriggerRow.account, RejectionRow.id == TriggerRow.id))
        .where(*where)
        .group_by(*columns)
    )
    found: dict[Key, Counter[str]] = {}
    for timeframe, family, gate, count in connection.execute(query):
        found.setdefault((timeframe, family), Counter())[gate] = count
    return found


def _counted(connection: Connection, table: Any, *where: Any) -> Counter[Key]:
    query = select(table.timeframe, table.family, func.count()).where(*where).group_by(table.timeframe, table.family)
    return Counter({(timeframe, family): count for timeframe, family, count in connection.execute(query)})
