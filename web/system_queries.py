"""What the system page reads of the database itself and of the outbox."""

from typing import Any

from sqlalchemy import Connection, Row, func, literal_column, select, text

from db.models import DeadLetterRow, EventRow, OutboxRow

_SESSIONS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")


def database(connection: Connection, account: str) -> Row[Any]:
    """Return name, bytes, schema, connections, events (the sequence's last number) and last_event of the account."""
    newest = select(EventRow.seq, EventRow.at).where(EventRow.account == account).order_by(EventRow.seq.desc()).limit(1)
    last = newest.subquery()
    query = select(
        func.current_database().label("name"),
        func.pg_database_size(func.current_database()).label("bytes"),
        literal_column("(SELECT version_num FROM alembic_version)").label("schema"),
        literal_column(f"({_SESSIONS.text})").label("connections"),
        func.coalesce(select(last.c.seq).scalar_subquery(), 0).label("events"),
        select(last.c.at).scalar_subquery().label("last_event"),
    )
    return connection.execute(query).one()


def outbox(connection: Connection, account: str) -> Row[Any]:
    """Return how many rows are pending, sent and dropped, since when the oldest waits, and the newest failure."""
    waits = OutboxRow.status == "pending"
    failed = (
        select(OutboxRow.last_error)
        .where(OutboxRow.account == account, OutboxRow.last_error.is_not(None))
        .order_by(OutboxRow.id.desc())
        .limit(1)
    )
    query = select(
        func.count().filter(waits).label("pending"),
        func.count().filter(OutboxRow.status == "sent").label("sent"),
        func.count().filter(OutboxRow.status == "dropped").label("dropped"),
        func.min(OutboxRow.created_at).filter(waits).label("oldest"),
        failed.scalar_subquery().label("last_error"),
    ).where(OutboxRow.account == account)
    return connection.execute(query).one()


def dead_letters(connection: Connection, account: str) -> int:
    """Return how many messages nobody could handle."""
    query = select(func.count()).select_from(DeadLetterRow).where(DeadLetterRow.account == account)
    return connection.execute(query).scalar_one()
