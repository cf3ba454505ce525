"""How much of the time that an account lived it had a position open (trading.md, Metrics)."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, select, text

from atlas.money.rounding import ratio
from db.models import EventRow
from db.period import Period

# Of each position what lies after the end of all that were entered before it.
_COVERED = text(
    """
    WITH spans AS (
        SELECT greatest(entry_time, :start) AS since, least(coalesce(exit_time, :end), :end) AS until FROM positions
        WHERE account = :account AND entry_time < :end AND (exit_time IS NULL OR exit_time > :start)
    ), placed AS (
        SELECT since, until, max(until) OVER (
            ORDER BY since, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached FROM spans
    )
    SELECT extract(epoch FROM sum(greatest(until - greatest(since, reached), interval '0'))) FROM placed
    """
)


def exposure(connection: Connection, account: str, period: Period) -> Decimal | None:
    """Return the share, summed by the database: that of `atlas.performance.measure`. None where nothing was open."""
    seen = lived(connection, account, period)
    if seen is None:
        return None
    start, end = seen
    covered = connection.execute(_COVERED, {"account": account, "start": start, "end": end}).scalar_one()
    whole = Decimal((end - start) // timedelta(microseconds=1)).scaleb(-6)
    return None if covered is None else ratio(covered / whole)


def lived(connection: Connection, account: str, period: Period) -> tuple[datetime, datetime] | None:
    """Return the part of the period in which the account lived, by market time; None where it did not."""
    times = select(EventRow.at).where(
        EventRow.account == account, EventRow.input.is_not(None), EventRow.at.is_not(None)
    )
    # By number, which has an index; nothing of the market's time is far out of its order.
    first = connection.execute(times.order_by(EventRow.seq).limit(1)).scalar_one_or_none()
    last = connection.execute(times.order_by(EventRow.seq.desc()).limit(1)).scalar_one_or_none()
    if first is None or last is None:
        return None
    start = first if period.start is None else max(first, period.start)
    end = last if period.end is None else min(last, period.end)
    return (start, end) if start < end else None
