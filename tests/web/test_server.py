"""`atlas web` as a process: where it listens, what it refuses, and that it ends when told."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from atlas.errors import ConfigurationError, UnavailableError
from tests.web.scene import PASSWORD, Daemon
from web.keys import KeyFile
from web.server import listening_socket

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_others_can_reach_is_refused_without_a_password(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no password.*--host 127\.0\.0\.1"):
        listening_socket(host, 0, locked=False)


def test_with_a_password_the_panel_may_listen_where_others_can_reach_it() -> None:
    with listening_socket("0.0.0.0", 0, locked=True) as listening:
        assert listening.getsockname()[0] == "0.0.0.0"


def test_loopback_by_any_name_is_taken() -> None:
    for host in ("127.0.0.1", "localhost"):
        with listening_socket(host, 0, locked=False) as listening:
            assert listening.getsockname()[1] > 0


def test_a_taken_port_is_named() -> None:
    with listening_socket("127.0.0.1", 0, locked=False) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}.*another --port"):
            listening_socket("127.0.0.1", port, locked=False)


def test_the_process_lets_its_owner_in_serves_streams_and_ends_them_on_sigterm(
    daemon: Daemon, database_url: str, tmp_path: Path
) -> None:
    daemon.open_account()
    keys = tmp_path / "panel.json"
    environment = {
        **os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", "ATLAS_WEB__KEYS": str(keys)
    }  # fmt: skip
    KeyFile(keys).set_password(PASSWORD)
    token = KeyFile(keys).add_token("phone")
    command = [sys.executable, "-m", "atlas", "web", "--port", "0", "--database-url", database_url]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert found is not None
            site = found[0].rstrip("/")
            bearer = {"Authorization": f"Bearer {token}"}
            account = requests.get(f"{site}/api/v1/overview", headers=bearer, timeout=60).json()["account"]
            assert account["cash"] == "10000.00"
            with requests.Session() as owner:
                form = owner.get(f"{site}/login", timeout=60).text
                csrf = re.search(r'name="csrf_token" value="([^"]+)"', form)
                assert csrf is not None
                owner.post(f"{site}/login", data={"csrf_token": csrf[1], "password": PASSWORD}, timeout=60)
                with owner.get(f"{site}/stream", stream=True, timeout=60) as stream:
                    lines = stream.iter_lines(chunk_size=1)
                    assert next(lines) == b"retry: 3000"
                    process.send_signal(signal.SIGTERM)
                    for _ in lines:
                        pass
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
    with socket.create_server(("127.0.0.1", int(found[1]))):
        pass
