"""The embedded Postgres after things went wrong: killed servers, reused numbers, starters at once, broken files."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from atlas.errors import ConfigurationError, DatabaseError
from db import embedded_launch
from db.embedded import EmbeddedServer
from db.embedded_account import account_for
from db.embedded_binaries import installed
from db.embedded_process import serving_pids

CHECKOUT = Path(__file__).resolve().parents[2]


def kill(server: EmbeddedServer) -> None:
    """Kill the postmaster as the kernel's memory killer would."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def await_orphans_gone(server: EmbeddedServer) -> None:
    wait = Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.02), retry=retry_if_result(bool))
    wait(serving_pids, server.data_dir)


@pytest.fixture
def server(module_cluster_dir: Path) -> Iterator[EmbeddedServer]:
    """Return a server just started, with the database `kept`; its data is this file's."""
    server = EmbeddedServer(module_cluster_dir, fsync=False)
    assert server.start()
    if not server.database_exists("kept"):
        server.create_database("kept")
    yield server
    server.stop(force=True)


def test_start_right_after_kill_9_brings_it_back_with_its_data(server: EmbeddedServer) -> None:
    host = make_url(server.url()).query["host"]
    with psycopg.connect(host=str(host), user="atlas", dbname="kept") as connection:
        connection.execute("CREATE TABLE fills AS SELECT 7 AS contracts")
    kill(server)
    assert server.start()
    with psycopg.connect(host=str(host), user="atlas", dbname="kept") as connection:
        assert connection.execute("SELECT contracts FROM fills").fetchone() == (7,)


def test_killed_server_does_not_count_as_running(server: EmbeddedServer) -> None:
    kill(server)
    await_orphans_gone(server)
    assert (server.data_dir / "postmaster.pid").exists()
    assert not server.status().running


def test_stale_pid_file_whose_number_was_reused_is_not_believed(server: EmbeddedServer) -> None:
    kill(server)
    await_orphans_gone(server)
    account = account_for(server.data_dir)
    # Of the server's own account: of another one, Postgres would see by itself that it cannot be a server of this data.
    bystander = subprocess.Popen(
        ["sleep", "600"],
        user=account.uid if account.switch else None,
        group=account.gid if account.switch else None,
        extra_groups=[] if account.switch else None,
    )
    try:
        for file in (server.data_dir / "postmaster.pid", server.status().socket_dir / ".s.PGSQL.5432.lock"):
            lines = file.read_text().splitlines()
            file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        assert not server.status().running
        assert server.start()
        assert server.status().pid != bystander.pid
        assert server.database_exists("kept")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_pid_file_is_kept_while_a_killed_servers_children_live(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointer = min(pid for pid in serving_pids(server.data_dir) if pid != server.status().pid)
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        kill(server)
        monkeypatch.setattr(embedded_launch, "START_RETRY_SECONDS", 0.3)
        with pytest.raises(DatabaseError, match=f"{checkpointer} of a killed Postgres still work"):
            server.start()
        assert (server.data_dir / "postmaster.pid").exists()
    finally:
        os.kill(checkpointer, signal.SIGCONT)
    monkeypatch.undo()
    assert server.start()


def test_of_several_starters_at_once_one_starts_it(cluster_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from db.embedded import EmbeddedServer\n"
        "server = EmbeddedServer(Path(sys.argv[1]), fsync=False); sys.stdin.readline()\n"
        "print(server.start(), server.status().pid)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", script, cluster_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(3)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    said = [starter.communicate(timeout=100)[0].split() for starter in starters]
    assert sorted(started for started, _ in said) == ["False", "False", "True"]
    assert len({pid for _, pid in said}) == 1


def test_killed_initdb_leaves_nothing_that_stops_the_next_start(cluster_dir: Path) -> None:
    half_made = cluster_dir.with_name("pg.unfinished")
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(cluster_dir, fsync=False)
    assert not server.status().running
    assert server.start()
    assert not half_made.exists()


def test_server_that_cannot_start_says_why(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stop()
    settings = server.data_dir / "postgresql.conf"
    as_it_was = settings.read_text()
    settings.write_text(as_it_was + "shared_buffers = 'plenty'\n")
    monkeypatch.setattr(embedded_launch, "START_RETRY_SECONDS", 0.3)
    with pytest.raises(DatabaseError, match=r"did not start: .*plenty") as caught:
        server.start()
    assert caught.value.exit_code == 69
    assert "\n" not in str(caught.value)
    settings.write_text(as_it_was)


def test_start_waits_for_a_server_that_is_neither_up_nor_down(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = server.data_dir / "postmaster.pid"
    as_it_was = pid_file.read_text()
    assert "ready" in as_it_was
    pid_file.write_text(as_it_was.replace("ready   ", "stopping"))
    monkeypatch.setattr(embedded_launch, "RECOVERY_SECONDS", 0.3)
    with pytest.raises(DatabaseError, match="neither up nor down"):
        server.start()
    pid_file.write_text(as_it_was)
    assert not server.start()


def test_existing_data_of_version_16_is_served_by_16(cluster_dir: Path) -> None:
    account = account_for(cluster_dir)
    sixteen = next(binaries for binaries in installed() if binaries.major == "16")
    cluster_dir.mkdir(mode=0o700)
    account.own(cluster_dir)
    made = account.run([sixteen.bin / "initdb", "-D", cluster_dir, "-U", "atlas", "-A", "trust", "--no-sync"])
    assert made.returncode == 0, made.stdout
    server = EmbeddedServer(cluster_dir, fsync=False)
    assert server.start()
    assert server.status().version == "16"
    with psycopg.connect(host=str(server.status().socket_dir), user="atlas", dbname="postgres") as connection:
        assert connection.info.server_version // 10000 == 16


def test_data_of_a_version_that_is_not_installed_names_it(cluster_dir: Path) -> None:
    cluster_dir.mkdir()
    (cluster_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match="made by Postgres 9, which is not installed: install postgresql-9"):
        EmbeddedServer(cluster_dir).start()


def test_directory_with_other_files_is_refused_and_left_alone(cluster_dir: Path) -> None:
    cluster_dir.mkdir()
    (cluster_dir / "taxes.txt").write_text("precious")
    with pytest.raises(ConfigurationError, match="holds other files") as caught:
        EmbeddedServer(cluster_dir).start()
    assert caught.value.exit_code == 78
    assert (cluster_dir / "taxes.txt").read_text() == "precious"


def test_empty_directory_is_taken(cluster_dir: Path) -> None:
    cluster_dir.mkdir()
    assert EmbeddedServer(cluster_dir, fsync=False).start()
