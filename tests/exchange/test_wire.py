"""Frames of the websocket, with invented values in the live feed's shapes; recorded ones are in tests/contract."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import DataError
from atlas.exchange.wire import (
    BookEvent,
    BookLevel,
    ErrorFrame,
    ExchangeTrade,
    Heartbeat,
    Level2,
    MarketTrades,
    Subscriptions,
    Ticker,
    Tickers,
    TradesEvent,
    UnknownFrame,
    decode_frame,
)

AT = datetime(2031, 3, 4, 12, 0, 0, 562_008, tzinfo=UTC)
STAMP = "2031-03-04T12:00:00.562008293Z"


def frame(channel: str, events: Any, **more: Any) -> bytes:
    envelope = {"channel": channel, "timestamp": STAMP, "sequence_num": 7, "events": events} | more
    return json.dumps(envelope, separators=(",", ":")).encode()


def a_trade(**changed: Any) -> dict[str, Any]:
    return {
        "product_id": "BIP-20DEC30-CDE", "trade_id": "1234", "price": "70005", "size": "3",
        "time": "2031-03-04T11:59:59.9Z", "side": "BUY",
    } | changed  # fmt: skip


def test_trades_keep_the_order_sent_and_the_makers_side() -> None:
    raw = frame("market_trades", [{"type": "update", "trades": [a_trade(trade_id="2"), a_trade(trade_id="1")]}])
    decoded = decode_frame(raw)
    trades = tuple(
        ExchangeTrade(
            "BIP-20DEC30-CDE", number, Decimal(70005), Decimal(3), AT.replace(microsecond=900_000, minute=59, hour=11,
                                                                            second=59), "BUY",
        )
        for number in (2, 1)
    )  # fmt: skip
    assert decoded == MarketTrades("market_trades", AT, 7, (TradesEvent("update", trades),))


@pytest.mark.parametrize(("side", "aggressor"), [("BUY", "sell"), ("SELL", "buy"), ("UNKNOWN_ORDER_SIDE", None)])
def test_the_aggressor_is_the_other_side_of_the_maker(side: str, aggressor: str | None) -> None:
    decoded = decode_frame(frame("market_trades", [{"type": "update", "trades": [a_trade(side=side)]}]))
    assert isinstance(decoded, MarketTrades)
    assert decoded.events[0].trades[0].aggressor == aggressor


def test_trade_ids_may_be_text_or_number_and_new_fields_are_ignored() -> None:
    decoded = decode_frame(
        frame(
            "market_trades", [{"type": "update", "trades": [a_trade(trade_id=9, fresh="x")], "also": 1}], client_id=""
        )
    )
    assert isinstance(decoded, MarketTrades)
    assert decoded.events[0].trades[0].trade_id == 9


def test_empty_quotes_are_not_known_and_zero_is_an_empty_side() -> None:
    ticker = {"type": "ticker", "product_id": "X", "price": "5", "best_bid": "", "best_ask": "0.00"}
    decoded = decode_frame(frame("ticker", [{"type": "update", "tickers": [ticker]}]))
    assert decoded == Tickers("ticker", AT, 7, (Ticker("X", Decimal(5), None, None),))


def test_tickers_of_several_products_come_in_one_frame() -> None:
    tickers = [{"product_id": name, "price": "5", "best_bid": "4", "best_ask": "6"} for name in ("A", "B")]
    decoded = decode_frame(frame("ticker", [{"type": "update", "tickers": tickers}]))
    assert isinstance(decoded, Tickers)
    assert [ticker.product_id for ticker in decoded.tickers] == ["A", "B"]


def test_a_batch_ticker_has_no_quotes_and_keeps_its_channel() -> None:
    decoded = decode_frame(frame("ticker_batch", [{"type": "update", "tickers": [{"product_id": "A", "price": "5"}]}]))
    assert decoded == Tickers("ticker_batch", AT, 7, (Ticker("A", Decimal(5), None, None),))


@pytest.mark.parametrize("counter", [3049, "3049"])
def test_the_heartbeats_counter_is_a_number_on_the_wire_and_text_in_the_documents(counter: Any) -> None:
    beat = {"current_time": "2031-03-04 12:00:00.5 +0000 UTC m=+3049.2", "heartbeat_counter": counter}
    assert decode_frame(frame("heartbeats", [beat])) == Heartbeat("heartbeats", AT, 7, 3049)


def test_an_acknowledgement_holds_the_whole_set_and_may_be_empty() -> None:
    held = {"ticker": ["A", "B"], "heartbeats": ["heartbeats"]}
    decoded = decode_frame(frame("subscriptions", [{"subscriptions": held}]))
    assert isinstance(decoded, Subscriptions)
    assert decoded.channels == {"ticker": ("A", "B"), "heartbeats": ("heartbeats",)}
    empty = decode_frame(frame("subscriptions", [{"subscriptions": {}}]))
    assert isinstance(empty, Subscriptions)
    assert empty.channels == {}


def test_an_error_has_no_channel_and_no_sequence_number() -> None:
    raw = b'{"type":"error","message":"authentication failure"}'
    assert decode_frame(raw) == ErrorFrame("error", None, None, "authentication failure")
    decoded = decode_frame('{"type":"error","message":"no","reason":"why"}')
    assert isinstance(decoded, ErrorFrame)
    assert decoded.message == "no: why"


def test_unknown_channels_still_count_in_the_sequence() -> None:
    assert decode_frame(frame("brand_new", {"any": "thing"})) == UnknownFrame("brand_new", AT, 7)


def test_a_book_has_bids_and_offers() -> None:
    level = {"side": "offer", "event_time": "1970-01-01T00:00:00Z", "price_level": "70010", "new_quantity": "0"}
    decoded = decode_frame(frame("l2_data", [{"type": "update", "product_id": "X", "updates": [level]}]))
    levels = (BookLevel("offer", Decimal(70010), Decimal(0)),)
    assert decoded == Level2("l2_data", AT, 7, (BookEvent("update", "X", levels),))


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "cut off": b'{"channel":"ticker","timest',
    "no object": b"[1]",
    "no timestamp": b'{"channel":"heartbeats","sequence_num":1,"events":[]}',
    "no heartbeat": frame("heartbeats", []),
    "no events": b'{"channel":"market_trades","timestamp":"2031-03-04T12:00:00Z","sequence_num":1}',
    "wrong time": frame("market_trades", [], timestamp="noon"),
    "bad UTF-8": frame("market_trades", [{"type": "update", "trades": [a_trade()]}]).replace(b"BIP", b"\xff\xfe\xfd"),
    "side ask": frame("l2_data", [{"type": "update", "product_id": "X", "updates": [{
        "side": "ask", "event_time": STAMP, "price_level": "1", "new_quantity": "1"}]}]),
    "book level not finite": frame("l2_data", [{"type": "update", "product_id": "X", "updates": [{
        "side": "bid", "event_time": STAMP, "price_level": "NaN", "new_quantity": "1"}]}]),
    "quote not a number": frame("ticker", [{"tickers": [{"product_id": "A", "price": "5", "best_bid": "many"}]}]),
    "negative quote": frame("ticker", [{"tickers": [{"product_id": "A", "price": "5", "best_bid": "-4"}]}]),
} | {
    f"trade with {field} {value!r}": frame("market_trades", [{"type": "update", "trades": [a_trade(**{field: value})]}])
    for field, value in [
        ("price", ""), ("price", "NaN"), ("price", "0"), ("price", "-5"), ("price", "1e400"), ("price", "Infinity"),
        ("size", "-1"), ("trade_id", "abc"), ("trade_id", ""), ("time", ""), ("time", None), ("price", None),
    ]
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_frame_is_an_error_with_its_first_bytes(name: str) -> None:
    with pytest.raises(DataError, match="it begins") as raised:
        decode_frame(MALFORMED[name])
    assert MALFORMED[name][:20].decode("utf-8", "replace") in str(raised.value)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_at_all_raise_anything_but_a_data_error(raw: bytes | str) -> None:
    try:
        decode_frame(raw)
    except DataError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["market_trades", "ticker", "heartbeats", "subscriptions", "l2_data", "user", "candles", "other"]),
    json_values,
)
def test_known_channels_with_anything_in_them_raise_nothing_but_a_data_error(channel: str, events: Any) -> None:
    try:
        decode_frame(frame(channel, events))
    except DataError:
        pass
