"""The embedded Postgres, or who started it, is killed: the daemon goes on, and at the end nothing is left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from atlas.errors import DatabaseError
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from db.embedded import EmbeddedServer
from db.engine import connect, session
from db.keeper import LONGEST_PAUSE, Keeper
from tests.cli.command import CHECKOUT, Running
from tests.cli.conftest import PRODUCTS, settled

PATIENCE = 120.0
HOLDS_IT = """
import sys, time
from pathlib import Path
from db.embedded import EmbeddedServer
EmbeddedServer(Path(sys.argv[1]), fsync=False).start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def server(cluster_dir: Path) -> EmbeddedServer:
    """Return an embedded server that does not run yet; it is stopped after the test whatever happens."""
    return EmbeddedServer(cluster_dir, fsync=False)


def kill(server: EmbeddedServer) -> int:
    """Kill -9 the server; return its process number once it is gone."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.status().running:
        os.sched_yield()
    return pid


# ── the server dies ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_killed_server_is_started_again_with_its_data(server: EmbeddedServer) -> None:
    told: list[str] = []
    server.start()
    server.create_database("ours")
    keeper = Keeper(server, told.append)
    keeper.look()
    killed = kill(server)
    keeper.look()
    keeper.look()
    assert server.status().pid not in (None, killed)
    assert server.databases() == ["ours"]
    assert told == ["The embedded Postgres had died and was started again."]


def test_server_that_does_not_start_is_tried_more_and_more_rarely_and_told_once(server: EmbeddedServer) -> None:
    told: list[str] = []
    server.start()
    keeper = Keeper(server, told.append)
    kill(server)
    settings = server.data_dir / "PG_VERSION"
    kept = settings.rename(server.data_dir / "PG_VERSION.away")
    for _ in range(200):
        keeper.look()
    assert len(told) == 1
    assert "is gone" in told[0]
    assert "cannot be started" in told[0]
    kept.rename(settings)
    for _ in range(LONGEST_PAUSE + 1):
        keeper.look()
    assert server.status().running
    assert len(told) == 2


def test_daemon_whose_server_is_killed_has_it_again_and_loses_nothing(server: EmbeddedServer, tmp_path: Path) -> None:
    """A real daemon on a real exchange: the journal spools meanwhile, and tells when the database is back."""
    market = SyntheticMarket(listed(PRODUCTS), time.time_ns(), seed=3)
    with LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, rest_limit=500, rest_burst=500)) as exchange:
        commands = settled(tmp_path, exchange, "")
        commands.environ["ATLAS_DATA_DIR"] = str(server.data_dir)
        with commands.start("run") as running:
            wait_for(lambda: rows(server, "SELECT 1 FROM daemons WHERE feed = 'up'"), running)
            killed = kill(server)
            told = "SELECT kind FROM outbox WHERE kind IN ('database_revived', 'database_up')"
            wait_for(lambda: len(rows(server, told)) == 2, running)
            assert server.status().pid != killed
            events = "SELECT count(*), count(DISTINCT id) FROM events"
            ((number, different),) = rows(server, events)
            assert number == different > 0
            assert running.stop() == 0, running.log.read_text()
    assert not server.status().running, "who started it stops it, also after it was started again"


def rows(server: EmbeddedServer, query: str) -> list[tuple[object, ...]]:
    """Return the rows of a query, none while the database is not there."""
    if not server.status().running:
        return []
    engine = connect(server.url())
    try:
        with session(engine) as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    except DatabaseError:
        return []
    finally:
        engine.dispose()


def wait_for(condition: Callable[[], object], running: Running) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert running.alive, running.log.read_text()
        assert time.monotonic() < deadline, running.log.read_text()
        time.sleep(0.1)


# ── who started it dies ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def starter(server: EmbeddedServer) -> Iterator[subprocess.Popen[str]]:
    """Return a process that has started the server and uses it."""
    argv = [sys.executable, "-c", HOLDS_IT, str(server.data_dir)]
    process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_last_to_leave_stops_a_server_whose_starter_was_killed(
    server: EmbeddedServer, starter: "subprocess.Popen[str]"
) -> None:
    """As the demo's daemon does where the demo itself is killed; while the starter lives, leaving stops nothing."""
    assert not server.start()
    assert not server.leave()
    assert server.status().running
    assert not server.start()
    starter.kill()
    starter.wait()
    assert server.leave()
    assert not server.status().running


def test_server_started_on_purpose_is_left_running(server: EmbeddedServer) -> None:
    server.start(keep=True)
    other = EmbeddedServer(server.data_dir, fsync=False)
    other.start()
    assert not other.leave()
    assert server.status().running


def test_server_started_for_a_command_is_kept_once_that_is_wished(
    server: EmbeddedServer, starter: "subprocess.Popen[str]"
) -> None:
    assert not server.start(keep=True)
    starter.kill()
    starter.wait()
    assert not server.leave()
    assert server.status().running


def test_server_kept_is_kept_when_it_was_revived(server: EmbeddedServer) -> None:
    server.start(keep=True)
    kill(server)
    assert server.revive()
    assert not server.leave()
    assert server.status().running
