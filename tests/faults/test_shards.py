"""Two daemons of a group share two products; one is lost, the other takes over, and nothing is entered twice.

Real processes and a SIGKILL, real websockets, a real Postgres and a line to it that is cut. `-s` shows how long the
takeover took.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atlas.exchange.local import PRODUCTS, ExchangeOptions, LocalExchange
from atlas.exchange.local.played import read_market
from tests.cli.command import Commands
from tests.fakes.postgres_proxy import PostgresProxy
from tests.faults.daemon import Daemon, Systemd, ready
from tests.faults.watching import Watching

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BIP, ETP = "BIP-20DEC30-CDE", "ETP-20DEC30-CDE"
SPEED = 300.0
"""Five minutes of market a second: a 15m bar every three seconds."""
PATIENCE = 240.0
CONFIG = """
[account]
name = "{name}"
[shard]
group = "main"
prefer = ["{prefers}"]
[strat]
timeframes = ["15m"]
[gates]
off = ["magnitude", "reward_risk", "continuity", "fees", "daily_loss", "max_open_positions", "total_risk"]
[feed]
clock = "venue"
silence_seconds = 30
heartbeat_seconds = 60
[exchange]
products = ["BIP-20DEC30-CDE", "ETP-20DEC30-CDE"]
ws_url = "{exchange.ws_url}"
rest_url = "{exchange.rest_url}"
rest_per_second = 100
"""

pytestmark = pytest.mark.timeout(600)


def market(place: Path, product: str, price: float) -> Path:
    """Write a walk of one-minute candles: three days before noon and two after it."""
    drawn = random.Random(f"shards {product}")
    rows = []
    for minute in range(-3 * 1440, 2 * 1440):
        close = round(price * (1 + drawn.gauss(0, 0.0012)), 1)
        high, low = max(price, close) * 1.0003, min(price, close) * 0.9997
        at = int((NOON + minute * MINUTE).timestamp())
        rows.append(f"{at},{price:.1f},{high:.1f},{low:.1f},{close:.1f},8")
        price = close
    path = place / f"made_{product}_1m.csv"
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    return path


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[LocalExchange]:
    """Both markets from noon on; they wait for their first listener."""
    walks = [(market(tmp_path, BIP, 60000.0), PRODUCTS[BIP]), (market(tmp_path, ETP, 2500.0), PRODUCTS[ETP])]
    played = read_market(walks, int(NOON.timestamp()) * 1_000_000_000)
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500)
    with LocalExchange(played, options) as serving:
        yield serving


class Pair:
    """Daemons `one`, which prefers BIP, and `two`, which prefers ETP, and what their database says of them."""

    def __init__(self, folder: Path, exchange: LocalExchange, urls: tuple[str, str]) -> None:
        self.commands = []
        for name, prefers, url in zip(("one", "two"), (BIP, ETP), urls, strict=True):
            place = folder / name
            place.mkdir()
            (place / "atlas.toml").write_text(CONFIG.format(name=name, prefers=prefers, exchange=exchange))
            self.commands.append(Commands(place, ATLAS_DATABASE_URL=url))
        self._watched = Watching(urls[1], folder / "two", PATIENCE)
        self.rows, self.wait_for = self._watched.rows, self._watched.wait_for
        self._running = ExitStack()
        self._systemd = [self._running.enter_context(Systemd(one.place)) for one in self.commands]

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *exc: object) -> None:
        self._running.close()
        self._watched.close()

    def start(self, number: int) -> Daemon:
        """Start a daemon and wait until all of it runs."""
        daemon = self._running.enter_context(Daemon(self.commands[number], self._systemd[number], watchdog=60))
        self._systemd[number].wait_for(ready, "that all is started")
        return daemon

    def entered(self, account: str, product: str) -> int:
        """Return how many positions in a product an account has had."""
        found = self.rows(f"SELECT count(*) FROM positions WHERE account = '{account}' AND symbol = '{product}'")
        return int(found[0][0])

    def held(self, bip: str, etp: str) -> None:
        """Wait until these accounts hold the two products."""
        query = "SELECT symbol, account FROM leases ORDER BY symbol"
        self.wait_for(lambda: self.rows(query) == [(BIP, bip), (ETP, etp)], f"leases of {bip} and {etp}")

    def lost(self) -> None:
        """The first daemon is not there any more: wait until the other trades its product as well."""
        began = time.monotonic()
        self.held("two", "two")
        print(f"taken over after {time.monotonic() - began:.1f} s")
        self.wait_for(lambda: self.entered("two", BIP) > 0, "the other trades it")

    def agree(self) -> None:
        """Nothing was entered twice or without the lease, and each account is right by its own events."""
        rows = self.rows
        assert self.entered("one", ETP) == 0
        assert rows("SELECT id FROM positions GROUP BY id HAVING count(*) > 1") == []
        assert rows("SELECT setup FROM claims ORDER BY setup") == rows("SELECT id FROM positions ORDER BY id")
        refused = "account = 'two' AND gate = 'halted' AND starts_with(value, 'lease: BIP')"
        assert rows(f"SELECT count(*) FROM rejections WHERE {refused}")[0][0] > 0
        for shard in self.commands:
            audited = shard("audit", "--json")
            assert audited.json["differences"] == [], audited.err


def test_a_killed_shards_product_is_taken_over_and_nothing_is_entered_twice(
    tmp_path: Path, exchange: LocalExchange, daemon_database: Callable[[], str]
) -> None:
    url = daemon_database()
    with Pair(tmp_path, exchange, (url, url)) as pair:
        first, second = pair.start(0), pair.start(1)
        pair.held("one", "two")
        pair.wait_for(lambda: pair.entered("one", BIP) > 0 and pair.entered("two", ETP) > 0, "both trade")
        first.signal(signal.SIGKILL)
        assert first.ended() == -signal.SIGKILL
        pair.lost()
        again = pair.start(0)
        pair.held("one", "two")
        for daemon in (again, second):
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0
        pair.agree()


def test_a_shard_cut_off_from_the_database_stops_entering_before_the_other_begins(
    tmp_path: Path, exchange: LocalExchange, daemon_database: Callable[[], str]
) -> None:
    url = daemon_database()
    with PostgresProxy(url) as line:
        port, through = line.port, line.url
        pair = Pair(tmp_path, exchange, (through, url))
        first, second = pair.start(0), pair.start(1)
        pair.held("one", "two")
        pair.wait_for(lambda: pair.entered("one", BIP) > 0, "the first trades")
    with pair:
        pair.lost()
        assert "no lease was renewed for 0:00:10: nothing is entered until one is" in first.said
        with PostgresProxy(url, port):
            pair.held("one", "two")
            for daemon in (first, second):
                daemon.signal(signal.SIGTERM)
                assert daemon.ended() == 0
            pair.agree()
