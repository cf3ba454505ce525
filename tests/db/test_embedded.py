"""The life of the embedded Postgres: start, use, stop. Every test runs a real server of its own."""

import logging
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from atlas.errors import DatabaseError
from db.embedded import EmbeddedServer
from db.embedded_binaries import installed
from db.embedded_place import default_data_dir


def connect(server: EmbeddedServer, database: str = "postgres") -> psycopg.Connection:
    url = make_url(server.url(database))
    host = str(url.query["host"])
    return psycopg.connect(
        host=host, user=url.username, dbname=url.database, autocommit=True, application_name="a trader"
    )


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def server(module_cluster_dir: Path) -> Iterator[EmbeddedServer]:
    """Return a server just started; its data is this file's."""
    server = EmbeddedServer(module_cluster_dir, fsync=False)
    assert server.start()
    yield server
    server.stop(force=True)


def test_first_start_makes_a_closed_cluster_with_checksums_and_no_tcp(cluster_dir: Path) -> None:
    server = EmbeddedServer(cluster_dir)
    assert server.start()
    with connect(server) as connection:
        assert setting(connection, "data_checksums") == "on"
        assert setting(connection, "listen_addresses") == ""
        assert setting(connection, "server_encoding") == "UTF8"
        assert setting(connection, "TimeZone") == "UTC"
        assert setting(connection, "fsync") == "on"
        collation = connection.execute("SELECT datcollate FROM pg_database WHERE datname = 'template1'").fetchone()
        assert collation == ("C.UTF-8",)
    socket_dir = server.status().socket_dir
    assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert (socket_dir / ".s.PGSQL.5432").is_socket()


def test_new_cluster_is_of_the_shipped_version_18(server: EmbeddedServer) -> None:
    status = server.status()
    assert (status.running, status.version) == (True, "18")
    assert status.pid is not None
    with connect(server) as connection:
        assert setting(connection, "server_version").startswith("18.")


def test_second_start_finds_it_running(server: EmbeddedServer) -> None:
    pid = server.status().pid
    other = EmbeddedServer(server.data_dir)
    assert not other.start()
    assert not server.start()
    assert server.status().pid == pid
    assert not other.stop()


def test_stop_ends_it_and_data_survives_a_restart(server: EmbeddedServer) -> None:
    server.create_database("kept")
    assert server.stop()
    assert not server.status().running
    assert not (server.data_dir / "postmaster.pid").exists()
    assert server.start()
    assert server.database_exists("kept")


def test_stop_of_a_stopped_server_is_done_already(cluster_dir: Path) -> None:
    assert EmbeddedServer(cluster_dir).stop()
    assert not cluster_dir.exists()


def test_stop_leaves_it_running_while_another_client_is_connected_and_says_who(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(server) as connection:
        with caplog.at_level(logging.WARNING):
            assert not server.stop()
        assert "a trader in postgres" in caplog.text
        assert [client.application for client in server.clients()] == ["a trader"]
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.stop()
    assert not server.status().running


def test_stop_leaves_it_running_for_one_that_has_started_and_not_connected_yet(server: EmbeddedServer) -> None:
    other = EmbeddedServer(server.data_dir)
    assert not other.start()
    assert not server.stop()
    assert server.status().running
    assert other.stop()
    assert not server.status().running


def test_forced_stop_throws_clients_out(server: EmbeddedServer) -> None:
    connection = connect(server)
    assert server.stop(force=True)
    assert not server.status().running
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()


def test_reading_never_starts_a_server(cluster_dir: Path) -> None:
    server = EmbeddedServer(cluster_dir)
    assert not server.status().running
    assert server.url().startswith("postgresql+psycopg://atlas@/atlas?host=/")
    assert server.psql_argv()[-1] == "atlas"
    for read in (server.clients, server.require_running, lambda: server.database_exists("atlas")):
        with pytest.raises(DatabaseError, match="not running: start it with `atlas db start`") as caught:
            read()
        assert caught.value.exit_code == 69
    assert list(cluster_dir.parent.iterdir()) == []


def test_url_is_one_sqlalchemy_connects_to(server: EmbeddedServer) -> None:
    server.create_database("with space & sign")
    engine = create_engine(server.url("with space & sign"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar_one() == "with space & sign"
    engine.dispose()


def test_psql_of_the_same_version_connects(server: EmbeddedServer) -> None:
    argv = [*server.psql_argv("postgres"), "-XAtc", "SHOW server_version"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("18.")


def test_database_copied_from_a_template_holds_its_tables(server: EmbeddedServer) -> None:
    server.create_database("template_a")
    with connect(server, "template_a") as connection:
        connection.execute("CREATE TABLE fills AS SELECT 7 AS contracts")
    server.create_database("copy_a", template="template_a")
    with connect(server, "copy_a") as connection:
        assert connection.execute("SELECT contracts FROM fills").fetchone() == (7,)


def test_creating_a_database_twice_is_an_error_that_names_it(server: EmbeddedServer) -> None:
    server.create_database("twice")
    with pytest.raises(DatabaseError, match='database "twice" already exists'):
        server.create_database("twice")


def test_dropped_database_is_gone_though_somebody_was_connected(server: EmbeddedServer) -> None:
    server.create_database("doomed")
    connection = connect(server, "doomed")
    server.drop_database("doomed")
    assert not server.database_exists("doomed")
    connection.close()


def test_without_fsync_only_where_asked(server: EmbeddedServer) -> None:
    with connect(server) as connection:
        assert setting(connection, "fsync") == "off"
    server.stop()
    durable = EmbeddedServer(server.data_dir)
    assert durable.start()
    with connect(durable) as connection:
        assert setting(connection, "fsync") == "on"
    assert durable.stop()


def test_default_place_is_the_environments_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATLAS_DATA_DIR", str(tmp_path / "chosen"))
    assert EmbeddedServer().data_dir == tmp_path / "chosen"
    monkeypatch.delenv("ATLAS_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_data_dir() == tmp_path / "atlas" / "postgres"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/atlas/postgres")


def test_shipped_version_18_is_preferred_and_16_is_there_too() -> None:
    majors = [binaries.major for binaries in installed()]
    assert majors[:2] == ["18", "16"]
