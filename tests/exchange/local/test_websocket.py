"""The websocket as a client sees it: real sockets over loopback."""

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import websocket
import websockets

from atlas.exchange.local import PRODUCTS, SyntheticMarket, listed
from tests.exchange.local.scene import PATIENCE, START, Client, Connect, Open, played, synthetic

BIP, SPOT = "BIP-20DEC30-CDE", "BTC-USD"
END = "2026-01-01T00:30:05Z"


def channels(client: Client) -> list[str]:
    return [frame["channel"] for frame in client.frames]


def test_the_snapshot_comes_before_the_acknowledgement(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("ticker", BIP, SPOT)
    assert client.acknowledged() == {"ticker": [BIP, SPOT]}
    assert channels(client)[:2] == ["ticker", "ticker"]
    assert [frame["events"][0]["type"] for frame in client.frames[:2]] == ["snapshot", "snapshot"]


def test_an_acknowledgement_lists_the_whole_set_with_channels_sorted(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("ticker", BIP)
    client.acknowledged()
    client.subscribe("heartbeats")
    client.acknowledged()
    client.subscribe("market_trades", SPOT)
    assert list(client.acknowledged().items()) == [
        ("heartbeats", ["heartbeats"]), ("market_trades", [SPOT]), ("ticker", [BIP]),
    ]  # fmt: skip


def test_sequence_numbers_count_every_frame_of_a_connection_from_0(open_exchange: Open, connect: Connect) -> None:
    exchange = open_exchange(synthetic(rate=20))
    for _ in range(2):
        client = connect(exchange)
        for channel in ("heartbeats", "ticker", "market_trades", "level2", "candles"):
            client.subscribe(channel, BIP, SPOT)
        while len(client.frames) < 60:
            client.read()
        assert [frame["sequence_num"] for frame in client.frames] == list(range(len(client.frames)))
        client.socket.shutdown()  # a client that stays and does not read would hold the market


def test_ids_that_do_not_exist_are_left_out_without_a_word(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("ticker", "NOPE-USD", SPOT)
    assert client.acknowledged() == {"ticker": [SPOT]}
    client.subscribe("candles", "NOPE-USD")
    assert client.acknowledged() == {"ticker": [SPOT]}


def test_a_usdc_alias_comes_back_under_its_canonical_id(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("ticker", "BTC-USDC")
    assert client.acknowledged() == {"ticker": [SPOT]}
    assert client.frames[0]["events"][0]["tickers"][0]["product_id"] == SPOT


def test_an_unknown_channel_is_an_authentication_failure(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("user", SPOT)
    assert client.read() == {"type": "error", "message": "authentication failure"}
    client.subscribe("heartbeats")
    assert client.acknowledged() == {"heartbeats": ["heartbeats"]}


@pytest.mark.parametrize("text", ["no json", "[]", '{"type":"shout","channel":"ticker"}', '{"channel":"ticker"}'])
def test_a_message_that_is_none_is_answered_with_an_error(open_exchange: Open, connect: Connect, text: str) -> None:
    client = connect(open_exchange(synthetic()))
    client.socket.send(text)
    assert client.read()["type"] == "error"


def test_unsubscribing_ends_a_product_or_a_whole_channel(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("ticker", BIP, SPOT)
    client.acknowledged()
    client.subscribe("ticker", BIP, verb="unsubscribe")
    assert client.acknowledged() == {"ticker": [SPOT]}
    client.subscribe("ticker", verb="unsubscribe")
    assert client.acknowledged() == {}


def test_more_than_eight_messages_a_second_are_refused(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic(), messages_per_second=0.001))
    client.subscribe("heartbeats")
    assert client.read() == {"type": "error", "message": "rate limit exceeded"}


def test_the_ninth_message_at_once_is_refused(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    for _ in range(30):
        client.subscribe("heartbeats")
    frame = client.until(lambda frame: frame.get("type") == "error")
    assert frame["message"] == "rate limit exceeded"


def test_too_many_books_are_refused_and_the_connection_closed(open_exchange: Open, connect: Connect) -> None:
    spot = [name for name in PRODUCTS if name.endswith("-USD")][:31]
    exchange = open_exchange(synthetic(*spot, rate=0.01))
    allowed = connect(exchange)
    allowed.subscribe("level2", *spot[:30])
    assert len(allowed.acknowledged()["level2"]) == 30
    client = connect(exchange)
    client.subscribe("level2", *spot)
    assert client.read() == {"type": "error", "message": "too many L2 streams requested in a single session"}
    assert client.closing() == 1000


def test_a_client_that_never_subscribes_is_closed(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic(), subscribe_within=0.2))
    assert client.closing() == 1000


def test_a_quiet_connection_without_heartbeats_is_closed(open_exchange: Open, connect: Connect, tmp_path: Path) -> None:
    exchange = open_exchange(played(tmp_path, BIP, SPOT), idle_close=0.5, subscribe_within=0.1)
    beating = connect(exchange)
    beating.subscribe("heartbeats")
    quiet = connect(exchange)
    quiet.subscribe("ticker", BIP)
    quiet.acknowledged()
    assert quiet.closing() == 1000
    beating.until(lambda frame: frame["channel"] == "heartbeats")


def test_stopping_closes_with_going_away(open_exchange: Open, connect: Connect) -> None:
    exchange = open_exchange(synthetic())
    client = connect(exchange)
    client.subscribe("heartbeats")
    client.acknowledged()
    exchange.stop()
    assert client.closing() == 1001


def test_connecting_too_often_is_refused(open_exchange: Open) -> None:
    exchange = open_exchange(synthetic(), connections_per_second=1)
    outcomes = []
    for _ in range(20):
        try:
            websocket.create_connection(exchange.ws_url, timeout=PATIENCE).shutdown()
            outcomes.append(101)
        except websocket.WebSocketBadStatusException as refusal:
            outcomes.append(refusal.status_code)
    assert outcomes[0] == 101
    assert 429 in outcomes


def test_frames_carry_a_client_id_only_when_asked_to(open_exchange: Open, connect: Connect) -> None:
    for asked, keys in (
        (False, ["channel", "timestamp", "sequence_num", "events"]),
        (True, ["channel", "client_id", "timestamp", "sequence_num", "events"]),
    ):
        client = connect(open_exchange(synthetic(), client_id=asked))
        client.subscribe("heartbeats")
        assert list(client.read()) == keys


def test_a_book_is_at_least_500_levels_deep_a_side(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    for product_id in (BIP, SPOT):
        client.subscribe("level2", product_id)
    for product_id in (BIP, SPOT):
        frame = client.until(
            lambda frame, wanted=product_id: (
                frame["channel"] == "l2_data"
                and frame["events"][0]["product_id"] == wanted
                and frame["events"][0]["type"] == "snapshot"
            )
        )
        levels = frame["events"][0]["updates"]
        bids = [float(level["price_level"]) for level in levels if level["side"] == "bid"]
        offers = [float(level["price_level"]) for level in levels if level["side"] == "offer"]
        assert min(len(bids), len(offers)) >= 500
        assert len(set(bids)) == len(bids)
        assert max(bids) < min(offers)


def test_candles_are_of_five_minutes_about_a_hundred_first(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic()))
    client.subscribe("candles", SPOT)
    rows = client.read()["events"][0]["candles"]
    assert 95 <= len(rows) <= 102
    starts = [int(row["start"]) for row in rows]
    assert {one - two for one, two in pairwise(starts)} == {300}
    update = client.until(lambda frame: frame["channel"] == "candles")
    assert len(update["events"][0]["candles"]) == 1


def test_status_and_ticker_batch_answer_too(open_exchange: Open, connect: Connect) -> None:
    client = connect(open_exchange(synthetic(rate=5)))
    client.subscribe("status", BIP, SPOT)
    rows = client.read()["events"][0]["products"]
    assert [(row["id"], row["status"]) for row in rows] == [(BIP, "online"), (SPOT, "online")]
    client.subscribe("ticker_batch", SPOT)
    frame = client.until(lambda frame: frame["channel"] == "ticker_batch")
    assert "best_bid" not in frame["events"][0]["tickers"][0]


def test_the_recent_trades_are_replayed_to_whoever_comes_again(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=1e6)
    client = connect(exchange)
    client.subscribe("heartbeats")
    client.subscribe("market_trades", BIP)
    sent = [
        row for frame in client.to_the_end(END) if frame["channel"] == "market_trades"
        for row in frame["events"][0]["trades"] if frame["events"][0]["type"] == "update"
    ]  # fmt: skip
    assert len(sent) == 120
    again = connect(exchange)
    again.subscribe("market_trades", BIP)
    event = again.read()["events"][0]
    assert event["type"] == "snapshot"
    assert event["trades"] == sent[::-1][:50]


def test_another_websocket_library_can_subscribe(open_exchange: Open, tmp_path: Path) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=1e6)

    async def listen() -> list[dict[str, Any]]:
        frames: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE), websockets.connect(exchange.ws_url) as client:
            await client.send('{"type":"subscribe","channel":"heartbeats"}')
            await client.send(json.dumps({"type": "subscribe", "channel": "market_trades", "product_ids": [BIP]}))
            async for text in client:
                frames.append(json.loads(text))
                if frames[-1]["timestamp"] == END:
                    return frames
        return frames

    frames = asyncio.run(listen())
    assert sum(len(f["events"][0]["trades"]) for f in frames if f["channel"] == "market_trades") == 120
    assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))


def test_the_clock_is_the_walls_in_a_live_market(open_exchange: Open, connect: Connect) -> None:
    market = SyntheticMarket(listed([SPOT]), int(time.time()) * 10**9)
    client = connect(open_exchange(market))
    client.subscribe("heartbeats")
    frame = client.until(lambda frame: frame["channel"] == "heartbeats")
    counted = frame["events"][0]["heartbeat_counter"]
    later = client.until(lambda frame: frame["channel"] == "heartbeats")
    assert later["events"][0]["heartbeat_counter"] == counted + 1
    assert later["timestamp"][:10] == time.strftime("%Y-%m-%d", time.gmtime())
    assert market.start // 10**9 > START
