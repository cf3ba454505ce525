"""The completeness ledger: what is known of each product's bars, and which holes are open.

It stands in the candles themselves (`repaired`, `confirmed_at`, `contradicted_at`) and in `holes`.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
from sqlalchemy import Connection, and_, case, func, select

from atlas.market.completeness import KNOWLEDGE, Knowledge, KnownBar, Stretch, counted, stretches
from atlas.market.timeframes import TIMEFRAMES
from db.models import CandleRow, HoleRow, PositionRow


class Ledger(msgspec.Struct, frozen=True):
    """One product and timeframe: its stretches, oldest first, how many bars of each kind, the close of the last."""

    symbol: str
    timeframe: str
    stretches: list[Stretch]
    bars: dict[Knowledge, int]
    until: datetime


class Tally(msgspec.Struct, frozen=True):
    """One product and timeframe: how many bars of each kind, worst kind first, and the close of the last."""

    symbol: str
    timeframe: str
    bars: dict[Knowledge, int]
    until: datetime


class OpenHole(msgspec.Struct, frozen=True):
    """A stretch of a product's trades that may be missing and is not repaired; `since` None: not known since when."""

    symbol: str
    at: datetime
    since: datetime | None
    reason: str


_knowledge = case(
    (and_(~CandleRow.verified, CandleRow.contradicted_at.is_not(None)), "contradicted"),
    (~CandleRow.verified, "unverified"),
    (CandleRow.confirmed_at.is_not(None), "confirmed"),
    (CandleRow.repaired, "repaired"),
    else_="verified",
)
"""`KnownBar.knowledge` as the database says it."""
_newest = select(func.max(CandleRow.close_time))
_PLACE = {timeframe: place for place, timeframe in enumerate(TIMEFRAMES)}


def ledgers(connection: Connection, within: timedelta, symbol: str | None = None) -> list[Ledger]:
    """Return what is known of the bars that closed `within` so long before the newest one, by product and timeframe."""
    newest = connection.execute(_newest).scalar_one()
    if newest is None:
        return []
    query = select(
        CandleRow.symbol,
        CandleRow.timeframe,
        *(getattr(CandleRow, name) for name in KnownBar.__struct_fields__),
    ).where(CandleRow.close_time > newest - within)
    if symbol is not None:
        query = query.where(CandleRow.symbol == symbol)
    query = query.order_by(CandleRow.symbol, CandleRow.timeframe, CandleRow.open_time)
    found = []
    for (name, timeframe), rows in groupby(connection.execute(query), key=lambda row: (row.symbol, row.timeframe)):
        bars = [KnownBar(*row[2:]) for row in rows]
        found.append(Ledger(name, timeframe, stretches(bars), counted(bars), bars[-1].close_time))
    return sorted(found, key=lambda ledger: (ledger.symbol, _PLACE[ledger.timeframe]))


def tallies(connection: Connection, within: timedelta) -> list[Tally]:
    """Return how many bars of each kind closed `within` so long before the newest one, by product and timeframe.

    Counted by the database: the panel asks every second.
    """
    newest = connection.execute(_newest).scalar_one()
    if newest is None:
        return []
    query = (
        select(CandleRow.symbol, CandleRow.timeframe, _knowledge, func.count(), func.max(CandleRow.close_time))
        .where(CandleRow.close_time > newest - within)
        .group_by(CandleRow.symbol, CandleRow.timeframe, _knowledge)
    )
    counts: dict[tuple[str, str], dict[Knowledge, int]] = {}
    until: dict[tuple[str, str], datetime] = {}
    for symbol, timeframe, kind, count, closed in connection.execute(query):
        of = symbol, timeframe
        counts.setdefault(of, {})[kind] = count
        until[of] = max(closed, until.get(of, closed))
    return [
        Tally(*of, {kind: counts[of][kind] for kind in KNOWLEDGE if kind in counts[of]}, until[of])
        for of in sorted(counts, key=lambda of: (of[0], _PLACE[of[1]]))
    ]


def summed(found: Iterable[Tally]) -> dict[Knowledge, int]:
    """Return how many bars of each kind there are in all of them, worst kind first; kinds without one are left out."""
    total: Counter[Knowledge] = Counter()
    for tally in found:
        total.update(tally.bars)
    return {kind: total[kind] for kind in KNOWLEDGE if kind in total}


def open_holes(connection: Connection) -> list[OpenHole]:
    """Return the holes that are not repaired, by product and time."""
    query = select(*(getattr(HoleRow, name) for name in OpenHole.__struct_fields__))
    query = query.where(HoleRow.repaired_at.is_(None)).order_by(HoleRow.symbol, HoleRow.at)
    return [OpenHole(*row) for row in connection.execute(query)]


def doubted_positions(connection: Connection, account: str) -> list[str]:
    """Return the open positions that were entered on a bar the exchange's own candle contradicted, oldest first."""
    doubted = and_(PositionRow.account == account, PositionRow.status == "open", PositionRow.contradicted)
    query = select(PositionRow.id).where(doubted).order_by(PositionRow.entry_time, PositionRow.id)
    return list(connection.execute(query).scalars())
