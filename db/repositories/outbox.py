"""The outbox as the alerter uses it: claim, then say what became of it. Each step is committed before it returns."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, and_, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from actors.alerter_outbox import Notice, Told
from atlas.errors import DatabaseError
from db.digest import WEEKLY, digest, told
from db.engine import session
from db.models import HealthRow, OutboxRow
from db.projections.row import replaced
from db.story import read, tell
from db.urgent import Urgent

if TYPE_CHECKING:
    from atlas.picture import TradePicture

CLAIM = timedelta(seconds=60)
"""How long a claim holds: longer than any request to Discord takes, with its retries inside the alerter."""

CHANNEL = "discord"
"""The name under which the channel's state stands among the actors' health."""

_health = insert(HealthRow)
_health = _health.on_conflict_do_update(index_elements=["account", "actor"], set_=replaced(_health))


class Outbox:
    """The outbox of one account. Every method raises DatabaseError if the database is away.

    `urgent` holds critical notices whose rows are still in the journal's spool: they are claimed while the database
    is away, and their ids are negative.
    """

    def __init__(self, engine: Engine, account: str, urgent: Urgent | None = None) -> None:
        self._engine = engine
        self._account = account
        self._urgent = urgent or Urgent()
        self._channel = CHANNEL

    def claim(self, now: datetime) -> Notice | None:
        """Take the oldest row that is due, critical ones first, or None; see actors.alerter_outbox.Outbox."""
        try:
            while (notice := self._claim(now)) is not None:
                delivered, message_id = self._urgent.settle(notice.key)
                if not delivered:
                    return notice
                self.sent(notice.id, now, message_id)
        except DatabaseError:
            urgent = self._urgent.claim(now)
            if urgent is None:
                raise
            return urgent
        return None

    def _claim(self, now: datetime) -> Notice | None:
        rows = self._take(now, 1, OutboxRow.critical.desc(), OutboxRow.id)
        return rows[0] if rows else None

    def claim_more(self, now: datetime, most: int) -> list[Notice]:
        """Take up to `most` further rows that are due and not critical, oldest first."""
        return sorted(self._take(now, most, OutboxRow.id, not_critical=True), key=lambda notice: notice.id)

    def waiting(self, now: datetime) -> int:
        """Return how many rows that are not critical are due and not claimed."""
        due = select(func.count()).select_from(OutboxRow).where(self._due(now), ~OutboxRow.critical)
        with session(self._engine) as connection:
            return connection.execute(due).scalar_one()

    def entry_of(self, notice: Notice) -> Told | None:
        """Return the notice of the entry an exit belongs to, if Discord has that by itself."""
        if notice.kind != "exit" or notice.id < 0:
            return None
        mine = and_(OutboxRow.account == self._account, OutboxRow.key == f"entry:{notice.payload.get('position_id')}")
        with session(self._engine) as connection:
            row = connection.execute(select(OutboxRow.__table__).where(mine, OutboxRow.status == "sent")).one_or_none()
            if row is None or row.message_id is None:
                return None
            same = and_(OutboxRow.account == self._account, OutboxRow.message_id == row.message_id)
            others = select(func.count()).select_from(OutboxRow).where(same, OutboxRow.id != row.id)
            if connection.execute(others).scalar_one():
                # The message told of more than the entry: that must not be lost.
                return None
        return Told(_notice(row), row.message_id, row.sent_at)

    def digest_of(self, notice: Notice) -> dict[str, Any] | None:
        """Return the numbers of a digest, None where there is no day to tell of."""
        with session(self._engine) as connection:
            found = digest(connection, self._account, str(notice.payload["day"]), weekly=notice.kind == WEEKLY)
        return None if found is None else told(found)

    def picture_of(self, notice: Notice) -> "TradePicture | None":
        """Return what a picture of an entry or exit shows, None where there is nothing to show."""
        position_id = notice.payload.get("position_id")
        if notice.kind not in ("entry", "exit") or notice.id < 0 or position_id is None:
            return None
        # Pillow comes along, which nobody else who uses the outbox needs.
        from db.story.picture import picture_of

        with session(self._engine) as connection:
            story = tell(read(connection, self._account, str(position_id)))
        return picture_of(story, whole=notice.kind == "exit")

    def _due(self, now: datetime) -> ColumnElement[bool]:
        # Pending as a literal: the planner cannot use the partial index for a parameter.
        pending = OutboxRow.status == literal_column("'pending'")
        return and_(OutboxRow.account == self._account, OutboxRow.next_try_at <= now, pending)

    def _take(self, now: datetime, most: int, *order: Any, not_critical: bool = False) -> list[Notice]:
        query = select(OutboxRow.id).where(self._due(now))
        if not_critical:
            query = query.where(~OutboxRow.critical)
        due = query.order_by(*order).limit(most).with_for_update(skip_locked=True).cte("due")
        claimed = (
            update(OutboxRow)
            .where(OutboxRow.id.in_(select(due.c.id)))
            .values(
                attempts=OutboxRow.attempts + 1,
                next_try_at=now + CLAIM,
                # A row that was in flight when it fell due again has an attempt nobody knows the outcome of.
                doubtful=OutboxRow.doubtful | OutboxRow.in_flight,
                in_flight=True,
            )
            .returning(OutboxRow.__table__)
        )
        with session(self._engine) as connection:
            return [_notice(row) for row in connection.execute(claimed)]

    def sent(self, notice_id: int, now: datetime, message_id: str | None) -> None:
        """Discord has it."""
        if notice_id < 0:
            self._urgent.sent(notice_id, message_id)
            return
        self._update(notice_id, status="sent", sent_at=now, message_id=message_id, in_flight=False, last_error=None)

    def again(self, notice_id: int, at: datetime, error: str, *, doubtful: bool) -> None:
        """Not delivered as far as known: due again at `at`."""
        if notice_id < 0:
            self._urgent.again(notice_id, at, doubtful=doubtful)
            return
        doubt = OutboxRow.doubtful if not doubtful else True
        self._update(notice_id, next_try_at=at, last_error=error, in_flight=False, doubtful=doubt)

    def dropped(self, notice_id: int, now: datetime, reason: str) -> None:
        """It will never be delivered; `reason` says why."""
        if notice_id < 0:
            self._urgent.dropped(notice_id)
            return
        self._update(notice_id, status="dropped", last_error=reason, in_flight=False)

    def channel(self, now: datetime, state: str, error: str | None) -> None:
        """Keep the state of the channel where health is shown."""
        row = {
            "account": self._account,
            "actor": self._channel,
            "state": state,
            "waiting": 0,
            "restarts": 0,
            "last_progress": now,
            "last_error": error,
            "updated_at": now,
        }
        with session(self._engine) as connection:
            connection.execute(_health, row)

    def _update(self, notice_id: int, **values: Any) -> None:
        mine: ColumnElement[bool] = and_(OutboxRow.account == self._account, OutboxRow.id == notice_id)
        with session(self._engine) as connection:
            connection.execute(update(OutboxRow).where(mine, OutboxRow.status == "pending").values(**values))


def _notice(row: Any) -> Notice:
    return Notice(
        row.id, row.key, row.kind, row.critical, row.payload, row.created_at, row.attempts, doubtful=row.doubtful
    )
