"""One client's websocket: its session, its order of sending, and how far it may lag.

Waiting for the slowest client: after the frames of an instant a ping is sent, and its pong awaited before the market
moves on. A client answers a ping when its reader comes back for more, so that it has read every frame up to then.
Running free, frames wait in a bounded buffer instead, and a client that lets it fill is dropped.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from time import monotonic

from websockets.exceptions import ConnectionClosed

from atlas.exchange.local.fault_play import FaultPlay, Struck
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.paced_socket import PacedSocket
from atlas.exchange.local.publications import HEARTBEATS, Publication
from atlas.exchange.local.session import Session
from atlas.exchange.local.timeline import Timeline

CLOSED_NORMALLY = 1000


class Connection:
    """One connected client."""

    def __init__(
        self, socket: PacedSocket, timeline: Timeline, options: ExchangeOptions, lock: threading.Lock, play: FaultPlay
    ) -> None:
        """`lock` guards the timeline, and with it the faults played, against readers on other threads."""
        self.session = Session(timeline, options, play=play)
        self._play = play
        self._stall: Struck | None = None
        self._torn: bytes | None = None
        self._deaf = False
        self._closing: asyncio.Task[None] | None = None
        self._socket = socket
        self._options = options
        self._lock = lock
        self._outbox: deque[str] = deque()
        self._sending = asyncio.Lock()
        self._filled = asyncio.Event()
        self._sent_at = monotonic()

    async def converse(self, heard: asyncio.Event) -> None:
        """Answer the client's messages until it goes; sets `heard` after each."""
        watch = asyncio.create_task(self._watch())
        pump = asyncio.create_task(self._pump()) if self._options.free_run else None
        try:
            async for message in self._socket:
                with self._lock:
                    reply = self.session.receive(message)
                self._outbox.extend(reply.frames)
                await self._flush()
                heard.set()
                if reply.close:
                    await self._socket.close(CLOSED_NORMALLY)
        except ConnectionClosed:
            pass  # however the client went, it is gone
        finally:
            watch.cancel()
            if pump is not None:
                pump.cancel()

    def take(self, published: Iterable[Publication]) -> bool:
        """Line up what this client gets of what is published; False if nothing. The caller holds the lock."""
        self._outbox.extend(self.session.take(published))
        if not self._outbox or self._gagged():
            return False
        if self._options.free_run:
            if len(self._outbox) > self._options.buffer_frames:
                self._drop()
            else:
                self._filled.set()
        return True

    def strike(self, struck: Struck) -> None:
        """Let a fault of lines or frames befall this connection. The caller holds the lock."""
        fault = struck.fault
        if not self._socket.can_send:
            return
        match fault.kind:
            case "stall":
                self._stall = struck
            case "reset":
                self._socket.reset()
            case "hang_up":
                self._deaf = True
                self._socket.hang_up()
            case "close":
                self._closing = asyncio.create_task(self._socket.close(fault.code, fault.reason))
            case _:
                self._outbox.extend(self.session.strike(fault))

    def _gagged(self) -> bool:
        """Whether a fault keeps everything back: in silence, after half a frame, or when it has hung up."""
        return self._play.silent or self._deaf or (self._torn is not None and not self._stalled_out())

    def _stalled_out(self) -> bool:
        return self._stall is None or self._stall.over

    async def catch_up(self) -> None:
        """Send what is lined up and wait until the client has read it; drop a client that never does."""
        try:
            async with asyncio.timeout(self._options.stall_limit):
                async with self._sending:
                    if not self._goes_on():
                        return
                    read = self._socket.send_and_ping(self._outbox)
                    self._outbox.clear()
                    self._sent_at = monotonic()
                await read
        except ConnectionClosed:
            self._outbox.clear()
            await asyncio.sleep(0)  # so that whoever drives the market sees that it is gone
        except TimeoutError:
            self._drop()

    async def _flush(self) -> None:
        """Send the outbox in order, whoever else is sending."""
        async with self._sending:
            while self._outbox and self._goes_on():
                await self._socket.send(self._outbox.popleft())
            self._sent_at = monotonic()

    def _goes_on(self) -> bool:
        """Tell whether frames may be sent; stop half-way in the next one where a stall has begun, go on where it ends.

        Raises ConnectionClosedError if the connection is closed.
        """
        self._socket.require_open()
        if self._play.silent or self._deaf:
            return False
        if self._torn is not None and self._stalled_out():
            rest, self._torn, self._stall = self._torn, None, None
            self._socket.send_rest(rest)
        if self._stall is not None and self._torn is None and self._outbox:
            self._torn = self._socket.send_half(self._outbox.popleft())
        return not self._gagged()

    async def _pump(self) -> None:
        """Running free: send as fast as the client takes it."""
        try:
            while True:
                await self._filled.wait()
                self._filled.clear()
                await self._flush()
        except ConnectionClosed:
            pass

    async def _watch(self) -> None:
        """Close a connection that never subscribes, and one that hears nothing for long."""
        await asyncio.sleep(self._options.subscribe_within)
        if not self.session.subscribed:
            await self._socket.close(CLOSED_NORMALLY)
        while True:
            quiet = monotonic() - self._sent_at
            if quiet >= self._options.idle_close and not self.session.holds(HEARTBEATS):
                await self._socket.close(CLOSED_NORMALLY)
                return
            await asyncio.sleep(max(self._options.idle_close - quiet, 0.05))

    def _drop(self) -> None:
        self._socket.transport.abort()
