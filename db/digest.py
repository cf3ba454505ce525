"""What a digest tells of a day or a week of one account, from what is stored, bounded by the days' first events.

A day is over when the market's time says so: the journal's `DayStarted` of the next one carries the equity it ended
with, and its notice is committed with it (db/projections/account.py). So there is one digest for each day that was
traded, also over restarts, and the same records give the same digest whenever it is made.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, func, or_, select

from actors.messages import DayStarted, decode
from atlas.performance import Performance, measure
from db.funnel import funnel
from db.models import EventRow, PositionRow
from db.notices import moment, number
from db.period import Period
from db.results import positions

DAILY, WEEKLY = "daily_digest", "weekly_digest"
"""The kinds of notices."""

CURVE_DAYS = {DAILY: 30, WEEKLY: 90}
"""Days of the equity curve."""


class Digest(msgspec.Struct, frozen=True):
    """One day or week, USD. `equity` is that at its end, `equity_before` at the end of the day before it.

    `rejections` gate → count, the most frequent first. `open` counts the positions held at its end. `curve` is the
    equity at the end of each of the last days, oldest first.
    """

    period: Period
    first_day: date
    last_day: date
    equity_before: Decimal
    equity: Decimal
    performance: Performance
    triggers: int
    rejections: dict[str, int]
    open: int
    curve: list[tuple[date, Decimal]]


def digest(connection: Connection, account: str, day: str, *, weekly: bool) -> Digest | None:
    """Return the digest of what ended when `day` began; None where the account had no day before it.

    The week is the ISO week of the account's last day before it, as far as the account has days in it.
    """
    query = select(EventRow.payload).where(EventRow.account == account, EventRow.kind == DayStarted.__name__)
    every = [decode(payload) for payload in connection.execute(query.order_by(EventRow.seq)).scalars()]
    started = {each.day: each for each in every if each.day <= day}
    before = [each for name, each in sorted(started.items()) if name < day]
    if day not in started or not before:
        return None
    last = date.fromisoformat(before[-1].day)
    first = next(each for each in before if not weekly or _week(each.day) == _week(before[-1].day))
    if not weekly:
        first = before[-1]
    ended: DayStarted = started[day]
    period = Period(first.at, ended.at)
    funnels = funnel(connection, account, period)
    rejections: dict[str, int] = {}
    for row in funnels:
        for gate, count in row.rejections.items():
            rejections[gate] = rejections.get(gate, 0) + count
    curve = [(date.fromisoformat(each.day) - timedelta(days=1), each.equity) for each in (*before, ended)]
    return Digest(
        period=period,
        first_day=date.fromisoformat(first.day),
        last_day=last,
        equity_before=first.equity,
        equity=ended.equity,
        performance=measure(positions(connection, account, "closed", period), first.equity),
        triggers=sum(row.triggers for row in funnels),
        rejections=dict(sorted(rejections.items(), key=lambda one: (-one[1], one[0]))),
        open=_held(connection, account, period),
        curve=curve[-CURVE_DAYS[WEEKLY if weekly else DAILY] :],
    )


def told(digest: Digest) -> dict[str, Any]:
    """Return a digest as the fields of its notice: Decimals as text, unrounded."""
    of = digest.performance
    return {
        "first_day": digest.first_day.isoformat(),
        "last_day": digest.last_day.isoformat(),
        "from": moment(digest.period.start) if digest.period.start else None,
        "to": moment(digest.period.end) if digest.period.end else None,
        "equity_before": number(digest.equity_before),
        "equity": number(digest.equity),
        "trades": of.trades,
        "wins": of.wins,
        "losses": of.losses,
        "win_rate": _text(of.win_rate),
        "net": number(of.net_profit),
        "fees": number(of.fees),
        "funding": number(of.funding),
        "slippage": number(of.slippage),
        "profit_factor": _text(of.profit_factor),
        "expectancy_r": _text(of.expectancy_r),
        "best": _text(of.largest_win),
        "worst": _text(of.largest_loss),
        "triggers": digest.triggers,
        "rejections": digest.rejections,
        "open": digest.open,
        "curve": [[day.isoformat(), number(equity)] for day, equity in digest.curve],
    }


def _held(connection: Connection, account: str, period: Period) -> int:
    query = select(func.count()).where(
        PositionRow.account == account,
        PositionRow.entry_time < period.end,
        or_(PositionRow.exit_time.is_(None), PositionRow.exit_time >= period.end),
    )
    return connection.execute(query).scalar_one()


def _week(day: str) -> tuple[int, int]:
    year, week, _ = date.fromisoformat(day).isocalendar()
    return year, week


def _text(value: Decimal | None) -> str | None:
    return None if value is None else number(value)
