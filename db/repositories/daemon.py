"""The daemon's sign of life, and the health of its actors."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from db.models import AccountRow, DaemonRow, HealthRow
from db.projections.row import replaced

_health = insert(HealthRow).values(updated_at=func.now())
_health = _health.on_conflict_do_update(index_elements=["account", "actor"], set_=replaced(_health))


class Health(Protocol):
    """One actor as its supervisor sees it; `last_progress` is the wall time of its last sign of life."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def last_progress(self) -> datetime | None: ...
    @property
    def last_error(self) -> str | None: ...


def save_health(connection: Connection, account: str, actors: Iterable[Health]) -> None:
    """Keep how the actors are, one row each."""
    rows = [
        {
            "account": account,
            "actor": actor.name,
            "state": actor.state,
            "waiting": actor.waiting,
            "restarts": actor.restarts,
            "last_progress": actor.last_progress,
            "last_error": actor.last_error,
        }
        for actor in actors
    ]
    if rows:
        connection.execute(_health, rows)


def forget_health(connection: Connection, before: datetime) -> list[str]:
    """Delete the health of actors nobody has told of since `before`, of all accounts; return their names."""
    gone = connection.execute(delete(HealthRow).where(HealthRow.updated_at < before).returning(HealthRow.actor))
    return sorted(gone.scalars())


def beat(
    connection: Connection,
    account: str,
    fence: int,
    market_time: datetime | None,
    feed: str | None,
    measures: Mapping[str, int] | None = None,
) -> None:
    """Say that the daemon lives: the exchange's time, the state of the feed, and numbers of its own by name.

    Nothing if another has taken over.
    """
    connection.execute(
        update(DaemonRow)
        .where(DaemonRow.account == account, DaemonRow.fence == fence)
        .values(beat_at=func.now(), market_time=market_time, feed=feed, measures=measures)
    )


def market_time(connection: Connection, account: str) -> datetime | None:
    """Return the market time the daemon of the account last said it had reached."""
    return connection.execute(select(DaemonRow.market_time).where(DaemonRow.account == account)).scalar_one_or_none()


class ActorLine(msgspec.Struct, frozen=True):
    """One actor's last known health."""

    actor: str
    state: str
    waiting: int
    restarts: int
    last_progress: datetime | None
    last_error: str | None


class Life(msgspec.Struct, frozen=True):
    """A daemon as it last described itself, with its account and actors."""

    host: str
    pid: int
    version: str
    mode: str
    rules: str
    started_at: datetime
    stopped_at: datetime | None
    beat_at: datetime
    market_time: datetime | None
    feed: str | None
    cash: Decimal | None
    reserved: Decimal | None
    halts: dict[str, str]
    actors: tuple[ActorLine, ...]


def life(connection: Connection, account: str) -> Life | None:
    """Return what is known of the account's daemon, None if none ever ran."""
    query = (
        select(DaemonRow.__table__, AccountRow.cash, AccountRow.reserved, AccountRow.halts)
        .join(AccountRow, AccountRow.name == DaemonRow.account)
        .where(DaemonRow.account == account)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    # What was told before the daemon's start is of another: of products no longer traded, for one.
    told = (HealthRow.account == account, HealthRow.updated_at >= row["started_at"])
    health = select(HealthRow.__table__).where(*told).order_by(HealthRow.actor)
    actors = tuple(
        ActorLine(**{name: line[name] for name in ActorLine.__struct_fields__})
        for line in connection.execute(health).mappings()
    )
    known = {name: row[name] for name in Life.__struct_fields__ if name != "actors"}
    return Life(**known, actors=actors)
