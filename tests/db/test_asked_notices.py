"""Notices of setups and rejections: made only where they are asked for, and once each."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from actors.messages import Rejected, SetupsReplaced
from db.batch import batch_of
from db.engine import connect
from db.models import OutboxRow
from db.writer import Writer
from tests.web.scene import Daemon, position, reading, setup, triggered

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
FOUND = SetupsReplaced(
    "BIP-20DEC30-CDE", "1h", NOW, (setup("60500"), setup("59700", "short")),
    {"long": reading("long"), "short": reading("short", 1)}, True,
)  # fmt: skip
REFUSED = Rejected(
    position().id, "BIP-20DEC30-CDE", "1h", "2-1", "2U-1-2U", "long", NOW, "magnitude", "0.2 %", "0.4 %"
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    daemon = Daemon(database_url)
    daemon.open_account()
    daemon.close()
    engine = connect(database_url)
    yield engine
    engine.dispose()


def told(engine: Engine, *kinds: str) -> list[tuple[str, str]]:
    writer = Writer(engine, "paper", 1, told=kinds)
    for number, events in enumerate([(FOUND,), (triggered(position()), REFUSED), (FOUND,)], 10):
        writer.write([batch_of(events, input=number, at=NOW)])
    with engine.connect() as connection:
        rows = connection.execute(select(OutboxRow.kind, OutboxRow.payload).order_by(OutboxRow.id))
        return [(row.kind, row.payload["text"]) for row in rows]


def test_without_being_asked_for_they_are_not_even_in_the_outbox(engine: Engine) -> None:
    assert told(engine) == []


def test_each_setup_is_told_once_with_its_levels(engine: Engine) -> None:
    assert told(engine, "setup") == [
        ("setup", "BIP-20DEC30-CDE 1h 2D-1-? long: trigger 60,500, stop 60,200, target 60,950"),
        ("setup", "BIP-20DEC30-CDE 1h 2D-1-? short: trigger 59,700, stop 60,000, target 59,250"),
    ]


def test_a_rejection_is_told_with_its_gate_value_and_threshold(engine: Engine) -> None:
    assert told(engine, "rejected") == [
        ("rejected", "BIP-20DEC30-CDE 1h 2U-1-2U long: rejected by magnitude, 0.2 % where 0.4 % is asked")
    ]
