"""Websocket frames of Coinbase Advanced Trade, decoded (coinbase.md 1.3, 1.4).

`decode_frame` turns the bytes of one text frame into one of the structs below. Channels the feed lives on are decoded
here, straight into typed structs; those it does not subscribe to stand in `wire_channels`. What the exchange may add at
any time, new channels and new fields, is tolerated; what it already has must be right, or the frame is a DataError.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from atlas.errors import DataError
from atlas.exchange.times import parse_time
from atlas.exchange.wire_channels import DECODERS, ChannelEvent
from atlas.exchange.wire_values import number_or_none, sane, whole


class Frame(msgspec.Struct, frozen=True):
    """What every frame has. `at` is the envelope's timestamp.

    `sequence` counts the frames of one connection over all its channels, from 0; error frames have neither.
    """

    channel: str
    at: datetime | None
    sequence: int | None


class ExchangeTrade(msgspec.Struct, frozen=True):
    """One trade. `side` is the maker's, BUY: the taker sold; UNKNOWN_ORDER_SIDE occurs (coinbase.md 0.11).

    `size` is in base currency for spot, in contracts for futures.
    """

    product_id: str
    trade_id: int
    price: Decimal
    size: Decimal
    time: datetime
    side: str

    @property
    def aggressor(self) -> str | None:
        """The taker's side, buy or sell; None where the exchange does not say."""
        return AGGRESSOR.get(self.side)


class TradesEvent(msgspec.Struct, frozen=True):
    """Trades in the order sent, newest first. `kind` snapshot: already printed before the subscription; else update."""

    kind: str
    trades: tuple[ExchangeTrade, ...]


class MarketTrades(Frame, frozen=True):
    """Trades of the last 250 ms, maybe of several products."""

    events: tuple[TradesEvent, ...]


class Ticker(msgspec.Struct, frozen=True):
    """The last price and best quotes of one product; None where the exchange sends "" (CDE break) or 0 (empty side)."""

    product_id: str
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None


class Tickers(Frame, frozen=True):
    """Tickers of one or several products, in order; of channel ticker, or ticker_batch (without quotes)."""

    tickers: tuple[Ticker, ...]


class Heartbeat(Frame, frozen=True):
    """One a second. `counter` is the server process' uptime in seconds: only differences mean anything."""

    counter: int


class Subscriptions(Frame, frozen=True):
    """The acknowledgement: everything this connection is subscribed to now, channel → product ids."""

    channels: dict[str, tuple[str, ...]]


class ErrorFrame(Frame, frozen=True):
    """The exchange refused a message; it has no sequence number (coinbase.md 0.5, 0.7)."""

    message: str


class BookLevel(msgspec.Struct, frozen=True, rename={"price": "price_level", "size": "new_quantity"}):
    """One level of a book: `size` is its whole quantity now, 0 deletes it. The ask side is called offer."""

    side: Literal["bid", "offer"]
    price: Decimal
    size: Decimal


class BookEvent(msgspec.Struct, frozen=True, rename={"kind": "type", "levels": "updates"}):
    """The whole book of a product (snapshot, not sorted), or changes of it (update)."""

    kind: str
    product_id: str
    levels: tuple[BookLevel, ...]


class Level2(Frame, frozen=True):
    """Books; the channel is subscribed to as level2 and comes as l2_data."""

    events: tuple[BookEvent, ...]


class ChannelFrame(Frame, frozen=True):
    """A frame of a channel the feed does not subscribe to: candles, status, user, futures_balance_summary."""

    events: tuple[ChannelEvent, ...]


class UnknownFrame(Frame, frozen=True):
    """A frame of a channel this version does not know: counted in the sequence, otherwise ignored."""


AGGRESSOR = {"BUY": "sell", "SELL": "buy"}
"""The maker's side → the taker's."""

# ── the wire's own shapes ───────────────────────────────────────────────────────────────────────────────────────────


class _Envelope(msgspec.Struct, tag_field="channel"):
    timestamp: str
    sequence_num: int | None = None


class _WireTrade(msgspec.Struct):
    product_id: str
    trade_id: str | int
    price: Decimal
    size: Decimal
    time: str
    side: str = "UNKNOWN_ORDER_SIDE"


class _WireTradesEvent(msgspec.Struct):
    type: str
    trades: tuple[_WireTrade, ...]


class _WireTrades(_Envelope, tag="market_trades", kw_only=True):
    events: tuple[_WireTradesEvent, ...]


class _WireTicker(msgspec.Struct):
    product_id: str
    price: str
    best_bid: str = ""
    best_ask: str = ""


class _WireTickerEvent(msgspec.Struct):
    tickers: tuple[_WireTicker, ...]


class _WireTickers(_Envelope, tag="ticker", kw_only=True):
    events: tuple[_WireTickerEvent, ...]


class _WireTickerBatch(_Envelope, tag="ticker_batch", kw_only=True):
    events: tuple[_WireTickerEvent, ...]


class _WireBeat(msgspec.Struct):
    heartbeat_counter: int | str


class _WireHeartbeats(_Envelope, tag="heartbeats", kw_only=True):
    events: tuple[_WireBeat, ...]


class _WireHeld(msgspec.Struct):
    subscriptions: dict[str, tuple[str, ...]]


class _WireSubscriptions(_Envelope, tag="subscriptions", kw_only=True):
    events: tuple[_WireHeld, ...]


class _WireLevel2(_Envelope, tag="l2_data", kw_only=True):
    events: tuple[BookEvent, ...]


class _Head(msgspec.Struct):
    channel: str | None = None
    type: str | None = None
    timestamp: str | None = None
    sequence_num: int | None = None
    message: str = ""
    reason: str = ""


_Typed = _WireTrades | _WireTickers | _WireTickerBatch | _WireHeartbeats | _WireSubscriptions | _WireLevel2
_TYPED_CHANNELS = frozenset({"market_trades", "ticker", "ticker_batch", "heartbeats", "subscriptions", "l2_data"})
_typed: msgspec.json.Decoder[_Typed] = msgspec.json.Decoder(_Typed)
_head = msgspec.json.Decoder(_Head)


def decode_frame(raw: bytes | str) -> Frame:
    """Return the frame.

    Raises:
        DataError: not JSON, or a known channel without its shape; the message names what and the first bytes.
    """
    try:
        return _from_typed(_typed.decode(raw))
    except msgspec.ValidationError as error:
        return _other(raw, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed("is not JSON", raw, error) from error
    except DataError as error:
        raise _malformed("holds a wrong value", raw, error) from error


def _from_typed(wire: _Typed) -> Frame:
    at, sequence = parse_time(wire.timestamp), wire.sequence_num
    match wire:
        case _WireTrades():
            return MarketTrades("market_trades", at, sequence, tuple(_trades(event) for event in wire.events))
        case _WireTickers():
            return Tickers("ticker", at, sequence, tuple(_ticker(t) for event in wire.events for t in event.tickers))
        case _WireHeartbeats():
            if not wire.events:
                raise DataError("a heartbeat frame without a heartbeat")
            return Heartbeat("heartbeats", at, sequence, whole(wire.events[-1].heartbeat_counter, "heartbeat_counter"))
        case _WireSubscriptions():
            held: dict[str, tuple[str, ...]] = {}
            for event in wire.events:
                held |= event.subscriptions
            return Subscriptions("subscriptions", at, sequence, held)
        case _WireTickerBatch():
            tickers = tuple(_ticker(t) for event in wire.events for t in event.tickers)
            return Tickers("ticker_batch", at, sequence, tickers)
        case _WireLevel2():
            for changed in wire.events:
                for level in changed.levels:
                    sane(level.price, "price_level")
                    sane(level.size, "new_quantity", zero=True)
            return Level2("l2_data", at, sequence, wire.events)


def _trades(event: _WireTradesEvent) -> TradesEvent:
    return TradesEvent(
        event.type,
        tuple([
            ExchangeTrade(
                t.product_id, whole(t.trade_id, "trade_id"), sane(t.price, "price"), sane(t.size, "size", zero=True),
                parse_time(t.time), t.side,
            )
            for t in event.trades
        ]),
    )  # fmt: skip


def _ticker(wire: _WireTicker) -> Ticker:
    return Ticker(
        wire.product_id,
        number_or_none(wire.price, "price"),
        number_or_none(wire.best_bid, "best_bid"),
        number_or_none(wire.best_ask, "best_ask"),
    )


def _other(raw: bytes | str, typed_error: msgspec.ValidationError) -> Frame:
    """Decode what is none of the typed channels, or say why a typed one does not fit."""
    try:
        head = _head.decode(raw)
        at = None if head.timestamp is None else parse_time(head.timestamp)
        if head.channel in _TYPED_CHANNELS:
            raise _malformed(f"of channel {head.channel} does not have its shape", raw, typed_error) from typed_error
        if head.channel is None:
            if head.type == "error":
                text = ": ".join(part for part in (head.message, head.reason) if part)
                return ErrorFrame("error", at, head.sequence_num, text or "no reason given")
            return UnknownFrame(head.type or "", at, head.sequence_num)
        decode = DECODERS.get(head.channel)
        if decode is None:
            return UnknownFrame(head.channel, at, head.sequence_num)
        payload: dict[str, Any] = msgspec.json.decode(raw)
        return ChannelFrame(head.channel, at, head.sequence_num, decode(payload.get("events")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed("does not have the shape of one", raw, error) from error


def _malformed(what: str, raw: bytes | str, error: Exception) -> DataError:
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    return DataError(f"a frame of the exchange {what}: {error}; it begins {text[:120]!r}")
