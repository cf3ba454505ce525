"""The socket is reset in mid-position and stays away while REST lives: prices from there take the stop.

A real process, a real websocket that is reset and then refused, a real REST interface, a real Postgres.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from signal import SIGTERM

import pytest

from atlas.exchange.local import PRODUCTS, ExchangeOptions, LocalExchange
from atlas.exchange.local.fault import Fault, Faults
from atlas.exchange.local.played import read_market
from tests.actors.scene import BIP, REVERSAL
from tests.cli.command import Commands
from tests.fakes.gate import Gate
from tests.faults.daemon import Daemon, Systemd
from tests.faults.test_downtime import CONFIG
from tests.faults.watching import Watching

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPEED = 240.0
"""Four minutes of market a second: a hundred trades, one answer of REST, are six seconds."""
TRIGGERED, LOST, FALLEN = NOON + 10 * MINUTE, NOON + 15 * MINUTE, NOON + 40 * MINUTE
PATIENCE = 100.0

pytestmark = pytest.mark.timeout(300)


def market(place: Path) -> Path:
    """Write three days of flat hours, the bars of a `2U-2D-?`, its trigger, and a fall through the stop that lasts."""
    candles: dict[datetime, tuple[float, ...]] = {}
    for hours in range(72, 3, -1):
        candles |= {NOON - timedelta(hours=hours) + 15 * number * MINUTE: (60000.0,) * 4 for number in range(4)}
    for hours, prices in zip((3, 2, 1), REVERSAL, strict=True):
        for number, price in enumerate(prices):
            candles[NOON - timedelta(hours=hours) + 15 * number * MINUTE] = (price,) * 4
    for number in range(2 * 1440):
        at = NOON + number * MINUTE
        candles[at] = (61000.0 if at < TRIGGERED else 61600.0 if at < FALLEN else 58500.0,) * 4
    path = place / "made_BTC_1m_x.csv"
    rows = (f"{int(at.timestamp())},{','.join(map(str, row))},8" for at, row in sorted(candles.items()))
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    return path


def test_the_stop_is_taken_by_a_rest_price_and_nothing_is_doubled_when_the_socket_is_back(
    tmp_path: Path, daemon_database: Callable[[], str]
) -> None:
    played = read_market([(market(tmp_path), PRODUCTS[BIP])], int(NOON.timestamp()) * 1_000_000_000)
    options = ExchangeOptions(
        ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500, connections_per_second=1000
    )
    faults = Faults.of([Fault(kind="reset", at=(LOST - NOON).total_seconds())])
    url = daemon_database()
    commands = Commands(tmp_path, ATLAS_DATABASE_URL=url)
    watched = Watching(url, tmp_path, PATIENCE)
    rows, wait_for = watched.rows, watched.wait_for

    try:
        with (
            LocalExchange(played, options, faults) as exchange,
            Gate(exchange.ws_url, first=True) as gate,
            Systemd(tmp_path) as systemd,
        ):
            settings = CONFIG.format(product=BIP, exchange=exchange)
            (tmp_path / "atlas.toml").write_text(settings.replace(exchange.ws_url, gate.url))
            with Daemon(commands, systemd, watchdog=60) as daemon:
                wait_for(lambda: rows("SELECT status FROM positions") == [("closed",)], "the exit")
                assert gate.refused > 0, "the socket was back, or never away"
                ((feed,),) = rows("SELECT feed FROM daemons")
                assert feed.startswith("down")
                gate.open = True
                wait_for(lambda: rows("SELECT feed FROM daemons") == [("up",)], "the feed is back")
                # By the next closed bar the trades replayed on subscription have long been taken.
                bars = "SELECT count(*) FROM events WHERE kind = 'BarClosed'"
                ((before,),) = rows(bars)
                wait_for(lambda: rows(bars) > [(before,)], "a bar after it")
                daemon.signal(SIGTERM)
                assert daemon.ended() == 0
        ((reason, left, rest, down, worst),) = rows(
            "SELECT exit_reason, exit_time, rest, filled_while_down, worst FROM positions"
        )
        assert (reason, rest, down, worst) == ("stop", True, False, Decimal(58500))
        assert left >= FALLEN
        fills = rows("SELECT purpose, reference, rest FROM fills ORDER BY at")
        assert fills == [("entry", Decimal(61600), False), ("stop", Decimal(58500), True)]
        assert rows("SELECT count(*) FROM outbox WHERE kind = 'exit'") == [(1,)]
    finally:
        watched.close()
    audited = commands("audit", "--json")
    assert audited.json["differences"] == [], audited.err
    replayed = commands("replay", "--compare", "--json")
    compared = json.loads(replayed.out)["compared"]
    assert compared["different"] == compared["missing"] == []
