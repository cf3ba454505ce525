"""The panel's own server: gunicorn with one worker and threads; each live stream holds one of them."""

import ipaddress
import os
import socket
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn carries no types
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]  # as above

from atlas.errors import ConfigurationError, UnavailableError
from web.app import PanelConfig, create_app

PAGE_THREADS = 8
"""Threads for pages, beside one for each possible stream."""

STOP_SECONDS = 3
"""What a request may still take once the server is told to stop; streams end within half a second."""


def listening_socket(host: str, port: int, *, locked: bool) -> socket.socket:
    """Return a listening socket; port 0 takes any free one. `locked`: the panel has a password.

    Raises ConfigurationError for an address others can reach without one, UnavailableError if the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"the panel cannot listen on {host!r}: {error.strerror}; give --host 127.0.0.1"
        ) from None
    family, _, _, _, address = found[0]
    if not locked and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise ConfigurationError(
            f"the panel has no password, so it does not listen on {host} where others can reach it: set one with "
            "`atlas web set-password`, or use --host 127.0.0.1 and come by an SSH tunnel "
            "(ssh -L 8080:127.0.0.1:8080 user@server)"
        )
    try:
        return socket.create_server((str(address[0]), port), family=family, backlog=64)
    except OSError as error:
        raise UnavailableError(
            f"the panel cannot listen on {host}:{port}: {error.strerror}; stop what holds it, or give another --port"
        ) from None


class PanelWorker(ThreadWorker):  # type: ignore[misc]  # as above
    """Ends the live streams as soon as the process is told to stop; gunicorn alone would wait for them."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM."""
        self._end_streams()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT and SIGINT."""
        self._end_streams()
        super().handle_quit(sig, frame)

    def _end_streams(self) -> None:
        application = getattr(self, "wsgi", None)  # not there while the worker is still booting
        if isinstance(application, Flask):
            application.extensions["broadcast"].close()


class PanelServer(BaseApplication):  # type: ignore[misc]  # as above
    """Serves the panel on a listening socket until SIGTERM or SIGINT."""

    def __init__(self, config: PanelConfig, listening: socket.socket) -> None:
        self._config = config
        self._listening = listening
        super().__init__()

    def load_config(self) -> None:
        """One worker, because one LISTEN connection feeds all streams; no control socket, no access log."""
        settings: dict[str, Any] = {
            "bind": f"fd://{self._listening.fileno()}",
            "worker_class": PanelWorker,
            "workers": 1,
            "threads": self._config.viewers + PAGE_THREADS,
            "graceful_timeout": STOP_SECONDS,
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": "atlas-web",
            # Heartbeats of the worker: in memory, so that a slow disk does not look like a hung worker.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in the worker."""
        return create_app(self._config)
