"""Which database is meant, and what its errors say."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from atlas.errors import ConfigurationError, DatabaseError
from db.engine import connect, name_of, normal, resolve_url, session, snapshot
from db.silence import Impatient


def test_atlas_database_url_goes_before_database_url() -> None:
    environ = {"ATLAS_DATABASE_URL": "postgres://a/x", "DATABASE_URL": "postgres://b/y"}
    assert resolve_url(None, environ) == "postgresql+psycopg://a/x"
    assert resolve_url(None, {"DATABASE_URL": "postgres://b/y"}) == "postgresql+psycopg://b/y"


def test_given_url_goes_before_the_environment() -> None:
    assert resolve_url("postgresql://c/z", {"DATABASE_URL": "postgres://b/y"}) == "postgresql+psycopg://c/z"


def test_nothing_set_means_the_embedded_server() -> None:
    assert resolve_url(None, {}) is None
    assert resolve_url(None, {"DATABASE_URL": ""}) is None


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_all_spellings_of_postgres_are_the_same(scheme: str) -> None:
    assert normal(f"{scheme}://u:p@h:5433/d").drivername == "postgresql+psycopg"


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/d", "sqlite:///atlas.db", "no url at all: geheim"])
def test_other_databases_are_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://") as caught:
        normal(url)
    assert "geheim" not in str(caught.value)


def test_name_never_shows_user_or_password() -> None:
    assert name_of("postgresql://me:geheim@db.example:5433/atlas") == "database atlas on db.example:5433"


def test_session_is_in_utc_and_statements_time_out(database_url: str) -> None:
    engine = connect(database_url, statement_timeout=0.2)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
        with pytest.raises(DBAPIError, match="statement timeout"):
            connection.execute(text("SELECT pg_sleep(30)"))
    engine.dispose()


def test_refused_statement_is_a_database_error_that_says_why(database_url: str) -> None:
    engine = connect(database_url)
    with pytest.raises(DatabaseError, match='relation "nothing" does not exist'), session(engine) as connection:
        connection.execute(text("SELECT * FROM nothing"))
    engine.dispose()


def test_snapshot_sees_one_moment_and_writes_nothing(database_url: str) -> None:
    engine = connect(database_url)
    with session(engine) as connection:
        connection.execute(text("CREATE TABLE written (number int)"))
    with snapshot(engine) as reading:
        count = text("SELECT count(*) FROM written")
        assert reading.execute(count).scalar_one() == 0
        with session(engine) as writing:
            writing.execute(text("INSERT INTO written VALUES (1)"))
        assert reading.execute(count).scalar_one() == 0
    with pytest.raises(DatabaseError, match="read-only"), snapshot(engine) as reading:
        reading.execute(text("INSERT INTO written VALUES (2)"))
    engine.dispose()


def test_waiting_for_a_notification_is_no_silence(database_url: str) -> None:
    """A quiet market notifies of nothing for hours; the line is not given up for that."""
    engine = connect(database_url)
    taken = engine.raw_connection()
    taken.detach()
    connection = taken.dbapi_connection
    assert isinstance(connection, Impatient)
    try:
        connection.rollback()
        connection.autocommit = True
        connection.patience = 0.2
        connection.execute("LISTEN nothing_at_all")
        assert list(connection.notifies(timeout=1.0)) == []
        connection.execute("SELECT 1")
    finally:
        connection.close()
        engine.dispose()
