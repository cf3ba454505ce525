"""The account's equity by trading day, from the days' first events and what it is worth now."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, select

from actors.messages import DayStarted, decode
from atlas.money.account import trading_day
from atlas.money.book import Position
from atlas.money.profit import unrealised
from atlas.performance import DayEquity
from db.models import AccountRow, CandleRow, EventRow, PositionRow, QuoteRow
from db.period import ALWAYS, Period

_position = msgspec.json.Decoder(Position)


def equity_now(connection: Connection, account: str) -> Decimal:
    """Return cash + unrealised profit at the last prices stored, USD; what has none counts at its entry price."""
    cash = connection.execute(select(AccountRow.cash).where(AccountRow.name == account)).scalar_one() or Decimal(0)
    query = select(PositionRow.payload).where(PositionRow.account == account, PositionRow.status == "open")
    held = [_position.decode(payload) for payload in connection.execute(query).scalars()]
    marks = {symbol: _last_price(connection, symbol) for symbol in {position.symbol for position in held}}
    return cash + sum((unrealised(each, marks[each.symbol] or each.entry_price) for each in held), Decimal(0))


def daily_equity(connection: Connection, account: str, timezone: str, period: Period = ALWAYS) -> list[DayEquity]:
    """Return the equity at the end of each trading day of the period, oldest first, begun with that before its first.

    A day is the account's, in `timezone`. The last day of all is not over: its equity is that of now. A day the account
    saw nothing of has no row: its equity is that of the day before. Empty for an account that has had no day yet.
    """
    query = select(EventRow.payload).where(EventRow.account == account, EventRow.kind == DayStarted.__name__)
    started = [decode(payload) for payload in connection.execute(query.order_by(EventRow.seq)).scalars()]
    if not started:
        return []
    ends = {date.fromisoformat(each.day) - timedelta(days=1): each.equity for each in started}
    ends[max(ends) + timedelta(days=1)] = equity_now(connection, account)
    days = [DayEquity(day, ends[day]) for day in sorted(ends)]
    first = None if period.start is None else trading_day(period.start, timezone) - timedelta(days=1)
    last = None if period.end is None else trading_day(period.end - timedelta(microseconds=1), timezone)
    within = [each for each in days if (first is None or each.day > first) and (last is None or each.day <= last)]
    before = [each for each in days if first is not None and each.day <= first]
    return [*([DayEquity(first, before[-1].equity)] if first is not None and before else []), *within]


def _last_price(connection: Connection, symbol: str) -> Decimal | None:
    quote = connection.execute(select(QuoteRow.price).where(QuoteRow.symbol == symbol)).scalar_one_or_none()
    if quote is not None:
        return quote
    closed = select(CandleRow.close).where(CandleRow.symbol == symbol).order_by(CandleRow.close_time.desc()).limit(1)
    return connection.execute(closed).scalar_one_or_none()
