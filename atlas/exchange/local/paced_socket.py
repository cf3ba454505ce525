"""A websocket that can send the frames of an instant and a ping in one write, and tell when the pong is back.

The library's own `send` and `ping` write each frame by itself, which wakes the reader for each: twice the price of a
step. What is used here of the library is its documented Sans-I/O protocol and `create_connection` hook.
"""

import asyncio
from collections.abc import Iterable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

_PING = b"step"


class PacedSocket(ServerConnection):
    """A server's side of a websocket."""

    _read: "asyncio.Future[None] | None" = None

    def send_and_ping(self, frames: Iterable[str]) -> "asyncio.Future[None]":
        """Send text frames and a ping at once; the future is done when the client has read them all.

        Raises ConnectionClosedError if the connection is closed; the future does so if it closes meanwhile. Only one
        such future may be waited for at a time.
        """
        if self.protocol.state is not State.OPEN:
            raise ConnectionClosedError(None, None)
        for frame in frames:
            self.protocol.send_text(frame.encode())
        self.protocol.send_ping(_PING)
        self._read = self.loop.create_future()
        self.transport.write(b"".join(self.protocol.data_to_send()))
        return self._read

    def process_event(self, event: Event) -> None:
        """Take a pong of ours; leave everything else to the library."""
        if isinstance(event, Frame) and event.opcode is Opcode.PONG and bytes(event.data) == _PING:
            if self._read is not None and not self._read.done():
                self._read.set_result(None)
            return
        super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for a pong that cannot come."""
        if self._read is not None and not self._read.done():
            self._read.set_exception(ConnectionClosedError(None, None))
        super().connection_lost(exc)
