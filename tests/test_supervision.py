"""What systemd hears, on real datagram sockets."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.supervision import Notify, taken_from


@pytest.fixture(params=["a path", "the abstract namespace"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Return the address as in NOTIFY_SOCKET, and the socket that listens there."""
    address = str(tmp_path / "notify") if request.param == "a path" else f"@atlas-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0") if address.startswith("@") else address)
        listening.settimeout(30)
        yield address, listening


def test_each_thing_told_is_one_datagram_of_lines(systemd: tuple[str, socket.socket]) -> None:
    address, listening = systemd
    notify = Notify(address)
    notify.status("starting")
    notify.ready("running,\nfeed up")
    notify.alive("running")
    notify.stopping("asked to")
    assert [listening.recv(4096).decode() for _ in range(4)] == [
        "STATUS=starting",
        "READY=1\nSTATUS=running, feed up",
        "WATCHDOG=1\nSTATUS=running",
        "STOPPING=1\nSTATUS=asked to",
    ]


def test_a_listener_that_does_not_read_is_not_waited_for(systemd: tuple[str, socket.socket]) -> None:
    address, listening = systemd
    notify = Notify(address)
    for number in range(5000):
        notify.status(f"status {number}")
    listening.setblocking(False)
    heard = 0
    with contextlib.suppress(BlockingIOError):
        while listening.recv(4096):
            heard += 1
    assert 0 < heard < 5000


def test_nobody_there_is_said_once_and_nothing_is_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notify = Notify(str(tmp_path / "gone"))
    notify.alive("running")
    notify.alive("running")
    assert len(caplog.records) == 1
    assert "gone" in caplog.text


def test_where_nobody_asked_nothing_is_sent_and_no_sign_is_due(caplog: pytest.LogCaptureFixture) -> None:
    notify = taken_from({}, 7)
    notify.ready("running")
    assert notify.watchdog is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_unless_it_is_another_process_s(variables: dict[str, str], seconds: float | None) -> None:
    assert taken_from({"NOTIFY_SOCKET": "@x", **variables}, 7).watchdog == seconds


def test_no_child_inherits_who_is_to_be_told() -> None:
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "7", "HOME": "/root"}
    taken_from(environ, 7)
    assert environ == {"HOME": "/root"}
