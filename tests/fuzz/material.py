"""What is mutated: frames and payloads of the local exchange, and recorded ones where the shared folder is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

from atlas.exchange.local import ExchangeOptions, LocalExchange
from tests.exchange.local.scene import synthetic

PRODUCTS = ("BIP-20DEC30-CDE", "BTC-USD")
CHANNELS = ("heartbeats", "ticker", "ticker_batch", "level2", "market_trades", "candles", "status")
LONGEST = 8000
"""Bytes above which a frame is left out: each change costs a copy of it."""


def exchange() -> LocalExchange:
    """Return a local exchange on free ports, not yet started."""
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1e5, rest_burst=1e5, connections_per_second=1000)
    return LocalExchange(synthetic(*PRODUCTS, rate=5), options)


def played_frames(local: LocalExchange, count: int = 150) -> list[bytes]:
    """Return the first frames of every channel the local exchange has, an error among them."""
    client = websocket.create_connection(local.ws_url, timeout=60)
    try:
        for channel in CHANNELS:
            ids = {} if channel == "heartbeats" else {"product_ids": PRODUCTS}
            client.send(json.dumps({"type": "subscribe", "channel": channel, **ids}))
        client.send(json.dumps({"type": "subscribe", "channel": "user", "product_ids": PRODUCTS}))
        frames = [client.recv() for _ in range(count)]
    finally:
        client.shutdown()
    return [raw for frame in frames if len(raw := frame.encode() if isinstance(frame, str) else frame) <= LONGEST]


def recorded_frames(shared: Path) -> Iterator[bytes]:
    """Yield the real frames of the shared folder."""
    folder = shared / "data" / "coinbase_ws"
    verbatim = (folder / "verbatim_frames.jsonl").read_text().splitlines()
    trees: list[Any] = [json.loads(line)["frame"] for line in verbatim]
    trees += [json.loads(path.read_text()) for path in sorted([*folder.glob("nautilus/ws_*.json")])]
    for path in sorted(folder.glob("jkorf/ws/*.txt")):
        found = re.findall(r"^[<=]\d?[ \n](.*?)(?=^[<=>]|\Z)", path.read_text(), flags=re.M | re.S)
        trees += [json.loads(text) for text in found]
    for tree in trees:
        raw = json.dumps(tree, separators=(",", ":")).encode()
        if len(raw) <= LONGEST:
            yield raw


def recorded_payloads(shared: Path) -> Iterator[Any]:
    """Yield the real REST answers of the shared folder, as trees."""
    folder = shared / "data" / "coinbase_ws"
    for path in sorted([*folder.glob("nautilus/http_*.json"), *folder.glob("skeyelab/*.json")]):
        yield json.loads(path.read_text())
