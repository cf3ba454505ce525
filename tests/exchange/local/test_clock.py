"""When the market's clock moves, and when it stands still."""

import json
import threading
import time
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from atlas.exchange.local import LocalExchange
from tests.exchange.local.scene import PATIENCE, Client, Connect, Open, played, synthetic

BIP, SPOT = "BIP-20DEC30-CDE", "BTC-USD"
END = "2026-01-01T00:30:05Z"
FROM = "2026-01-01T00:00:00Z"


def market(exchange: LocalExchange) -> dict[str, Any]:
    with urllib.request.urlopen(f"{exchange.rest_url}/local/market", timeout=PATIENCE) as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def follow(client: Client, *product_ids: str) -> None:
    client.subscribe("heartbeats")
    client.subscribe("ticker", *product_ids)
    client.subscribe("market_trades", *product_ids)


def texts(client: Client) -> list[str]:
    """Return the data frames as texts, without the numbers that count heartbeats of the waiting time."""
    return [
        json.dumps({key: frame[key] for key in ("channel", "timestamp", "events")})
        for frame in client.frames
        if frame["channel"] in ("ticker", "market_trades")
    ]


def test_a_market_from_a_file_waits_until_every_product_is_followed(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, BIP, SPOT), speed=1e6)
    client = connect(exchange)
    follow(client, BIP)
    beats = [client.until(lambda frame: frame["channel"] == "heartbeats") for _ in range(2)]
    assert [beat["timestamp"] for beat in beats] == [FROM, FROM]
    assert beats[1]["events"][0]["heartbeat_counter"] == beats[0]["events"][0]["heartbeat_counter"] + 1
    assert market(exchange)["now"] == FROM
    connect(exchange).subscribe("market_trades", SPOT)
    # The second client reads nothing, and so the market soon waits for it.
    client.until(lambda frame: frame["channel"] == "market_trades" and frame["events"][0]["type"] == "update")


def test_a_played_market_gives_the_same_frames_each_time(open_exchange: Open, connect: Connect, tmp_path: Path) -> None:
    def listened(speed: float) -> list[str]:
        client = connect(open_exchange(played(tmp_path, BIP, SPOT), speed=speed))
        follow(client, BIP, SPOT)
        client.to_the_end(END)
        return texts(client)

    first = listened(1e6)
    assert len(first) > 350
    assert listened(1e6) == first


def test_the_clock_never_runs_ahead_of_the_slowest_client(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=200), speed=1e6)
    quick, slow = connect(exchange), connect(exchange)
    for client in (quick, slow):
        follow(client, BIP)
    stop = threading.Event()

    def read_on() -> None:
        while not stop.is_set():
            quick.read()

    reader = threading.Thread(target=read_on)
    reader.start()
    for _ in range(40):
        frame = slow.until(lambda frame: frame["channel"] in ("ticker", "market_trades"))
        # The frame in hand may be followed by one more: after a trade's batch the next trade, 15 s later.
        assert market(exchange)["now"][:19] <= later(frame["timestamp"], 16)
    stop.set()
    slow.socket.shutdown()
    reader.join(PATIENCE)
    assert not reader.is_alive()
    assert len(quick.frames) >= len(slow.frames) - 2


def later(stamp: str, seconds: int) -> str:
    return (datetime.fromisoformat(stamp[:19]) + timedelta(seconds=seconds)).isoformat()


def test_running_free_drops_a_client_that_does_not_read(open_exchange: Open, connect: Connect, tmp_path: Path) -> None:
    exchange = open_exchange(played(tmp_path, minutes=5000), speed=1e9, free_run=True, buffer_frames=50)
    client = connect(exchange)
    follow(client, BIP)
    assert exchange.finished.wait(PATIENCE)
    assert market(exchange)["clients"] == 0


def test_a_client_that_reads_nothing_for_long_is_dropped(open_exchange: Open, connect: Connect, tmp_path: Path) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=1e6, stall_limit=0.5)
    client = connect(exchange)
    follow(client, BIP)
    assert exchange.finished.wait(PATIENCE)
    assert market(exchange)["clients"] == 0


def test_without_hold_the_market_goes_on_when_its_client_goes(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=1e6)
    client = connect(exchange)
    follow(client, BIP)
    client.until(lambda frame: frame["channel"] == "market_trades" and frame["events"][0]["type"] == "update")
    client.socket.shutdown()
    assert exchange.finished.wait(PATIENCE)


def test_hold_stands_still_while_nobody_listens_and_loses_nothing(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=1e6, hold=True)
    ids: list[int] = []
    for _ in range(3):
        client = connect(exchange)
        follow(client, BIP)
        for _ in range(20):
            frame = client.until(lambda frame: frame["channel"] == "market_trades")
            ids += [int(row["trade_id"]) for row in frame["events"][0]["trades"]]
        client.socket.shutdown()
        wait_for(lambda: market(exchange)["clients"] == 0)
        stood = market(exchange)["now"]
        time.sleep(0.3)  # nothing to wait for: the assertion is that nothing happens
        assert market(exchange)["now"] == stood
    seen = sorted({trade_id for trade_id in ids if trade_id > 100_000_000})
    assert seen == list(range(seen[0], seen[-1] + 1))
    assert len(seen) >= 50


def test_a_held_synthetic_market_waits_for_its_first_listener(open_exchange: Open, connect: Connect) -> None:
    exchange = open_exchange(synthetic(), hold=True, speed=100)
    assert market(exchange)["now"] == FROM
    client = connect(exchange)
    follow(client, SPOT)
    client.until(lambda frame: frame["channel"] == "market_trades" and frame["events"][0]["type"] == "update")
    assert market(exchange)["now"] > FROM


def test_after_the_end_clients_stay_with_heartbeats_that_stand_still(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=1e6)
    client = connect(exchange)
    follow(client, BIP)
    client.to_the_end(END)
    for _ in range(2):
        frame = client.until(lambda frame: True)
        assert (frame["channel"], frame["timestamp"]) == ("heartbeats", END)
    told = market(exchange)
    assert (told["now"], told["finished"], told["trades_sent"]) == (END, True, 120)


def test_exchange_time_runs_as_many_times_faster_as_asked(
    open_exchange: Open, connect: Connect, tmp_path: Path
) -> None:
    exchange = open_exchange(played(tmp_path, minutes=30), speed=600)
    client = connect(exchange)
    began = time.monotonic()
    follow(client, BIP)
    client.to_the_end(END)
    assert time.monotonic() - began >= 1805 / 600 * 0.95  # never faster; how much slower is the machine's affair
    assert not exchange.finished.is_set()  # its last frame counts as read when the reader comes back for more
    client.read()
    assert exchange.finished.wait(PATIENCE)


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)
