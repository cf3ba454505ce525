"""What the night audits found."""

from datetime import date, datetime

import msgspec
from sqlalchemy import Connection, select

from db.models import NightAuditRow


class NightAudit(msgspec.Struct, frozen=True):
    """The audit of one recorded day (UTC): 0 differences, or the first of them in words."""

    day: date
    at: datetime
    inputs: int
    events: int
    differences: int
    first: str
    note: str


_columns = [NightAuditRow.__table__.columns[name] for name in NightAudit.__struct_fields__]


def last(connection: Connection, account: str) -> NightAudit | None:
    """Return the audit of the newest day that was audited, None if none ever was."""
    query = select(*_columns).where(NightAuditRow.account == account).order_by(NightAuditRow.day.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else NightAudit(*row)
