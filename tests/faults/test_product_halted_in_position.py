"""A product is paused, or delisted, while a position in it is open, and the price goes through the stop meanwhile.

A real process, a real websocket on which that product alone falls silent, a real listing that says so, a real Postgres.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from signal import SIGTERM

import pytest

from atlas.exchange.local import PRODUCTS, ExchangeOptions, Fault, Faults, LocalExchange
from atlas.exchange.local.played import read_market
from tests.actors.scene import BIP
from tests.cli.command import Commands
from tests.faults.daemon import Daemon, Systemd
from tests.faults.test_downtime import CONFIG
from tests.faults.test_feed_down_in_position import FALLEN, LOST, NOON, SPEED, market
from tests.faults.watching import Watching

PATIENCE = 200.0

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("paused", "trading is suspended: trading_disabled"), ("delisted", "is not to be had")],
)
def test_the_owner_is_told_and_the_stop_is_taken_at_the_first_price_when_it_is_back(
    kind: str, said: str, tmp_path: Path, daemon_database: Callable[[], str]
) -> None:
    played = read_market([(market(tmp_path), PRODUCTS[BIP])], int(NOON.timestamp()) * 1_000_000_000)
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500)
    faults = Faults.of([Fault(kind=kind, product=BIP, at=(LOST - NOON).total_seconds())])
    url = daemon_database()
    commands = Commands(tmp_path, ATLAS_DATABASE_URL=url)
    watched = Watching(url, tmp_path, PATIENCE)
    rows, wait_for = watched.rows, watched.wait_for

    def told() -> str:
        return "\n".join(text for (text,) in rows("SELECT payload->>'text' FROM outbox") if text)

    try:
        with LocalExchange(played, options, faults) as exchange, Systemd(tmp_path) as systemd:
            (tmp_path / "atlas.toml").write_text(CONFIG.format(product=BIP, exchange=exchange))
            with Daemon(commands, systemd, watchdog=60) as daemon:
                wait_for(lambda: "its stop sees no price" in told(), "that its price is missing")
                wait_for(lambda: said in told(), "why")
                wait_for(lambda: rows("SELECT max(market_time) FROM daemons")[0][0] > FALLEN, "the fall nobody sees")
                assert rows("SELECT status FROM positions") == [("open",)]
                assert rows("SELECT feed FROM daemons") == [("up",)]
                exchange.calm()
                wait_for(lambda: rows("SELECT status FROM positions") == [("closed",)], "the exit")
                daemon.signal(SIGTERM)
                assert daemon.ended() == 0
        ((reason, left, rest, down),) = rows("SELECT exit_reason, exit_time, rest, filled_while_down FROM positions")
        assert (reason, rest, down) == ("stop", False, False)
        assert left > FALLEN
        assert rows("SELECT purpose, reference FROM fills ORDER BY at") == [
            ("entry", Decimal(61600)), ("stop", Decimal(58500)),
        ]  # fmt: skip
    finally:
        watched.close()
    audited = commands("audit", "--json")
    assert audited.json["differences"] == [], audited.err
