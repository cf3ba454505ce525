"""What became of every trigger, by timeframe and family: triggers = trades + Σ rejections, for any period."""

from collections import Counter, defaultdict

from sqlalchemy import Connection, and_, func, select

from atlas.backtest.result import FunnelRow, Key, funnel_rows
from db.models import RejectionRow, SetupRow, TriggerRow
from db.period import ALWAYS, Period


def funnel(connection: Connection, account: str, period: Period = ALWAYS) -> list[FunnelRow]:
    """Return the rows of the triggers within the period, and of the setups invalidated in it.

    A rejection belongs to the period of its trigger, which may be a moment earlier. A trigger that is neither a trade
    nor rejected yet (one is at most, while its input is being decided) is not counted.
    """
    outcomes = (TriggerRow.timeframe, TriggerRow.family, TriggerRow.outcome, RejectionRow.gate)
    rejected = and_(RejectionRow.account == TriggerRow.account, RejectionRow.id == TriggerRow.id)
    query = (
        select(*outcomes, func.count())
        .outerjoin(RejectionRow, rejected)
        .where(TriggerRow.account == account, *period.of(TriggerRow.at), TriggerRow.outcome.is_not(None))
        .group_by(*outcomes)
    )
    triggers, trades = Counter[Key](), Counter[Key]()
    gates: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for timeframe, family, outcome, gate, count in connection.execute(query):
        key = timeframe, family
        triggers[key] += count
        if outcome == "trade":
            trades[key] += count
        if gate is not None:
            gates[key][gate] += count
    return funnel_rows(triggers, trades, gates, _invalidated(connection, account, period))


def _invalidated(connection: Connection, account: str, period: Period) -> Counter[Key]:
    of_row = SetupRow.timeframe, SetupRow.family
    query = (
        select(*of_row, func.count())
        .where(SetupRow.account == account, SetupRow.status == "invalidated", *period.of(SetupRow.resolved_at))
        .group_by(*of_row)
    )
    return Counter({(timeframe, family): count for timeframe, family, count in connection.execute(query)})
