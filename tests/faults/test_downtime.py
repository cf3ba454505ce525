"""A daemon is killed in mid-position and the market goes on without it: the next one settles what it missed.

A real process and its SIGKILL, a real websocket and REST interface, a real Postgres. In one minute of the downtime stop
and target are both reached; afterwards the price is back where it was, so that no later trade could tell.

The market stands still until the daemon is dead: one exchange plays it up to a while after the entry and waits there,
another one goes on from a while after the minute of both.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas.exchange.local import PRODUCTS, ExchangeOptions, LocalExchange
from atlas.exchange.local.played import read_market
from tests.actors.scene import BIP, REVERSAL
from tests.cli.command import Commands
from tests.faults.daemon import Daemon, Systemd, ready
from tests.faults.watching import Watching

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPEED = 1200.0
"""Twenty minutes of market a second."""
TRIGGERED, HIT = NOON + 10 * MINUTE, NOON + 210 * MINUTE
HELD, END = TRIGGERED + 30 * MINUTE, TRIGGERED + 1440 * MINUTE
PATIENCE = 100.0
CONFIG = """
[account]
name = "down"
[strat]
timeframes = ["1h"]
[gates]
off = ["magnitude", "reward_risk", "continuity", "fees", "daily_loss"]
[feed]
clock = "venue"
silence_seconds = 30
heartbeat_seconds = 60
[exchange]
products = ["{product}"]
ws_url = "{exchange.ws_url}"
rest_url = "{exchange.rest_url}"
rest_per_second = 100
"""

pytestmark = pytest.mark.timeout(300)


def market(place: Path, until: datetime) -> Path:
    """Write up to `until`: days of flat hours, the bars of a `2U-2D-?`, its trigger, then the minute of both exits."""
    candles: dict[datetime, tuple[float, ...]] = {}
    for hours in range(72, 3, -1):
        candles |= {NOON - timedelta(hours=hours) + 15 * number * MINUTE: (60000.0,) * 4 for number in range(4)}
    for hours, (first, high, low, close) in zip((3, 2, 1), REVERSAL, strict=True):
        for number, price in enumerate((first, high, low, close)):
            candles[NOON - timedelta(hours=hours) + 15 * number * MINUTE] = (price,) * 4
    candles |= {NOON + number * MINUTE: (61000.0,) * 4 for number in range(10)}
    candles |= {TRIGGERED + number * MINUTE: (61600.0,) * 4 for number in range(1440)}
    candles[HIT] = (61600, 63200, 58800, 61500)
    path = place / f"made_BTC_1m_{until:%d%H%M}.csv"
    rows = (f"{int(at.timestamp())},{','.join(map(str, row))},8" for at, row in sorted(candles.items()) if at < until)
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    return path


@contextmanager
def exchange(place: Path, start: datetime, until: datetime) -> Iterator[LocalExchange]:
    """Play the market from `start` to `until`, where it stands still; the configuration names this exchange."""
    played = read_market([(market(place, until), PRODUCTS[BIP])], int(start.timestamp()) * 1_000_000_000)
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500)
    with LocalExchange(played, options) as serving:
        (place / "atlas.toml").write_text(CONFIG.format(product=BIP, exchange=serving))
        yield serving


def test_stop_and_target_hit_while_down_are_settled_at_their_time(
    tmp_path: Path, daemon_database: Callable[[], str]
) -> None:
    url = daemon_database()
    commands = Commands(tmp_path, ATLAS_DATABASE_URL=url)
    watched = Watching(url, tmp_path, PATIENCE)
    rows, wait_for = watched.rows, watched.wait_for
    try:
        with Systemd(tmp_path) as systemd:
            with exchange(tmp_path, NOON, HELD), Daemon(commands, systemd, watchdog=60) as daemon:
                wait_for(lambda: rows("SELECT status FROM positions") == [("open",)], "a position")
                daemon.signal(signal.SIGKILL)
                assert daemon.ended() == -signal.SIGKILL
            assert rows("SELECT status FROM positions") == [("open",)]
            with exchange(tmp_path, HIT + 5 * MINUTE, END), Daemon(commands, systemd, watchdog=60) as daemon:
                systemd.wait_for(ready, "that all is started")
                wait_for(lambda: rows("SELECT status FROM positions") == [("closed",)], "the settlement")
                daemon.signal(signal.SIGTERM)
                assert daemon.ended() == 0
        position = "SELECT exit_reason, exit_time, filled_while_down, ambiguous FROM positions"
        hit = HIT + MINUTE / 2
        assert rows(position) == [("stop", hit, True, True)]
        fills = "SELECT purpose, reference, at, filled_while_down FROM fills ORDER BY at"
        assert [row[0] for row in rows(fills)] == ["entry", "stop"]
        assert rows(fills)[1] == ("stop", Decimal(58800), hit, True)
        funded = [at for (at,) in rows("SELECT at FROM funding ORDER BY at")]
        assert funded == [NOON + timedelta(hours=hours) for hours in (1, 2, 3)]
        ((told,),) = rows("SELECT payload->>'text' FROM outbox WHERE kind = 'recovered'")
        assert "Closed meanwhile: BIP-20DEC30-CDE 1h 2U-2D-2U long: stop, ambiguous at 58,770.6" in told
    finally:
        watched.close()
    audited = commands("audit", "--json")
    assert audited.json["differences"] == [], audited.err
    replayed = commands("replay", "--compare", "--json")
    assert replayed.json["compared"]["different"] == replayed.json["compared"]["missing"] == []
