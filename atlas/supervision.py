"""What systemd is told of the daemon: that it is ready, that it gets on, that it stops, and a line of status.

The protocol is sd_notify(3): one datagram of `NAME=value` lines to the socket in NOTIFY_SOCKET; a name that begins with
`@` is in the abstract namespace. Where nobody asked to be told, nothing is sent.
"""

import logging
import socket
from collections.abc import MutableMapping

_log = logging.getLogger(__name__)

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notify:
    """Tells systemd. Used from any thread; never raises and never waits: a full socket drops what it is told."""

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        """`address` "" tells nobody; `watchdog` is in how many seconds a sign of life is due, None if none is."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = watchdog
        self._failed = False

    def ready(self, status: str) -> None:
        """All is started."""
        self._send("READY=1", f"STATUS={_line(status)}")

    def alive(self, status: str) -> None:
        """Every actor gets on: the watchdog begins to count anew."""
        self._send("WATCHDOG=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        """Say what goes on, and nothing about being alive."""
        self._send(f"STATUS={_line(status)}")

    def stopping(self, status: str) -> None:
        """The end has begun."""
        self._send("STOPPING=1", f"STATUS={_line(status)}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failed:
                _log.warning("systemd cannot be told (NOTIFY_SOCKET %s): %s", self._address.replace("\0", "@"), error)
            self._failed = True
        else:
            self._failed = False


def taken_from(environ: MutableMapping[str, str], pid: int) -> Notify:
    """Return who is to be told, and take it out of the environment: no child may speak for the daemon.

    Postgres, too, says READY=1 where it finds NOTIFY_SOCKET. A watchdog meant for another process is not ours.
    """
    address, microseconds, asked = (environ.pop(name, "") for name in _VARIABLES)
    ours = microseconds.isdigit() and int(microseconds) > 0 and asked in ("", str(pid))
    return Notify(address, int(microseconds) / 1e6 if ours else None)


def _line(text: str) -> str:
    return " ".join(text.split())
