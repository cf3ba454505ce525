"""The health of actors that are no more is forgotten; that of the living and all money stays."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, insert, select

from db.engine import session
from db.models import HealthRow
from db.repositories.daemon import forget_health

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAYS = timedelta(days=30)


def test_health_older_than_the_limit_is_deleted(engine: Engine) -> None:
    ages = {"scanner:OLD": DAYS + timedelta(seconds=1), "scanner:EDGE": DAYS, "journal": timedelta()}
    with session(engine) as connection:
        for actor, age in ages.items():
            row = {"account": "paper", "actor": actor, "state": "running", "waiting": 0, "restarts": 0}
            connection.execute(insert(HealthRow).values(**row, updated_at=NOW - age))
        assert forget_health(connection, NOW - DAYS) == ["scanner:OLD"]
        assert connection.execute(select(func.count()).select_from(HealthRow)).scalar_one() == 2
