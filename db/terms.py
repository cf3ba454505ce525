"""The terms an account went by: rules and products, as its daemon told them."""

from sqlalchemy import Connection, select

from actors.messages import TermsSet, decode
from atlas.rules import Rules
from db.models import EventRow


def terms(connection: Connection, account: str, before: int | None = None) -> TermsSet | None:
    """Return the last terms told, of those told before the event of this number if one is given; None: none were."""
    query = select(EventRow.payload).where(EventRow.account == account, EventRow.kind == TermsSet.__name__)
    if before is not None:
        query = query.where(EventRow.seq < before)
    payload = connection.execute(query.order_by(EventRow.seq.desc()).limit(1)).scalar_one_or_none()
    if payload is None:
        return None
    told: TermsSet = decode(payload)
    return told


def rules(connection: Connection, account: str) -> Rules:
    """Return the rules of the account, as its daemon was set when it began last; the defaults where none has begun."""
    told = terms(connection, account)
    return told.rules if told is not None else Rules()


def timezone(connection: Connection, account: str) -> str:
    """Return the zone of the account's days."""
    return rules(connection, account).account.timezone
