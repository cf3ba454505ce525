"""One connection's conversation, without its socket: what it has subscribed to, and what it is told.

As the exchange does it (spec: coinbase.md 0 and 1): one channel per message, snapshots before the acknowledgement, the
acknowledgement lists the connection's whole set, ids that do not exist are left out without a word, an unknown channel
is answered with "authentication failure", sequence numbers count every frame of the connection from 0.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from time import monotonic

import msgspec
from msgspec import Struct

from atlas.exchange.local import frames
from atlas.exchange.local.fault import Fault
from atlas.exchange.local.fault_frames import FrameFaults
from atlas.exchange.local.fault_play import FaultPlay
from atlas.exchange.local.fault_text import UNHEARD_OF, UNKNOWN_EVENTS, huge
from atlas.exchange.local.instants import NS
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.products import canonical
from atlas.exchange.local.publications import CHANNELS, HEARTBEATS, WIRE_NAMES, Publication
from atlas.exchange.local.rate_limit import TokenBucket
from atlas.exchange.local.timeline import CANDLE_SECONDS, Timeline

SNAPSHOT_TRADES = 50
SNAPSHOT_CANDLES = 100
UNKNOWN_CHANNEL = AUTHENTICATION_FAILURE = "authentication failure"
TOO_MANY_BOOKS = "too many L2 streams requested in a single session"
TOO_FAST = "rate limit exceeded"
NOT_UNDERSTOOD = "failed to parse message"
"""Assumed: no capture shows the exchange's words for a message that is no JSON object."""


class _Message(Struct):
    type: str
    channel: str = ""
    product_ids: list[str] = []


class Reply(Struct, frozen=True):
    """What to send to the client, and whether to close the connection then."""

    frames: list[str]
    close: bool = False


class Session:
    """The state of one connection."""

    def __init__(
        self,
        timeline: Timeline,
        options: ExchangeOptions,
        clock: Callable[[], float] = monotonic,
        play: FaultPlay | None = None,
    ) -> None:
        """`play` are the exchange's faults; None: it has none."""
        self._timeline = timeline
        self._play = play or FaultPlay(timeline)
        self._faults = FrameFaults(self._play)
        self._options = options
        self._limit = TokenBucket(options.messages_per_second, options.messages_per_second, clock)
        self._sequence = 0
        self.held: dict[str, dict[str, None]] = {}
        self.subscribed = False
        """Whether a subscription was ever asked for."""

    def holds(self, channel: str) -> Iterable[str]:
        """Return the products of a channel this connection is subscribed to."""
        return self.held.get(channel, {})

    def receive(self, text: str | bytes) -> Reply:
        """Answer a message of the client."""
        if not self._limit.take():
            return Reply([frames.error(TOO_FAST)])
        try:
            message = msgspec.json.decode(text, type=_Message)
        except msgspec.DecodeError:
            return Reply([frames.error(NOT_UNDERSTOOD)])
        if message.type not in ("subscribe", "unsubscribe"):
            return Reply([frames.error(NOT_UNDERSTOOD)])
        if message.channel not in CHANNELS:
            return Reply([frames.error(UNKNOWN_CHANNEL)])
        if message.type == "unsubscribe":
            self._drop(message)
            return Reply(self._acknowledgement())
        self.subscribed = True
        refusal = self._refused(message)
        return self._subscribe(message) if refusal is None else refusal

    def take(self, published: Iterable[Publication]) -> list[str]:
        """Return the frames of what is published that this connection gets."""
        taken: list[str] = []
        for publication in published:
            held = self.held.get(publication.channel)
            if held and (wanted := self._play.not_withheld(publication.channel, held)):
                events = publication.events(wanted)
                if events is not None:
                    taken += self._frame(publication.wire_name, publication.stamp, events)
        return taken

    def strike(self, fault: Fault) -> list[str]:
        """Let a fault of frames befall this connection; return the frames it sends at once."""
        timeline = self._timeline
        match fault.kind:
            case "huge":
                name, stamp = canonical(fault.product) or next(iter(timeline.tapes)), timeline.stamp()
                return self._frame(WIRE_NAMES["level2"], stamp, huge(timeline.tapes[name], stamp, fault.size))
            case "unknown_channel":
                news = (self._frame(UNHEARD_OF, timeline.stamp(), UNKNOWN_EVENTS) for _ in range(fault.count or 1))
                return list(chain.from_iterable(news))
        self._faults.strike(fault)
        return []

    def _refused(self, message: _Message) -> Reply | None:
        """Return what a fault answers to a subscription, None if there is none."""
        if self._play.take("authentication_failure"):
            return Reply([frames.error(AUTHENTICATION_FAILURE)])

        def meets(fault: Fault) -> bool:
            named = {canonical(product_id) for product_id in message.product_ids}
            return fault.channel in ("", message.channel) and canonical(fault.product) in ("", *named)

        struck = self._play.take("refuse_subscription", meets)
        if struck is None:
            return None
        match struck.fault.how:
            case "omit":
                return self._subscribe(message, without=canonical(struck.fault.product))
            case "error":
                return Reply([frames.error(struck.fault.message)])
        return Reply([])

    def _subscribe(self, message: _Message, without: str = "") -> Reply:
        """Answer with snapshots and the acknowledgement; `without`: as if that product were not listed."""
        channel, held = message.channel, self.held.setdefault(message.channel, {})
        if channel == HEARTBEATS:
            held[HEARTBEATS] = None
            return Reply(self._acknowledgement())
        wanted = dict.fromkeys(canonical(product_id) for product_id in message.product_ids)
        tapes = self._timeline.tapes
        known = [name for name in wanted if name in tapes and tapes[name].halt != "delisted" and name != without]
        new = [name for name in known if name not in held]
        if channel == "level2" and len(held) + len(new) > self._options.level2_products:
            return Reply([frames.error(TOO_MANY_BOOKS)], close=True)
        held.update(dict.fromkeys(new))
        return Reply([*self._snapshots(channel, new), *self._acknowledgement()])

    def _drop(self, message: _Message) -> None:
        held = self.held.get(message.channel, {})
        for product_id in message.product_ids or list(held):
            held.pop(canonical(product_id), None)

    def _snapshots(self, channel: str, names: list[str]) -> list[str]:
        """Return a snapshot frame per product, or one for all where the channel's frames hold many."""
        timeline, stamp = self._timeline, self._timeline.stamp()
        tapes = [timeline.tapes[name] for name in names]
        if channel == "ticker":
            events = [frames.ticker("snapshot", tape, timeline.now) for tape in tapes]
        elif channel == "ticker_batch":
            events = [frames.ticker_batch("snapshot", [tape], timeline.now) for tape in tapes]
        elif channel == "market_trades":
            printed = ((tape, timeline.printed(tape.product.product_id, SNAPSHOT_TRADES)) for tape in tapes)
            events = [
                frames.market_trades("snapshot", [(trade, tape.product) for trade in trades])
                for tape, trades in printed
                if trades
            ]
        elif channel == "level2":
            events = [frames.level2("snapshot", tape.product, tape.book().levels(), stamp) for tape in tapes]
        elif channel == "candles":
            now = timeline.now // NS
            first = now - SNAPSHOT_CANDLES * CANDLE_SECONDS
            events = [
                frames.candles("snapshot", tape.product, tape.history.candles(CANDLE_SECONDS, first, now))
                for tape in tapes
            ]
        else:
            events = [frames.status("snapshot", [tape.product for tape in tapes])] if tapes else []
        name = WIRE_NAMES.get(channel, channel)
        return [sent for text in events for sent in self._frame(name, stamp, text)]

    def _acknowledgement(self) -> list[str]:
        held = {channel: products for channel, products in self.held.items() if products}
        return self._frame("subscriptions", self._timeline.stamp(), frames.subscriptions(held))

    def _frame(self, channel: str, stamp: int, events: str) -> list[str]:
        """Number a frame and return what is sent of it: itself, unless a fault befalls it."""
        frame = frames.envelope(channel, stamp, self._sequence, events, client_id=self._options.client_id)
        self._sequence += 1
        return self._faults.pass_on(channel, frame)
