"""Dead letters: messages nobody could handle, kept with what is known about them."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from db.models import DeadLetterRow


class Letter(msgspec.Struct, frozen=True):
    """One message: whom it was for and from, its text, why it could not be handled, and the traceback if any."""

    id: int
    at: datetime
    recipient: str
    sender: str
    reason: str
    text: str
    traceback: str


_columns = [DeadLetterRow.__table__.columns[name] for name in Letter.__struct_fields__]


def count(connection: Connection, account: str, since: datetime) -> int:
    """Return how many there have been since then."""
    query = select(func.count()).where(DeadLetterRow.account == account, DeadLetterRow.at >= since)
    return connection.execute(query).scalar_one()


def newest(connection: Connection, account: str, limit: int) -> list[Letter]:
    """Return the newest, oldest of them first."""
    query = select(*_columns).where(DeadLetterRow.account == account).order_by(DeadLetterRow.id.desc()).limit(limit)
    return [Letter(*row) for row in reversed(connection.execute(query).all())]
