"""A real daemon with a systemd that listens: a process, a datagram socket, a local exchange, a database."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.command import CHECKOUT, PATIENCE, Commands


class Systemd:
    """Hears what the daemon tells: every datagram as its lines."""

    def __init__(self, place: Path) -> None:
        self.address = str(place / "notify")
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def __enter__(self) -> "Systemd":
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def wait_for(self, wanted: Callable[[dict[str, str]], bool], what: str, count: int = 1) -> list[dict[str, str]]:
        """Return all that is heard from now on until `count` datagrams were as wanted; AssertionError if none come."""
        deadline, heard, found = time.monotonic() + PATIENCE, [], 0
        while found < count:
            left = deadline - time.monotonic()
            assert left > 0, f"never heard: {what}; heard {self.heard[-10:]}"
            self._socket.settimeout(left)
            lines = self._socket.recv(4096).decode().splitlines()
            datagram = dict(line.split("=", 1) for line in lines)
            self.heard.append(datagram)
            heard.append(datagram)
            found += wanted(datagram)
        return heard


class Daemon:
    """`atlas run`, or a script that is like it, told where systemd listens. A context manager that kills it."""

    def __init__(
        self, commands: Commands, systemd: Systemd, *argv: str, script: Path | None = None, watchdog: float = 3.0
    ) -> None:
        """`watchdog` is in seconds how often systemd wants a sign of life."""
        self.log = commands.place / "daemon.log"
        program = ["-m", "atlas"] if script is None else [str(script)]
        environ = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(int(watchdog * 1e6))}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "run", *argv],
                cwd=commands.place,
                env=commands.environ | environ | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Return its exit code once it has ended."""
        return self.process.wait(PATIENCE)

    @property
    def said(self) -> str:
        """All it said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def ready(datagram: dict[str, str]) -> bool:
    """Whether it says that all is started."""
    return "READY" in datagram


def alive(datagram: dict[str, str]) -> bool:
    """Whether it is a sign of life."""
    return "WATCHDOG" in datagram
