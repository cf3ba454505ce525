"""A TCP port on loopback before another one, shut until it is opened; the first connection may pass if wanted."""

import socket
import threading
from urllib.parse import urlsplit


class Gate:
    """Use as a context manager; `url` is the inner URL by the gate's port. `first`: one connection may pass at once."""

    def __init__(self, url: str, *, first: bool) -> None:
        inner = urlsplit(url)
        self._inner = (inner.hostname, inner.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = inner._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._passed = not first
        self.open = False
        self.refused = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> "Gate":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A thread blocked in accept() is not woken by close().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
            except OSError:
                return
            if self._passed and not self.open:
                self.refused += 1
                outer.close()
                continue
            self._passed = True
            inner = socket.create_connection(self._inner)
            self._sockets += [outer, inner]
            for source, sink in ((outer, inner), (inner, outer)):
                threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
    except OSError:
        pass  # One of the two ends is gone; the other is ended with it.
    _end(sink)
    _end(source)


def _end(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The other end was quicker.
    one.close()
