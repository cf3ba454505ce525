"""The closed bars around a trigger, read by keys: the same few however long the account has lived."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from atlas.market.bar import Bar
from atlas.money.book import Position
from atlas.strat.bar_types import type_after
from atlas.strat.setup import Setup
from db.models import CandleRow
from db.repositories.market import past_bars

BEFORE, AFTER, END = 10, 36, 10
"""Bars shown up to the setup bar, from the entry bar on, and of the end of what lasted longer."""
LATER = 3
"""Bars shown after the last one that mattered."""


class KnownBar(msgspec.Struct, frozen=True):
    """A closed bar with its Strat number, None where the bar before it is not known."""

    bar: Bar
    type: str | None
    verified: bool


class Candles(msgspec.Struct, frozen=True):
    """Closed bars, oldest first; `skipped` of them are left out before the one that opened at `skipped_at`."""

    known: Sequence[KnownBar] = ()
    skipped: int = 0
    skipped_at: datetime | None = None


def around(connection: Connection, symbol: str, setup: Setup, position: Position | None) -> Candles:
    """Return a product's bars around the setup, up to a few after what became of it.

    The middle of a long trade is left out. What closed before ATLAS was there is taken from what REST told of it last.
    """
    series = select(CandleRow.__table__).where(CandleRow.symbol == symbol, CandleRow.timeframe == setup.timeframe)
    opened, length = CandleRow.open_time, setup.valid_until - setup.valid_from
    before = series.where(opened <= setup.setup_time).order_by(opened.desc()).limit(BEFORE)
    after = series.where(opened > setup.setup_time)
    if position is None:
        after = after.where(opened < setup.valid_until + LATER * length)
    elif position.exit_time is not None:
        after = after.where(opened <= position.exit_time + LATER * length)
    first = [_known(row) for row in reversed(connection.execute(before).all())]
    if len(first) < BEFORE:
        first = _filled(first, [bar for bar in past_bars(connection, symbol, setup.timeframe)
                                if bar.open_time <= setup.setup_time])  # fmt: skip
    following = list(connection.execute(after.order_by(opened).limit(AFTER)).all())
    first += map(_known, following)
    if len(following) < AFTER:
        return Candles(first)
    rest = after.where(opened > following[-1].open_time)
    count = connection.execute(select(func.count()).select_from(rest.subquery())).scalar_one()
    last = [_known(row) for row in reversed(connection.execute(rest.order_by(opened.desc()).limit(END)).all())]
    skipped = count - len(last)
    return Candles([*first, *last], skipped, last[0].bar.open_time if skipped else None)


def _filled(stored: Sequence[KnownBar], past: Sequence[Bar]) -> list[KnownBar]:
    """Return the newest bars of both, numbered; of the same bar the stored one counts."""
    bars = {bar.open_time: KnownBar(bar, None, verified=True) for bar in past}
    bars |= {known.bar.open_time: known for known in stored}
    found: list[KnownBar] = []
    prior: Bar | None = None
    for at in sorted(bars):
        known = bars[at]
        kind = known.type or type_after(known.bar, prior)
        found.append(msgspec.structs.replace(known, type=kind))
        prior = known.bar
    return found[-BEFORE:]


def _known(row: Row[Any]) -> KnownBar:
    bar = Bar(row.timeframe, row.open_time, row.close_time, row.open, row.high, row.low, row.close, row.volume)
    return KnownBar(bar, row.type, row.verified)
