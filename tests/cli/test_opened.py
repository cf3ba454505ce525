"""A command that needs the embedded server starts it, says so, and stops only what it started itself."""

from pathlib import Path

import pytest

from atlas.cli.options import Choice
from atlas.errors import DatabaseError
from db.embedded import EmbeddedServer
from tests.cli.command import Commands


@pytest.fixture
def server(cluster_dir: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedServer:
    """Return an embedded server of this test's own that does not run yet."""
    monkeypatch.delenv("ATLAS_DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("ATLAS_DATA_DIR", str(cluster_dir))
    monkeypatch.chdir(cluster_dir.parent)
    return EmbeddedServer(cluster_dir)


def test_server_started_for_a_command_is_said_and_stopped_again(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with Choice().opened(create=True):
        assert server.status().running
    assert not server.status().running
    assert capsys.readouterr().err == "atlas: starting the embedded database for this command\n"


def test_server_started_by_somebody_else_is_left_running(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    started = Commands(server.data_dir.parent, ATLAS_DATA_DIR=str(server.data_dir))("db", "start")
    assert started.code == 0, started.err
    with pytest.raises(DatabaseError, match="no database 'atlas'"), Choice().opened():
        pass
    assert server.status().running
    assert capsys.readouterr().err == ""
