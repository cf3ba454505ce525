"""What the scanners begin with after a restart of the process: what was told of setups, where bars end, continuity."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Text, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from atlas.market.timeframes import TIMEFRAMES
from atlas.strat.context import Context
from atlas.strat.setup import ContinuityReading, Side
from db.models import CandleRow, FullContinuityRow, SetupRow


class ToldSetup(msgspec.Struct, frozen=True):
    """A setup's reading and labels as first stored; `context` None if an older version stored it."""

    id: str
    symbol: str
    timeframe: str
    reading: ContinuityReading
    context: Context | None
    verified: bool


class FullContinuityStored(msgspec.Struct, frozen=True):
    """Full timeframe continuity of one product as stored; the fields are those of its row."""

    side: Side | None
    last: Side | None
    since: datetime
    turns: int
    told: Side | None
    told_long_at: datetime | None
    told_short_at: datetime | None


def told_setups(connection: Connection, name: str, since: datetime) -> list[ToldSetup]:
    """Return the setups whose time was not over at `since`, whatever became of them."""
    query = (
        select(
            SetupRow.id, SetupRow.symbol, SetupRow.timeframe, SetupRow.continuity, SetupRow.context, SetupRow.verified
        )
        .where(SetupRow.account == name, SetupRow.valid_until > since, SetupRow.continuity.is_not(None))
        .order_by(SetupRow.id)
    )
    return [
        ToldSetup(
            id=row.id,
            symbol=row.symbol,
            timeframe=row.timeframe,
            reading=msgspec.convert(row.continuity, ContinuityReading),
            context=None if row.context is None else msgspec.convert(row.context, Context),
            verified=row.verified,
        )
        for row in connection.execute(query)
    ]


def stored_until(connection: Connection, symbols: Iterable[str]) -> dict[str, dict[str, datetime]]:
    """Return product → timeframe → the close of the last bar stored; a bar that closed later was never told."""
    found: dict[str, dict[str, datetime]] = {symbol: {} for symbol in symbols}
    pairs = [(symbol, timeframe) for symbol in found for timeframe in TIMEFRAMES]
    names, timeframes = (literal([pair[place] for pair in pairs], ARRAY(Text)) for place in (0, 1))
    asked = func.unnest(names, timeframes).table_valued("symbol", "timeframe").render_derived()
    # One look into the primary key for each pair; a maximum by groups would read every candle.
    last = (
        select(CandleRow.close_time)
        .where(CandleRow.symbol == asked.c.symbol, CandleRow.timeframe == asked.c.timeframe)
        .order_by(CandleRow.open_time.desc())
        .limit(1)
        .correlate(asked)
        .scalar_subquery()
    )
    for row in connection.execute(select(asked.c.symbol, asked.c.timeframe, last.label("close_time"))):
        if row.close_time is not None:
            found[row.symbol][row.timeframe] = row.close_time
    return found


def full_continuity(connection: Connection, name: str) -> dict[str, FullContinuityStored]:
    """Return product → its full timeframe continuity, of those it was ever seen on."""
    query = select(FullContinuityRow.__table__).where(FullContinuityRow.account == name)
    return {
        row["symbol"]: FullContinuityStored(**{field: row[field] for field in FullContinuityStored.__struct_fields__})
        for row in connection.execute(query).mappings()
    }
