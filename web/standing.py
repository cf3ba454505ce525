"""How the current period of each timeframe stands at the newest price: bar, type, color and side of continuity.

The scanner tells its periods once a second at most; what traded since is in the quote. Types and sides come from the
same functions that decide.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, select

from atlas.market.bar import Bar
from atlas.market.timeframes import TIMEFRAMES
from atlas.strat.bar_types import BarType, Color, bar_type, color
from atlas.strat.continuity import Agreement, FrameView, read_both
from db.models import FormingRow, QuoteRow

_PLACE = {timeframe: place for place, timeframe in enumerate(TIMEFRAMES)}

State = Literal["known", "empty", "unknown"]


class Standing(msgspec.Struct, frozen=True):
    """The current period of one timeframe, [opens, closes).

    `known`: the forming `bar`, its color and side are there, `type` where there is a bar before it. `empty`: no trade
    yet. `unknown`: the data do not reach back to its open, or nobody has told of the period that is on now.
    """

    timeframe: str
    state: State
    opens: datetime
    closes: datetime
    bar: Bar | None = None
    type: BarType | None = None
    color: Color | None = None
    side: Agreement = "unknown"


def standings(
    connection: Connection, market_time: datetime | None, symbols: Iterable[str] | None = None
) -> dict[str, dict[str, Standing]]:
    """Return product → timeframe → its current period, shortest timeframe first, as of the daemon's `market_time`."""
    query = select(FormingRow.__table__, QuoteRow.price, QuoteRow.at.label("price_at")).outerjoin(
        QuoteRow, QuoteRow.symbol == FormingRow.symbol
    )
    if symbols is not None:
        query = query.where(FormingRow.symbol.in_(list(symbols)))
    found: dict[str, dict[str, Standing]] = {}
    for row in sorted(connection.execute(query), key=lambda row: (row.symbol, _PLACE[row.timeframe])):
        found.setdefault(row.symbol, {})[row.timeframe] = standing(row, market_time)
    return found


def standing(row: Row[Any], market_time: datetime | None) -> Standing:
    """Return the period of one row of `forming`, which also has its product's `price` and `price_at`."""
    period = row.timeframe, row.open_time, row.close_time
    over = market_time is not None and row.close_time <= market_time
    if over or not row.known:
        return _without("unknown", *period)
    if row.open is None:
        return _without("empty", *period)
    fresh = row.price_at is not None and row.at < row.price_at < row.close_time
    price = row.price if fresh else row.close
    high, low = max(row.high, price), min(row.low, price)
    kind = None if row.prior_high is None else bar_type(high, low, row.prior_high, row.prior_low)
    view = FrameView(row.timeframe, row.open, high, low, price, row.prior_high, row.prior_low)
    bar = Bar(*period, row.open, high, low, price, row.volume)
    side = _side(view, price, row.mode)
    return Standing(row.timeframe, "known", row.open_time, row.close_time, bar, kind, color(row.open, price), side)


def _without(state: State, timeframe: str, opens: datetime, closes: datetime) -> Standing:
    return Standing(timeframe, state, opens, closes, side="unknown" if state == "unknown" else "neither")


def _side(view: FrameView, price: Decimal, mode: str) -> Agreement:
    long, short = read_both(price, [view], 1, mode)
    if long.agree:
        return "long"
    if short.agree:
        return "short"
    return "unknown" if long.unknown else "neither"
