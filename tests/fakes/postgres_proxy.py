"""A line to a real Postgres that can be cut or go silent: a TCP port on loopback before the server's Unix socket."""

import socket
import threading
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url

Fault = Literal["none", "silent", "cut at commit"]


class PostgresProxy:
    """Use as a context manager; `url` leads through it, by any free port or the one given, to that database.

    `fault` is what happens to what is sent from then on. silent: connections stand and are acknowledged, and nothing
    comes through, not even that one side has closed its end. cut at commit: the next COMMIT reaches the server, which
    takes it, and the line dies before the answer.
    """

    def __init__(self, url: str, port: int = 0) -> None:
        self._inner = make_url(url)
        host, number = str(self._inner.query["host"]), self._inner.query.get("port", "5432")
        self._socket = Path(host) / f".s.PGSQL.{number}"
        self.fault: Fault = "none"
        self._committing = False
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The database's URL through the proxy."""
        outer = self._inner.set(host="127.0.0.1", port=self.port).difference_update_query(["host", "port"])
        return outer.render_as_string(hide_password=False)

    def __enter__(self) -> "PostgresProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A thread blocked in accept() is not woken by close().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection there is."""
        with self._lock:
            sockets, self._open = self._open, []
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # Its other end was quicker.
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._socket))
            with self._lock:
                self._open += [client, server]
            threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        self._carry(client, server, commits=True)

    def _carry(self, source: socket.socket, target: socket.socket, *, commits: bool = False) -> None:
        try:
            while piece := source.recv(65536):
                if self.fault == "silent":
                    continue
                if self.fault == "cut at commit" and not commits and self._committing:
                    self.fault, self._committing = "none", False
                    break
                if commits and self.fault == "cut at commit" and b"COMMIT" in piece:
                    self._committing = True
                target.sendall(piece)
        except OSError:
            pass  # Cut by either side.
        if self.fault == "silent":
            return
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # Gone already.
