"""The bars of a chart: those REST told of, those that closed while ATLAS watched, and the forming one, numbered.

What closed before ATLAS was there is in `past_bars`, what it saw close in `candles`; of the same bar the latter counts.
The numbers are those of `atlas.strat.series`, begun a little before the first bar shown.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType, color, type_after
from atlas.strat.labels import failed_two
from atlas.strat.series import Series
from db.models import CandleRow
from db.repositories.market import past_bars
from web.standing import Standing


class NumberedBar(msgspec.Struct, frozen=True):
    """A bar with its Strat number: null for the first of a series. `failed`: a failed 2 by the account's rules.

    `forming`: the period is not over. `verified` is False while the bar may have a hole.
    """

    bar: Bar
    type: BarType | None
    failed: bool
    color: str
    verified: bool
    forming: bool


def numbered_bars(
    connection: Connection, symbol: str, timeframe: str, count: int, forming: Standing | None, rules: StratRules
) -> list[NumberedBar]:
    """Return the newest `count` bars, oldest first, the forming one among them if it has a trade.

    `rules` say what makes a 2 failed.
    """
    seen = {row.open_time: row for row in reversed(_candles(connection, symbol, timeframe, count + 1))}
    past = {bar.open_time: bar for bar in past_bars(connection, symbol, timeframe)}
    closed = {**past, **{opened: _bar(row) for opened, row in seen.items()}}
    series = Series(symbol, timeframe)
    found: list[NumberedBar] = []
    for opened in sorted(closed)[-count - 1 :]:
        bar, row = closed[opened], seen.get(opened)
        if series.last is not None and bar.open_time < series.last.close_time:
            continue
        one = series.close(bar, rules)
        failed = bool(failed_two(bar, one.prior, rules.failed))
        found.append(NumberedBar(bar, one.type, failed, one.color, row is None or row.verified, forming=False))
    last = series.last
    now = None if forming is None else forming.bar
    if now is not None and (last is None or last.close_time <= now.open_time):
        failed = bool(failed_two(now, last, rules.failed))
        shade = color(now.open, now.close)
        found.append(NumberedBar(now, type_after(now, last), failed, shade, verified=True, forming=True))
    return found[-count:]


def _candles(connection: Connection, symbol: str, timeframe: str, count: int) -> list[Row[Any]]:
    query = select(CandleRow.__table__).where(CandleRow.symbol == symbol, CandleRow.timeframe == timeframe)
    return list(connection.execute(query.order_by(CandleRow.open_time.desc()).limit(count)))


def _bar(row: Row[Any]) -> Bar:
    return Bar(row.timeframe, row.open_time, row.close_time, row.open, row.high, row.low, row.close, row.volume)
