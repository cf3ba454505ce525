"""A websocket that can send the frames of an instant and a ping in one write, and tell when the pong is back.

And one that can break: half a frame, a reset, an end without a word.

The library's own `send` and `ping` write each frame by itself, which wakes the reader for each: twice the price of a
step. What is used here of the library is its documented Sans-I/O protocol and `create_connection` hook.
"""

import asyncio
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

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
        self.require_open()
        for frame in frames:
            self.protocol.send_text(frame.encode())
        self.protocol.send_ping(_PING)
        self._read = self.loop.create_future()
        self.transport.write(b"".join(self.protocol.data_to_send()))
        return self._read

    def send_half(self, frame: str) -> bytes:
        """Write the first half of a text frame; return the rest, which has to be written before anything else.

        Raises ConnectionClosedError if the connection is closed.
        """
        self.require_open()
        self.protocol.send_text(frame.encode())
        wire = b"".join(self.protocol.data_to_send())
        self.transport.write(wire[: len(wire) // 2])
        return wire[len(wire) // 2 :]

    def send_rest(self, wire: bytes) -> None:
        """Write the rest of a frame. Raises ConnectionClosedError if the connection is closed."""
        self.require_open()
        self.transport.write(wire)

    @property
    def can_send(self) -> bool:
        """Whether anything can be written. Between the client's FIN and the end the state is still open, but not so."""
        return self.protocol.state is State.OPEN and not self.protocol.eof_sent and not self.transport.is_closing()

    def require_open(self) -> None:
        """Raise ConnectionClosedError if the connection is closed."""
        if not self.can_send:
            raise ConnectionClosedError(None, None)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        with suppress(OSError):  # the client has ended it first
            own = self.transport.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def hang_up(self) -> None:
        """End our half of the TCP connection without a close frame. Nothing may be sent any more."""
        with suppress(OSError):  # the client has ended it first
            self.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)

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
