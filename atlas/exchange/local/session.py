"""One connection's conversation, without its socket: what it has subscribed to, and what it is told.

As the exchange does it (spec: coinbase.md 0 and 1): one channel per message, snapshots before the acknowledgement, the
acknowledgement lists the connection's whole set, ids that do not exist are left out without a word, an unknown channel
is answered with "authentication failure", sequence numbers count every frame of the connection from 0.
"""

from collections.abc import Callable, Iterable
from time import monotonic

import msgspec
from msgspec import Struct

from atlas.exchange.local import frames
from atlas.exchange.local.instants import NS
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.products import canonical
from atlas.exchange.local.publications import HEARTBEATS, WIRE_NAMES, Publication
from atlas.exchange.local.rate_limit import TokenBucket
from atlas.exchange.local.timeline import CANDLE_SECONDS, Timeline

CHANNELS = (HEARTBEATS, "ticker", "ticker_batch", "market_trades", "candles", "level2", "status")
SNAPSHOT_TRADES = 50
SNAPSHOT_CANDLES = 100
UNKNOWN_CHANNEL = "authentication failure"
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

    def __init__(self, timeline: Timeline, options: ExchangeOptions, clock: Callable[[], float] = monotonic) -> None:
        self._timeline = timeline
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
            return Reply([self._acknowledgement()])
        self.subscribed = True
        return self._subscribe(message)

    def take(self, published: Iterable[Publication]) -> list[str]:
        """Return the frames of what is published that this connection gets."""
        taken = []
        for publication in published:
            held = self.held.get(publication.channel)
            if held:
                events = publication.events(held)
                if events is not None:
                    taken.append(self._frame(publication.wire_name, publication.stamp, events))
        return taken

    def _subscribe(self, message: _Message) -> Reply:
        channel, held = message.channel, self.held.setdefault(message.channel, {})
        if channel == HEARTBEATS:
            held[HEARTBEATS] = None
            return Reply([self._acknowledgement()])
        wanted = dict.fromkeys(canonical(product_id) for product_id in message.product_ids)
        new = [name for name in wanted if name in self._timeline.tapes and name not in held]
        if channel == "level2" and len(held) + len(new) > self._options.level2_products:
            return Reply([frames.error(TOO_MANY_BOOKS)], close=True)
        held.update(dict.fromkeys(new))
        return Reply([*self._snapshots(channel, new), self._acknowledgement()])

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
        return [self._frame(WIRE_NAMES.get(channel, channel), stamp, text) for text in events]

    def _acknowledgement(self) -> str:
        held = {channel: products for channel, products in self.held.items() if products}
        return self._frame("subscriptions", self._timeline.stamp(), frames.subscriptions(held))

    def _frame(self, channel: str, stamp: int, events: str) -> str:
        frame = frames.envelope(channel, stamp, self._sequence, events, client_id=self._options.client_id)
        self._sequence += 1
        return frame
