"""Every recorded Advanced Trade frame and payload decodes, and says what its recorder noted (shared data)."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atlas.exchange.listing_reader import read_product
from atlas.exchange.rest import read_candles
from atlas.exchange.wire import (
    ChannelFrame,
    ErrorFrame,
    Heartbeat,
    Level2,
    MarketTrades,
    Subscriptions,
    Tickers,
    UnknownFrame,
    decode_frame,
)
from atlas.exchange.wire_channels import FuturesBalanceEvent, UserEvent

pytestmark = pytest.mark.shared


def frames(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each recorded frame stands, and the frame."""
    folder = shared / "data" / "coinbase_ws"
    for number, line in enumerate((folder / "verbatim_frames.jsonl").read_text().splitlines(), 1):
        yield f"verbatim_frames.jsonl:{number}", json.loads(line)["frame"]
    for path in sorted([*folder.glob("nautilus/ws_*.json"), *folder.glob("cryptonorm/*.json"),
                        folder / "flowhedge" / "coinbase_l2_snapshot.json"]):  # fmt: skip
        yield path.name, json.loads(path.read_text())
    for path in sorted(folder.glob("jkorf/ws/*.txt")):
        # `>` is what the client sent, `<` an acknowledgement, `=` an event; a number says which connection.
        for mark, text in re.findall(r"^([<=])\d?[ \n](.*?)(?=^[<=>]|\Z)", path.read_text(), flags=re.M | re.S):
            assert mark in "<="
            yield path.name, json.loads(text)


def test_every_recorded_frame_decodes_with_its_channel_and_sequence_number(shared: Path) -> None:
    seen: dict[str, int] = {}
    for where, frame in frames(shared):
        decoded = decode_frame(json.dumps(frame, separators=(",", ":")))
        assert not isinstance(decoded, UnknownFrame), where
        assert decoded.channel == frame.get("channel", "error"), where
        assert decoded.sequence == frame.get("sequence_num"), where
        assert (decoded.at is None) == ("timestamp" not in frame), where
        seen[decoded.channel] = seen.get(decoded.channel, 0) + 1
    assert set(seen) == {
        "ticker", "ticker_batch", "subscriptions", "heartbeats", "market_trades", "l2_data", "candles", "status",
        "user", "futures_balance_summary", "error",
    }  # fmt: skip
    assert sum(seen.values()) >= 55


def test_nothing_recorded_is_lost_in_decoding(shared: Path) -> None:
    for where, frame in frames(shared):
        decoded = decode_frame(json.dumps(frame))
        events = frame.get("events", [])
        match decoded:
            case MarketTrades():
                sent = [trade for event in events for trade in event["trades"]]
                assert [
                    (t.product_id, str(t.trade_id), t.price, t.size, t.side) for e in decoded.events for t in e.trades
                ] == [
                    (t["product_id"], t["trade_id"], Decimal(t["price"]), Decimal(t["size"]), t["side"]) for t in sent
                ], where
            case Tickers():
                assert [(t["product_id"], Decimal(t["price"])) for event in events for t in event["tickers"]] == [
                    (t.product_id, t.price) for t in decoded.tickers
                ], where
                assert all((t.bid is None) == (decoded.channel == "ticker_batch") for t in decoded.tickers), where
            case Heartbeat():
                assert decoded.counter == int(events[0]["heartbeat_counter"]), where
            case Subscriptions():
                assert {name: list(ids) for name, ids in decoded.channels.items()} == events[0]["subscriptions"], where
            case ErrorFrame():
                assert decoded.message == frame["message"], where
            case Level2():
                assert [
                    (event.kind, event.product_id, level.side, level.price, level.size)
                    for event in decoded.events
                    for level in event.levels
                ] == [
                    (e["type"], e["product_id"], u["side"], Decimal(u["price_level"]), Decimal(u["new_quantity"]))
                    for e in events
                    for u in e["updates"]
                ], where
            case ChannelFrame():
                assert len(decoded.events) == len(events), where


def test_the_snapshot_comes_before_its_acknowledgement_and_the_user_channel_has_positions(shared: Path) -> None:
    users = [
        event
        for _, frame in frames(shared)
        if frame.get("channel") == "user"
        for event in decode_frame(json.dumps(frame)).events  # type: ignore[attr-defined]  # a ChannelFrame
    ]
    assert all(isinstance(event, UserEvent) for event in users)
    position = next(event.positions for event in users if event.positions).expiring_futures_positions[0]
    assert (position.product_id, position.number_of_contracts) == ("BIT-28JUN24-CDE", Decimal(1))


def test_the_futures_balance_has_both_margin_windows(shared: Path) -> None:
    frame = next(frame for _, frame in frames(shared) if frame.get("channel") == "futures_balance_summary")
    decoded = decode_frame(json.dumps(frame))
    assert isinstance(decoded, ChannelFrame)
    event = decoded.events[0]
    assert isinstance(event, FuturesBalanceEvent)
    overnight = event.fcm_balance_summary.overnight_margin_window_measure
    assert overnight is not None
    assert overnight.total_hold == Decimal("-30.00")


# ── REST ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_recorded_futures_listing_reads(shared: Path) -> None:
    text = (shared / "data" / "coinbase_ws" / "nautilus" / "http_products_future.json").read_text()
    bip, bit = (read_product(listed) for listed in json.loads(text)["products"])
    assert (bip.id, bip.kind, bip.underlying, bip.tick, bip.contract_size) == (
        "BIP-20DEC30-CDE", "future", "BTC", Decimal(5), Decimal("0.01"),
    )  # fmt: skip
    assert (bip.size_increment, bip.min_size, bip.max_size) == (Decimal(1), Decimal(1), Decimal(5000))
    assert bip.margin is not None
    assert (bip.margin.intraday_long, bip.margin.overnight_long) == (Decimal("0.1000185"), Decimal("0.245625"))
    assert bip.margin.overnight_short == Decimal("0.306375")
    assert bip.funding_rate == Decimal("0.000013")
    assert bip.expiry is not None
    assert f"{bip.expiry:%Y-%m-%d %H:%M}" == "2030-12-20 16:00"
    assert (bip.session_open, bip.twenty_four_seven, bip.tick_assumed) == (True, True, False)
    assert bip.maintenance is not None
    assert [f"{instant:%m-%d %H}" for instant in bip.maintenance] == ["04-18 14", "04-18 17"]
    # A dated future has no funding.
    assert (bit.id, bit.funding_rate) == ("BIT-24APR26-CDE", None)


def test_the_recorded_spot_listing_reads(shared: Path) -> None:
    folder = shared / "data" / "coinbase_ws" / "nautilus"
    listed = [*json.loads((folder / "http_products.json").read_text())["products"],
              json.loads((folder / "http_product.json").read_text())]  # fmt: skip
    for product in map(read_product, listed):
        assert (product.kind, product.underlying, product.tick) == ("spot", "BTC", Decimal("0.01"))
        assert (product.contract_size, product.size_increment) == (Decimal(1), Decimal("1E-8"))
        assert (product.margin, product.funding_rate, product.expiry) == (None, None, None)


def test_the_recorded_candles_read(shared: Path) -> None:
    text = (shared / "data" / "coinbase_ws" / "nautilus" / "http_candles.json").read_text()
    bars = read_candles("BTC-USD", "1h", json.loads(text))
    assert [f"{bar.open_time:%Y-%m-%d %H}" for bar in bars] == ["2024-04-04 01", "2024-04-04 00"]
    assert (bars[0].high, bars[0].volume) == (Decimal("66331.99"), Decimal("355.82896243"))
