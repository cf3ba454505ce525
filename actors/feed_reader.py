"""The socket of the feed and the thread that owns it.

websocket-client's own application loop hangs on a stalled peer and swallows exceptions, so this is a plain loop around
`recv` (coinbase.md 4). Rules that follow from the library: the reader alone receives and closes; other threads only
`abort`, which wakes it; every wait on the socket has an end.
"""

import logging
import struct
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import certifi
import msgspec
import websocket

from atlas.errors import AtlasError

CONNECT_TIMEOUT = 10.0
RECEIVE_TIMEOUT = 1.0
"""How long one wait on the socket lasts before the reader looks whether it is to stop, or the peer dead."""

_log = logging.getLogger(__name__)


class Connected(msgspec.Struct, frozen=True):
    """Connection number `connection` stands and has asked for its channels."""

    connection: int
    wall: datetime


class FrameArrived(msgspec.Struct, frozen=True):
    """One frame. `number` counts from 1 on each connection; `waited` is how long, in seconds, the reader stood still
    before it, so that the exchange would wait for us: that time counts as nobody's silence."""

    connection: int
    number: int
    raw: bytes
    wall: datetime
    waited: float = 0.0


class Disconnected(msgspec.Struct, frozen=True):
    """The connection is gone, for a reason that was not our own wish."""

    connection: int
    reason: str


LineMessage = Connected | FrameArrived | Disconnected


class Subscription(msgspec.Struct, frozen=True):
    """One channel and its products (none for heartbeats): one message, as the exchange wants it."""

    channel: str
    product_ids: tuple[str, ...] = ()

    def text(self, jwt: str | None) -> str:
        """Return the message to send; `jwt` is added if there is one."""
        message: dict[str, object] = {"type": "subscribe"}
        if self.product_ids:
            message["product_ids"] = self.product_ids
        message["channel"] = self.channel
        if jwt is not None:
            message["jwt"] = jwt
        return msgspec.json.encode(message).decode()


class Line(Protocol):
    """What the feed does with a socket. All calls return at once and may be repeated: a second one does nothing."""

    def open(self, connection: int) -> None:
        """Connect, unless this or a later number was opened before; an earlier connection is dropped."""

    def close(self, connection: int) -> None:
        """Drop that connection if it is the current one. No Disconnected comes of it."""

    def taken(self, connection: int, number: int) -> None:
        """The feed has handled the frames up to this number."""

    def check(self) -> None:
        """Drop the connection if nothing has come for too long, however the reader is held up."""

    def shut(self) -> None:
        """Drop whatever is open and wait a moment for the reader to end."""


class LineOptions(msgspec.Struct, frozen=True):
    """How the socket is used.

    `silence`: seconds without a frame after which the peer counts as dead. `most_waiting`: frames handed over and not
    yet handled; beyond it the connection is dropped, since the exchange drops slow readers anyway (wall time). With
    `waits` the reader stands still instead while more than `largest_backlog` of them and of the inputs behind the feed
    wait, and with it an exchange that waits for its clients (compressed time). `pause`: seconds between two messages of
    ours, half of the 8 a second the exchange allows (coinbase.md 1.1).
    """

    silence: float = 5.0
    most_waiting: int = 5000
    waits: bool = False
    largest_backlog: int = 1000
    pause: float = 0.25


class SocketLine:
    """The real thing: one reader thread for each connection.

    `deliver` puts a message into the feed's mailbox. `clock` is the wall clock, `monotonic` measures silence in
    seconds. `jwt` gives a fresh token for each message sent, if keys are configured. `backlog` tells how many inputs
    wait behind the feed.
    """

    def __init__(
        self,
        url: str,
        subscriptions: Sequence[Subscription],
        deliver: Callable[[LineMessage], None],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        options: LineOptions = LineOptions(),  # noqa: B008  immutable
        jwt: Callable[[], str] | None = None,
        backlog: Callable[[], int] | None = None,
    ) -> None:
        self.url, self.subscriptions, self.deliver = url, tuple(subscriptions), deliver
        self.clock, self.monotonic, self.options = clock, monotonic, options
        self.jwt, self.backlog = jwt, backlog
        self._newest = 0
        self._reader: _Reader | None = None

    def open(self, connection: int) -> None:
        """See Line."""
        if connection <= self._newest:
            return
        if self._reader is not None:
            self._reader.drop()
        self._newest = connection
        self._reader = _Reader(self, connection)
        self._reader.start()

    def close(self, connection: int) -> None:
        """See Line."""
        if self._reader is not None and self._reader.connection == connection:
            self._reader.drop()

    def taken(self, connection: int, number: int) -> None:
        """See Line."""
        if self._reader is not None and self._reader.connection == connection:
            self._reader.taken(number)

    def check(self) -> None:
        """See Line."""
        if self._reader is not None:
            self._reader.check()

    def shut(self) -> None:
        """See Line."""
        if self._reader is not None:
            self._reader.drop()
            self._reader.join(timeout=2.0)


class _Socket(Protocol):
    """What is used of websocket.WebSocket, of which only a part is typed."""

    def send(self, payload: bytes | str, opcode: int = ...) -> int: ...
    def recv_data_frame(self, control_frame: bool = ...) -> tuple[Any, Any]: ...
    def settimeout(self, timeout: float | None) -> None: ...
    def abort(self) -> None: ...
    def shutdown(self) -> None: ...


class _Behind(Exception):
    """The feed has not kept up with the exchange."""


class _Reader(threading.Thread):
    """Connects, subscribes, and reads until the connection ends."""

    def __init__(self, line: SocketLine, connection: int) -> None:
        super().__init__(name=f"feed-reader-{connection}", daemon=True)
        self.connection = connection
        self._line, self._options = line, line.options
        self._socket: _Socket | None = None
        self._stop_asked = threading.Event()
        self._caught_up = threading.Condition()
        self._delivered = self._taken = 0
        self._heard = line.monotonic()
        self._standing_still = False

    # ── called by the feed ──────────────────────────────────────────────────────────────────────────────────────────

    def drop(self) -> None:
        """End the connection by our own wish."""
        self._stop_asked.set()
        self._abort()
        with self._caught_up:
            self._caught_up.notify()

    def check(self) -> None:
        """End a connection that is silent though the reader has not come back from the socket to notice."""
        if self._silent():
            self._abort()

    def taken(self, number: int) -> None:
        """The feed has handled frames up to `number`."""
        with self._caught_up:
            self._taken = max(self._taken, number)
            self._caught_up.notify()

    def _abort(self) -> None:
        socket = self._socket
        if socket is not None:
            socket.abort()

    # ── the thread ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Read until the end, and tell the feed why it ended."""
        try:
            reason = self._converse()
        except (websocket.WebSocketException, OSError, _Behind, AtlasError) as error:
            reason = self._why(error)
        except Exception as error:  # a thread that ends unheard would look like a quiet market
            _log.exception("the feed's reader failed")
            reason = f"the feed's reader failed: {error!r}; report this"
        finally:
            if self._socket is not None:
                self._socket.shutdown()
        if not self._stop_asked.is_set():
            self._line.deliver(Disconnected(self.connection, reason))

    def _converse(self) -> str:
        socket: _Socket = websocket.create_connection(
            self._line.url,
            timeout=CONNECT_TIMEOUT,
            skip_utf8_validation=True,
            enable_multithread=True,
            suppress_origin=True,
            sslopt={"ca_certs": certifi.where()},
        )
        self._socket = socket
        for subscription in self._line.subscriptions:
            socket.send(subscription.text(self._line.jwt() if self._line.jwt is not None else None))
            if self._stop_asked.wait(self._options.pause):
                return "stopped"
        socket.settimeout(RECEIVE_TIMEOUT)
        self._heard = self._line.monotonic()
        self._line.deliver(Connected(self.connection, self._line.clock()))
        while not self._stop_asked.is_set():
            try:
                # Control frames are asked for so that a peer which only pings does not keep us in here.
                opcode, frame = socket.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException:
                opcode = None  # What has come of a frame is kept, and the next call goes on with it.
            if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                self._hand_over(bytes(frame.data))
            elif opcode == websocket.ABNF.OPCODE_CLOSE:
                return f"the exchange closed the connection ({_close_code(frame.data)})"
            elif self._silent():
                return self._silence()
        return "stopped"

    def _hand_over(self, raw: bytes) -> None:
        arrived = self._line.monotonic()
        self._heard = arrived
        waited = 0.0
        if self._options.waits:
            waited = self._wait_until_caught_up(arrived)
        elif self._delivered - self._taken >= self._options.most_waiting:
            raise _Behind(f"the feed is {self._delivered - self._taken} frames behind: the machine is too slow or busy")
        if self._stop_asked.is_set():
            return
        self._delivered += 1
        self._line.deliver(FrameArrived(self.connection, self._delivered, raw, self._line.clock(), waited))

    def _wait_until_caught_up(self, arrived: float) -> float:
        """Stand still while the feed, or what comes behind it, has too much to do; return for how many seconds."""
        if not self._behind():
            return 0.0
        self._standing_still = True
        with self._caught_up:
            while self._behind() and not self._stop_asked.is_set():
                self._caught_up.wait(0.002)  # The backlog behind the feed notifies nobody, so look again.
        self._heard = self._line.monotonic()
        self._standing_still = False
        return self._heard - arrived

    def _behind(self) -> bool:
        behind = 0 if self._line.backlog is None else self._line.backlog()
        return self._delivered - self._taken + behind > self._options.largest_backlog

    def _silent(self) -> bool:
        return not self._standing_still and self._line.monotonic() - self._heard > self._options.silence

    def _silence(self) -> str:
        return f"the exchange has sent nothing for {self._options.silence:g} s"

    def _why(self, error: Exception) -> str:
        if self._socket is None:
            return f"could not connect to {self._line.url}: {error or type(error).__name__}"
        if self._silent():
            return self._silence()
        return f"the connection broke: {error or type(error).__name__}"


def _close_code(payload: bytes) -> str:
    """Return code and reason of a close frame, e.g. `1001 going away`."""
    if len(payload) < 2:
        return "no code"
    code = struct.unpack("!H", payload[:2])[0]
    return f"{code} {payload[2:].decode('utf-8', 'replace')}".rstrip()
