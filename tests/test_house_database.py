"""What the fixtures promise: a test's database is migrated, empty and its own."""

import psycopg
import pytest
from sqlalchemy import create_engine, inspect, text

from db.embedded import EmbeddedServer

WRITTEN = "CREATE TABLE left_behind AS SELECT 1 AS one"


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_tests_database_is_migrated_and_holds_nothing_of_another_test(database_url: str, turn: str) -> None:
    engine = create_engine(database_url)
    tables = inspect(engine).get_table_names()
    assert "alembic_version" in tables
    assert len(tables) > 1
    assert "left_behind" not in tables
    with engine.begin() as connection:
        connection.execute(text(WRITTEN))
    engine.dispose()


def test_bare_database_holds_nothing(bare_database_url: str) -> None:
    engine = create_engine(bare_database_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_database_is_dropped_though_a_connection_was_left_open(postgres: EmbeddedServer, worker: str) -> None:
    name = f"left_open_{worker}"
    postgres.create_database(name)
    connection = psycopg.connect(host=str(postgres.status().socket_dir), user="atlas", dbname=name)
    postgres.drop_database(name)
    assert not postgres.database_exists(name)
    connection.close()
