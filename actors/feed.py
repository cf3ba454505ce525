"""The feed: Coinbase's frames in, trades, market time and the state of the connection out (coinbase.md 1).

It trusts a connection only while every frame has the next sequence number, heartbeats come, and the acknowledgement
equals what was asked for. Whatever else happens, the connection is dropped and made anew, for ever, and every product
gets a Gap: what was missed is REST's to repair. Order is kept: what a frame says goes to the core before anything of
the next frame.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from actors.feed_books import Books
from actors.feed_clock import believe, plausible, release
from actors.feed_left_out import goes_on_without, is_left_out, warning
from actors.feed_reader import Connected, Disconnected, FrameArrived, Line
from actors.feed_state import Best, Connection, FeedOptions, FeedState, by_canonical, canonical, listed, missing
from actors.feed_trades import Printed, Quotes, TradeMemory, leave, printed, take
from actors.messages import (
    Alert,
    DeadLetter,
    Depth,
    FeedDown,
    FeedUp,
    Gap,
    Halt,
    MarketTime,
    Quote,
    Resume,
    Snapshot,
    Trades,
)
from actors.runtime.behaviour import AfterWall, Behaviour, Effect, Send
from atlas.errors import DataError
from atlas.exchange.wire import (
    ErrorFrame,
    Frame,
    Heartbeat,
    Level2,
    MarketTrades,
    Subscriptions,
    Tickers,
    decode_frame,
)

QUOTE_EVERY = timedelta(seconds=1)
ALERT_EVERY = timedelta(minutes=10)


class Reconnect(msgspec.Struct, frozen=True):
    """The feed's own timer: the back-off before connection `connection` is over."""

    connection: int


class AskAgain(msgspec.Struct, frozen=True):
    """The feed's own timer: connection `connection` has gone on without a product for long enough."""

    connection: int


class CheckLine(msgspec.Struct, frozen=True):
    """The feed's own timer: see that the reader is not held up in the socket."""


class Feed(Behaviour[FeedState]):
    """See the module. Lives on a thread of its own, under the name `feed`.

    `line` is the socket; its calls may be repeated, so a rebuild by replaying messages touches nothing. `jitter` gives
    numbers in [0, 1). `booked` are the products whose order book is kept, `levels` how much of it the core is told. The
    books are no part of the state: a crash ends the connection they belong to.
    """

    def __init__(
        self,
        product_ids: Iterable[str],
        line: Line,
        *,
        jitter: Callable[[], float],
        options: FeedOptions = FeedOptions(),  # noqa: B008  immutable
        booked: Iterable[str] = (),
        levels: int = 0,
        state: FeedState | None = None,
    ) -> None:
        self._product_ids = tuple(dict.fromkeys(product_ids))
        self._booked, self._levels, self._books = tuple(dict.fromkeys(booked)), levels, Books(levels)
        self._symbols = by_canonical(self._product_ids)
        self._line, self._jitter, self._options = line, jitter, options
        self._heartbeat_limit = timedelta(seconds=options.heartbeat_seconds)
        self._steady = timedelta(seconds=options.steady_seconds)
        self.state = state or FeedState()

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: datetime) -> Iterator[Effect]:
        """Connect."""
        self._line.open(self.state.connection.number)
        yield AfterWall(self._options.silence_seconds, CheckLine())

    def resume(self, now: datetime) -> Iterator[Effect]:
        """After a crash `stop` has shut the line: connect anew, as after any other loss."""
        yield from self._lose(now, "the feed crashed and begins anew")

    def stop(self) -> None:
        """Let the socket go."""
        self._line.shut()

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        """Handle what the reader brings, and own timers."""
        if isinstance(message, FrameArrived):
            # One of a connection already given up says nothing.
            return self._arrived(now, message) if message.connection == self.state.connection.number else ()
        return self._happened(now, message)

    def _happened(self, now: datetime, message: Any) -> Iterator[Effect]:
        connection = self.state.connection
        match message:
            case Connected(connection=number, wall=wall) if number == connection.number:
                connection.connected = connection.heartbeat = wall
            case Disconnected(connection=number, reason=reason) if number == connection.number:
                yield from self._lose(now, reason)
            case Connected() | Disconnected():
                return  # Of a connection already given up.
            case Reconnect(connection=number):
                if number == connection.number:
                    self._line.open(number)
            case AskAgain(connection=number):
                if number == connection.number and connection.without:
                    yield from self._lose(now, f"asking again for {', '.join(connection.without)}")
            case CheckLine():
                self._line.check()
                yield AfterWall(self._options.silence_seconds, CheckLine())
            case _:
                raise TypeError(f"the feed does not know {type(message).__name__}")

    def _lose(self, now: datetime, reason: str) -> Iterator[Effect]:
        """Give the connection up: tell the core what it must no longer trust, and come back after a while."""
        state = self.state
        self._line.close(state.connection.number)
        if reason != state.down_reason:
            state.down_reason = reason
            yield Send("core", FeedDown(reason))
        if state.handed_over:
            state.handed_over = False
            for product_id, symbols in self._symbols.items():
                memory = state.memories.get(product_id)
                for symbol in symbols:
                    yield Send("core", Gap(symbol, memory.newest if memory else None, reason, reconnect=True))
        for memory in state.memories.values():
            leave(memory)
        state.connection, self._books = Connection(state.connection.number + 1), Books(self._levels)
        yield AfterWall(self._options.backoff(state.failures, self._jitter()), Reconnect(state.connection.number))
        state.failures += 1

    # ── frames ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _arrived(self, now: datetime, message: FrameArrived) -> Iterator[Effect]:
        connection = self.state.connection
        try:
            frame = decode_frame(message.raw)
        except DataError as error:
            yield from self._malformed(now, message.raw, str(error))
            return
        if connection.heartbeat is not None and message.waited:
            connection.heartbeat += timedelta(seconds=message.waited)
        fault = self._out_of_sequence(frame) or self._overdue(frame, message.wall)
        if fault is not None:
            yield from self._lose(now, fault)
            return
        match frame:
            case MarketTrades():
                for trades in printed(frame, self._product_of, self._quotes):
                    yield from self._judged(now, message.wall, trades)
            case Tickers(channel="ticker"):
                yield from self._tickers(now, frame)
            case Level2():
                self._books.take(frame)
            case Heartbeat():
                yield from self._heartbeat(now, message.wall, frame)
            case Subscriptions():
                yield from self._acknowledged(now, message.wall, frame)
            case ErrorFrame(message=text):
                yield from self._lose(now, f"the exchange says: {text}")
                return
        self._line.taken(message.connection, message.number)
        if connection.up_since and message.wall - connection.up_since > self._steady:
            self.state.failures = 0

    def _out_of_sequence(self, frame: Frame) -> str | None:
        """A gap, a repetition and a lower number all mean that frames are lost or not to be trusted."""
        connection, sequence = self.state.connection, frame.sequence
        if sequence is None:
            return None
        expected, connection.expected = connection.expected, sequence + 1
        if expected is None or sequence == expected:
            return None
        return f"frame {sequence} came where {expected} was due"

    def _overdue(self, frame: Frame, wall: datetime) -> str | None:
        """Frames without heartbeats, or without the whole acknowledgement, are no connection either."""
        connection, options = self.state.connection, self._options
        if isinstance(frame, Heartbeat):
            connection.heartbeat = wall
        if connection.heartbeat and wall - connection.heartbeat > self._heartbeat_limit:
            return f"no heartbeat for {options.heartbeat_seconds:g} s"
        if connection.up_since is not None or connection.connected is None or isinstance(frame, Subscriptions):
            return None
        if wall - connection.connected > timedelta(seconds=options.acknowledge_seconds):
            return f"not acknowledged: {listed(self._lacking(connection.acknowledged))}"
        return None

    def _malformed(self, now: datetime, raw: bytes, reason: str) -> Iterator[Effect]:
        """Corrupt data is worse than no data: keep the frame for whoever looks into it, and start over."""
        self.state.malformed += 1
        text = raw[:2000].decode("utf-8", "replace")
        yield Send("journal", DeadLetter(to="feed", sender="exchange", text=text, reason=reason))
        yield from self._alert(now, "malformed", f"A malformed frame, number {self.state.malformed}: {reason}")
        yield from self._lose(now, "a malformed frame")

    def _acknowledged(self, now: datetime, wall: datetime, frame: Subscriptions) -> Iterator[Effect]:
        """Up when everything asked for is acknowledged; ids the exchange does not know it leaves out in silence."""
        state, connection = self.state, self.state.connection
        connection.acknowledged = frame.channels
        lacking = self._lacking(frame.channels)
        if not lacking:
            state.refused.clear()
        elif connection.up_since is None and "market_trades" not in frame.channels:
            return  # The acknowledgement of an earlier channel: the last one is still to come.
        elif connection.up_since is not None or not self._will_do(lacking):
            text = f"The exchange does not acknowledge {listed(lacking)}: correct exchange.products"
            yield from self._alert(now, "missing", text)
            yield from self._lose(now, f"not acknowledged: {listed(lacking)}")
            return
        if connection.up_since is None:
            connection.up_since, state.down_reason = wall, None
            yield Send("core", FeedUp(frame.at, connection.without))
        if connection.without:
            names = ", ".join(connection.without)
            yield from self._alert(now, f"without {names}", warning(names), critical=True)
            yield AfterWall(self._options.ask_again_seconds, AskAgain(connection.number))

    def _will_do(self, lacking: dict[str, tuple[str, ...]]) -> bool:
        return goes_on_without(self.state, lacking, len(self._product_ids), self._options.refusals)

    def _lacking(self, acknowledged: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return missing(acknowledged, self._product_ids, self._booked)

    # ── quotes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _tickers(self, now: datetime, frame: Tickers) -> Iterator[Effect]:
        for ticker in frame.tickers:
            if ticker.product_id in self._symbols:
                best = self._best(ticker.product_id)
                best.bid, best.ask, best.at, best.changed = ticker.bid, ticker.ask, frame.at, True
                best.price = ticker.price or best.price
                yield from self._quote(now, ticker.product_id, best)

    def _best(self, product_id: str) -> Best:
        held = self.state.connection.best
        best = held.get(product_id)
        if best is None:
            best = held[product_id] = Best()
        return best

    def _quote(self, now: datetime, product_id: str, best: Best) -> Iterator[Effect]:
        """Tell the display, at most once a second of wall time; the next heartbeat brings what was held back."""
        if not best.changed or best.price is None or best.at is None:
            return
        if best.told is not None and timedelta(0) <= now - best.told < QUOTE_EVERY:
            return
        best.told, best.changed = now, False
        for symbol in self._symbols[product_id]:
            yield Send("journal", Quote(symbol, best.at, best.price, best.bid, best.ask))

    # ── trades ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _product_of(self, product_id: str) -> str | None:
        return product_id if (product_id := canonical(product_id)) in self._symbols else None

    def _quotes(self, product_id: str) -> Quotes:
        best = self._best(product_id)
        return best.bid, best.ask

    def _judged(self, now: datetime, wall: datetime, trades: Printed) -> Iterable[Effect]:
        """Hand trades over, or hold them back behind one stamped too far ahead."""
        if self._options.clock == "wall":
            quarantine, clock = self.state.connection.quarantine, self.state.clock
            if quarantine.held or not plausible(clock, max(tick.time for tick in trades.ticks), wall):
                quarantine.held.append(trades)
                return ()
        return self._hand_over(now, trades)

    def _hand_over(self, now: datetime, trades: Printed) -> Iterator[Effect]:
        state, product_id = self.state, trades.product_id
        memory = state.memories.get(product_id)
        if memory is None:
            memory = state.memories[product_id] = TradeMemory.of(product_id)
        new = take(memory, trades.ticks)
        if new.not_dense:
            yield from self._alert(now, f"ids of {product_id}", f"Trade ids of {product_id} skip: losses cannot be "
                                   f"told from them any more")  # fmt: skip
        state.handed_over = True
        if new.ticks:
            newest = new.ticks[-1]
            state.newest = max(state.newest or newest.time, newest.time)
            if state.newest > now:  # Whether the exchange is behind, heartbeats tell; a quiet product's trade is old.
                yield from self._measure_drift(now)
        book = self._books.news(product_id) if new.ticks and not trades.snapshot else None
        for symbol in self._symbols[product_id]:
            if new.lost is not None:
                yield Send("core", Gap(symbol, new.since, new.lost))
            if book is not None:
                yield Send("core", Depth(symbol, *book))
            if new.ticks:
                yield Send("core", Trades(symbol, new.ticks, "snapshot" if trades.snapshot else "feed"))
        if new.ticks and not trades.snapshot:
            best = self._best(product_id)
            best.price, best.at, best.changed = newest.price, newest.time, True
            yield from self._quote(now, product_id, best)
        if trades.snapshot:
            yield from self._snapshot(product_id, trades.at, min((tick.time for tick in trades.ticks), default=None))

    def _snapshot(self, product_id: str, at: datetime, oldest: datetime | None) -> Iterator[Effect]:
        self.state.connection.snapshots.add(product_id)
        for symbol in self._symbols[product_id]:
            yield Send("core", Snapshot(symbol, at, oldest))

    # ── market time ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _heartbeat(self, now: datetime, wall: datetime, frame: Heartbeat) -> Iterator[Effect]:
        state, connection, at = self.state, self.state.connection, frame.at
        if at is None:
            return
        believed = self._options.clock == "venue" or believe(state.clock, at, wall)
        yield from self._let_pass(now, wall)
        if believed:
            before, state.newest = state.newest, max(state.newest or at, at)
            yield from self._measure_drift(now)
            if before is None or at > before:
                yield Send("core", MarketTime(at))
            if connection.up_since is not None and not connection.quarantine.held:
                # A product without any recent trade is in no snapshot; whoever waits for one must be told.
                for product_id in [known for known in self._symbols if known not in connection.snapshots]:
                    if is_left_out(state, product_id):
                        continue
                    state.handed_over = True
                    yield from self._snapshot(product_id, at, None)
        for product_id, best in connection.best.items():
            yield from self._quote(now, product_id, best)

    def _let_pass(self, now: datetime, wall: datetime) -> Iterator[Effect]:
        """After a heartbeat, hand over what was held back if it is confirmed, and give up what never was."""
        quarantine = self.state.connection.quarantine
        if not quarantine.held:
            return
        passing, given_up = release(quarantine, self.state.clock, wall)
        for product_id, ticks in given_up.items():
            latest = max(tick.time for tick in ticks)
            reason = f"{len(ticks)} trades stamped up to {latest:%Y-%m-%d %H:%M:%S} were not believed"
            memory = self.state.memories.get(product_id)
            yield from self._alert(now, f"quarantine of {product_id}", f"{product_id}: {reason}")
            for symbol in self._symbols[product_id]:
                yield Send("core", Gap(symbol, memory.newest if memory else None, reason))
        for trades in passing:
            yield from self._hand_over(now, trades)

    def _measure_drift(self, now: datetime) -> Iterator[Effect]:
        """Halt entries while the newest stamp and this machine's clock are too far apart; before what is stamped so.

        The first measurement always speaks: a halt may be left over from before a restart.
        """
        state, limit = self.state, self._options.max_drift_seconds
        if self._options.clock == "venue" or state.newest is None:
            return
        drift = (state.newest - now).total_seconds()
        drifting = abs(drift) > limit
        if drifting == state.drifting:
            return
        state.drifting = drifting
        if drifting:
            reason = (
                f"market time is {drift:+.1f} s from this machine's clock, {limit:g} s allowed: "
                f"check clock (timedatectl), network and load"
            )
            yield Send("core", Halt(source="drift", reason=reason))
        else:
            yield Send("core", Resume(source="drift"))

    def _alert(self, now: datetime, name: str, text: str, critical: bool = False) -> Iterator[Effect]:
        """Tell the owner, at most every ten minutes about the same thing."""
        last = self.state.alerted.get(name)
        if last is None or now - last >= ALERT_EVERY:
            self.state.alerted[name] = now
            yield Send("journal", Alert("feed", f"{name}:{now:%Y%m%dT%H%M%S}", now, text, critical))
