"""What became of every trigger, by timeframe and family: triggers = trades + Σ rejections, for any period."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, select

from atlas.market.timeframes import TIMEFRAMES
from atlas.strat.setup import FAMILIES
from db.models import RejectionRow, SetupRow, TriggerRow
from db.period import ALWAYS, Period

Key = tuple[str, str]
"""Timeframe and family."""


class FunnelRow(msgspec.Struct, frozen=True):
    """What became of the triggers of one timeframe and family: triggers = trades + Σ rejections.

    `missed` repeats those of the rejections that were missed. `invalidated` are one-sided setups whose opposite side
    broke first: no triggers; the other side of a two-sided setup that triggered is not among them.
    """

    timeframe: str
    family: str
    triggers: int
    trades: int
    rejections: dict[str, int]
    invalidated: int
    missed: int


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
    return rows(triggers, trades, _gates(connection, *of_period), invalidated)


def rows(
    triggers: Counter[Key], trades: Counter[Key], gates: Mapping[Key, Counter[str]], invalidated: Counter[Key]
) -> list[FunnelRow]:
    """Return the rows of what was counted, also where only a setup was invalidated."""
    return [
        FunnelRow(
            timeframe=key[0],
            family=key[1],
            triggers=triggers[key],
            trades=trades[key],
            rejections=dict(sorted(gates.get(key, Counter()).items())),
            invalidated=invalidated[key],
            missed=gates.get(key, Counter())["missed"],
        )
        for key in sorted({*triggers, *invalidated}, key=_place)
    ]


def _place(key: Key) -> tuple[int, str, int]:
    """Families in the order of strat.md 2, timeframes finest first; a family of an older version comes last."""
    timeframe, family = key
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family, TIMEFRAMES.index(timeframe)


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
