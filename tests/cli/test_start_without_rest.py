"""A start while the exchange's REST is down: by the listing kept of the last run, or not at all."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from atlas.exchange.local import LocalExchange
from db.engine import connect
from tests.cli.command import Commands, Running
from tests.cli.conftest import PRODUCTS, settled

DOWN = ("--set", "exchange.rest_url=http://127.0.0.1:1")
UP = "SELECT 1 FROM daemons WHERE feed = 'up' AND stopped_at IS NULL"


def query(commands: Commands, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the commands' database."""
    engine = connect(commands.environ["ATLAS_DATABASE_URL"])
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]
    finally:
        engine.dispose()


def wait_for(commands: Commands, running: Running, sql: str) -> None:
    """Wait until a query has a row."""
    deadline = time.monotonic() + 60
    while not query(commands, sql):
        assert running.alive, running.log.read_text()
        assert time.monotonic() < deadline, running.log.read_text()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def ran_before(
    tmp_path_factory: pytest.TempPathFactory, live_exchange: LocalExchange, new_database: Callable[..., str]
) -> Commands:
    """Return a place where a daemon has run once and was stopped."""
    commands = settled(tmp_path_factory.mktemp("atlas"), live_exchange, new_database())
    with commands.start("run") as running:
        wait_for(commands, running, UP)
        assert running.stop() == 0
    assert sorted(id_ for (id_,) in query(commands, "SELECT id FROM products")) == sorted(PRODUCTS)
    return commands


def test_it_starts_by_the_listing_kept_and_the_feed_comes_up(ran_before: Commands) -> None:
    told = (
        "SELECT payload ->> 'text', payload ->> 'critical' FROM events "
        "WHERE kind = 'Alert' AND payload ->> 'text' LIKE '%REST is down%'"
    )
    with ran_before.start("run", *DOWN) as running:
        wait_for(ran_before, running, UP)
        wait_for(ran_before, running, told)
        ((said, critical),) = query(ran_before, told)
        assert running.stop() == 0
    assert critical == "true"
    assert "nothing is entered until it is back" in said
    assert all(product in said for product in PRODUCTS)


def test_a_listing_too_old_is_refused(ran_before: Commands) -> None:
    ended = ran_before("run", *DOWN, "--set", "exchange.listing_days=0.000001")
    assert ended.code == 69
    assert "older than exchange.listing_days = 1e-06" in ended.err.splitlines()[-1]


def test_a_product_never_listed_before_is_refused(ran_before: Commands) -> None:
    ended = ran_before("run", *DOWN, "--set", f"exchange.products={PRODUCTS[0]},SLP-20DEC30-CDE")
    assert ended.code == 69
    assert "no listing of SLP-20DEC30-CDE was ever kept" in ended.err.splitlines()[-1]


def test_without_any_listing_kept_the_first_start_needs_rest(
    tmp_path: Path, live_exchange: LocalExchange, new_database: Callable[..., str]
) -> None:
    ended = settled(tmp_path, live_exchange, new_database())("run", *DOWN)
    assert ended.code == 69
    assert f"no listing of {', '.join(PRODUCTS)} was ever kept" in ended.err.splitlines()[-1]
