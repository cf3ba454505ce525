"""Lesson 98: a daemon whose stored state is damaged says so and does not start; nothing is overwritten.

The number is that of docs/lessons.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from atlas.errors import DatabaseError
from atlas.exchange.local import LocalExchange
from db.engine import connect
from tests.cli.conftest import settled
from tests.web.scene import Daemon, position

DAMAGE = {
    "a position cut short": """UPDATE positions SET payload = '{"id": "cut"}'""",
    "an account without its cash": "UPDATE accounts SET starting_equity = NULL, cash = NULL, reserved = NULL",
}
WORDS = {
    "a position cut short": f"the open position {position().id} cannot be read",
    "an account without its cash": "the account 'paper' was opened and its row has no cash",
}
KEPT = ("accounts", "positions", "orders", "ledger", "events")


def kept(url: str) -> dict[str, list[Any]]:
    """What the tables of money hold, but for which daemon held the account last and when."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            rows = {}
            for table in KEPT:
                found = connection.execute(text(f"SELECT to_jsonb({table}) - 'fence' - 'updated_at' FROM {table}"))
                rows[table] = sorted(str(row) for (row,) in found)
            return rows
    finally:
        engine.dispose()


@pytest.mark.parametrize("damage", DAMAGE)
def test_lesson_98_a_daemon_does_not_start_on_a_damaged_account_and_overwrites_nothing(
    damage: str, tmp_path: Path, live_exchange: LocalExchange, new_database: Callable[..., str]
) -> None:
    url = new_database()
    told = Daemon(url, "paper")
    told.open_account()
    told.open(position())
    told.close()
    engine = connect(url)
    with engine.begin() as connection:
        assert connection.execute(text(DAMAGE[damage])).rowcount == 1
    engine.dispose()
    before = kept(url)
    ended = settled(tmp_path, live_exchange, url)("run")
    assert ended.code == DatabaseError.exit_code, ended.err
    assert WORDS[damage] in ended.said()
    assert "restore its last backup with `atlas db restore FILE`" in ended.said()
    assert kept(url) == before
