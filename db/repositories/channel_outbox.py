"""The outbox for a channel other than Discord: the same notices, with a delivery of its own for each."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, and_, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from actors.alerter_outbox import Notice, Told
from db.engine import session
from db.models import DeliveryRow, OutboxRow
from db.repositories.outbox import CLAIM, Outbox

SINCE = timedelta(minutes=10)
"""How old a notice may be that a new channel is told of first."""


class ChannelOutbox(Outbox):
    """The outbox of one account as one channel has it. Raises DatabaseError if the database is away.

    While it is away nothing is told here, not even the critical, which Discord is told from the journal's spool.
    """

    def __init__(self, engine: Engine, account: str, channel: str) -> None:
        super().__init__(engine, account)
        self._channel = channel

    def claim(self, now: datetime) -> Notice | None:
        """Take the oldest notice that is due, critical ones first, or None."""
        self._adopt(now)
        found = self._take(now, 1, OutboxRow.critical.desc(), OutboxRow.id)
        return found[0] if found else None

    def waiting(self, now: datetime) -> int:
        """Return how many notices that are not critical are due and not claimed."""
        due = select(func.count()).select_from(DeliveryRow).join(OutboxRow).where(self._due(now), ~OutboxRow.critical)
        with session(self._engine) as connection:
            return connection.execute(due).scalar_one()

    def entry_of(self, notice: Notice) -> Told | None:
        """Nothing is edited here."""
        return None

    def _adopt(self, now: datetime) -> None:
        """Make a delivery of each notice there is none of yet. The journal alone adds notices, in their order."""
        mine = OutboxRow.account == self._account
        here = DeliveryRow.channel == self._channel
        newest = select(func.max(DeliveryRow.outbox_id)).join(OutboxRow).where(mine, here)
        before = select(func.max(OutboxRow.id)).where(mine, OutboxRow.created_at < now - SINCE)
        last = func.coalesce(newest.scalar_subquery(), before.scalar_subquery(), 0)
        due = literal(now, DeliveryRow.next_try_at.type)
        new = select(OutboxRow.id, literal(self._channel), due).where(mine, OutboxRow.id > last)
        with session(self._engine) as connection:
            connection.execute(insert(DeliveryRow).from_select(["outbox_id", "channel", "next_try_at"], new))

    def _due(self, now: datetime) -> ColumnElement[bool]:
        return and_(
            DeliveryRow.channel == self._channel,
            DeliveryRow.status == "pending",
            DeliveryRow.next_try_at <= now,
            OutboxRow.account == self._account,
        )

    def _take(self, now: datetime, most: int, *order: Any, not_critical: bool = False) -> list[Notice]:
        query = select(OutboxRow).join(DeliveryRow).where(self._due(now))
        if not_critical:
            query = query.where(~OutboxRow.critical)
        due = query.order_by(*order).limit(most).with_for_update(of=DeliveryRow, skip_locked=True).cte("due")
        claimed = (
            update(DeliveryRow)
            .where(DeliveryRow.channel == self._channel, DeliveryRow.outbox_id == due.c.id)
            .values(
                attempts=DeliveryRow.attempts + 1,
                next_try_at=now + CLAIM,
                doubtful=DeliveryRow.doubtful | DeliveryRow.in_flight,
                in_flight=True,
            )
            .returning(
                due.c.id, due.c.key, due.c.kind, due.c.critical, due.c.payload, due.c.created_at,
                DeliveryRow.attempts, DeliveryRow.doubtful,
            )
        )  # fmt: skip
        with session(self._engine) as connection:
            return [Notice(*row) for row in connection.execute(claimed)]

    def _update(self, notice_id: int, **values: Any) -> None:
        mine = and_(DeliveryRow.channel == self._channel, DeliveryRow.outbox_id == notice_id)
        if values.get("doubtful") is not True:
            values.pop("doubtful", None)
        with session(self._engine) as connection:
            connection.execute(update(DeliveryRow).where(mine, DeliveryRow.status == "pending").values(**values))
