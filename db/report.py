"""All that `atlas report` tells of one account and period, as one struct: its fields are the keys of the JSON.

docs/report.md says what each means; a test holds the two together.
"""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, func, select

from atlas.backtest.result import FunnelRow, Trade, trade
from atlas.money.book import Position
from atlas.performance import DIMENSIONS, DayEquity, Performance, measure, measure_by
from db.equity import daily_equity
from db.exposure import lived
from db.funnel import funnel
from db.models import LedgerRow
from db.period import ALWAYS, Period
from db.results import Summary, opened_account, positions, summary


class Report(msgspec.Struct, frozen=True):
    """One account in one period; `by` dimension → group → metrics, `equity` the daily equity the ratios come from."""

    period: Period
    summary: Summary
    trades: list[Trade]
    funnel: list[FunnelRow]
    metrics: Performance
    by: dict[str, dict[str, Performance]]
    equity: list[DayEquity]


class LedgerEntry(msgspec.Struct, frozen=True):
    """One leg of a movement, USD, as stored."""

    at: datetime
    movement: str
    kind: str
    book: str
    amount: Decimal
    position: str | None


class Ledger(msgspec.Struct, frozen=True):
    """The legs of the period, and what all legs up to its end sum to.

    `balances` book → sum: all of them together are 0. `unbalanced` are the movements of the period whose legs do not
    sum to 0. `cash` and `reserved` are the account's, which the books `cash` and `margin_reserved` must equal when the
    period has no end.
    """

    entries: list[LedgerEntry]
    balances: dict[str, Decimal]
    unbalanced: list[str]
    cash: Decimal
    reserved: Decimal

    @property
    def sums(self) -> bool:
        """Whether every movement and the whole sum to 0."""
        return not self.unbalanced and sum(self.balances.values(), Decimal(0)) == 0


def report(connection: Connection, account: str, timezone: str, period: Period = ALWAYS) -> Report:
    """Return the report. Trades are those closed within the period, triggers those that broke in it.

    The summary is of the account as a whole, now. Days, weekdays and hours are those of `timezone`. Raises DataError
    for an account that was never opened.
    """
    row = opened_account(connection, account)
    closed = positions(connection, account, "closed", period)
    equity = daily_equity(connection, account, timezone, period)
    begun = equity[0].equity if equity else row.starting_equity
    seen = lived(connection, account, period)
    zone = ZoneInfo(timezone)
    return Report(
        period=period,
        summary=summary(connection, account),
        trades=[trade(position) for position in closed],
        funnel=funnel(connection, account, period),
        metrics=measure(closed, begun, equity, seen, _held(connection, account, period)),
        by={dimension: measure_by(dimension, closed, begun, zone, seen) for dimension in DIMENSIONS},
        equity=equity,
    )


def ledger(connection: Connection, account: str, period: Period = ALWAYS) -> Ledger:
    """Return the ledger. Raises DataError for an account that was never opened."""
    row = opened_account(connection, account)
    mine = LedgerRow.account == account
    columns = (
        LedgerRow.at, LedgerRow.movement_id, LedgerRow.kind, LedgerRow.book, LedgerRow.amount, LedgerRow.position_id,
    )  # fmt: skip
    query = select(*columns).where(mine, *period.of(LedgerRow.at)).order_by(LedgerRow.seq)
    entries = [LedgerEntry(*leg) for leg in connection.execute(query)]
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        sums[entry.movement] += entry.amount
    total = select(LedgerRow.book, func.sum(LedgerRow.amount)).where(mine, *Period(None, period.end).of(LedgerRow.at))
    balances: Any = connection.execute(total.group_by(LedgerRow.book).order_by(LedgerRow.book))
    return Ledger(
        entries=entries,
        balances=dict(map(tuple, balances)),
        unbalanced=[movement for movement, amount in sums.items() if amount != 0],
        cash=row.cash,
        reserved=row.reserved,
    )


def _held(connection: Connection, account: str, period: Period) -> list[Position]:
    """Return what is open still, and what was closed after the period."""
    later = [] if period.end is None else positions(connection, account, "closed", Period(period.end))
    held = [*positions(connection, account, "open"), *later]
    return [each for each in held if period.end is None or each.entry_time < period.end]
