"""A daemon is killed in mid-position, and the next one cannot reach REST at its start: the downtime is settled later.

A real process and its SIGKILL, a real websocket, a REST interface behind a gate that is shut at first, a real Postgres.
"""

import json
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

import pytest

from atlas.exchange.local import PRODUCTS, ExchangeOptions, LocalExchange
from atlas.exchange.local.played import read_market
from atlas.exchange.times import parse_time
from tests.actors.scene import BIP
from tests.cli.command import Commands
from tests.fakes.gate import Gate
from tests.faults.daemon import Daemon, Systemd
from tests.faults.test_downtime import CONFIG, HIT, MINUTE, NOON, PATIENCE, market
from tests.faults.watching import Watching

SPEED = 600.0
"""Ten minutes of market a second: twenty seconds from the entry to the minute of both exits."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[LocalExchange]:
    """The market from noon on; it waits for its first listener, and for nobody after that."""
    played = read_market([(market(tmp_path), PRODUCTS[BIP])], int(NOON.timestamp()) * 1_000_000_000)
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500)
    with LocalExchange(played, options) as serving:
        yield serving


def test_downtime_is_settled_when_rest_answers_while_the_feed_goes_on(
    tmp_path: Path, exchange: LocalExchange, daemon_database: Callable[[], str]
) -> None:
    (tmp_path / "atlas.toml").write_text(CONFIG.format(product=BIP, exchange=exchange))
    url = daemon_database()
    commands = Commands(tmp_path, ATLAS_DATABASE_URL=url)
    watched = Watching(url, tmp_path, PATIENCE)
    rows, wait_for = watched.rows, watched.wait_for

    def after_the_hit() -> bool:
        with urlopen(f"{exchange.rest_url}/local/market", timeout=10) as answer:
            return parse_time(json.load(answer)["now"]) > HIT + 30 * MINUTE

    try:
        with Systemd(tmp_path) as systemd, Gate(exchange.rest_url, first=False) as gate:
            with Daemon(commands, systemd, watchdog=60) as daemon:
                wait_for(lambda: rows("SELECT status FROM positions") == [("open",)], "a position")
                daemon.signal(signal.SIGKILL)
                assert daemon.ended() == -signal.SIGKILL
            assert rows("SELECT status FROM positions") == [("open",)], "the machine is too slow for this speed"
            # More than the hundred trades that a subscription replays: they would tell of the minute themselves.
            wait_for(after_the_hit, "the market goes on without a daemon")
            with Daemon(commands, systemd, "--set", f"exchange.rest_url={gate.url}", watchdog=60) as daemon:
                # The first one was killed, so that its row says `up` as well.
                wait_for(lambda: "the feed is up" in daemon.said, "the feed")
                refused = gate.refused
                wait_for(lambda: gate.refused > refused, "REST is asked again in vain")
                assert rows("SELECT status FROM positions") == [("open",)]
                gate.open = True
                wait_for(lambda: rows("SELECT status FROM positions") == [("closed",)], "the settlement")
                daemon.signal(signal.SIGTERM)
                assert daemon.ended() == 0
        position = "SELECT exit_reason, exit_time, filled_while_down, ambiguous, rest FROM positions"
        assert rows(position) == [("stop", HIT + MINUTE / 2, True, True, False)]
        fills = rows("SELECT purpose, reference, filled_while_down FROM fills ORDER BY at")
        assert fills == [("entry", Decimal(61600), False), ("stop", Decimal(58800), True)]
        assert rows("SELECT count(*) FROM outbox WHERE kind = 'recovered'") == [(1,)]
    finally:
        watched.close()
    audited = commands("audit", "--json")
    assert audited.json["differences"] == [], audited.err
    replayed = commands("replay", "--compare", "--json")
    compared = json.loads(replayed.out)["compared"]
    assert compared["different"] == compared["missing"] == []
