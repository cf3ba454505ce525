"""The signs of life of a real daemon: through what is lost outside, until an actor of its own hangs."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from db.embedded import EmbeddedServer
from db.engine import connect
from tests.cli.conftest import PRODUCTS, settled
from tests.faults.daemon import Daemon, Systemd, alive, ready

HANGING = Path(__file__).with_name("hanging.py")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    """Return an exchange of this test's own, to be closed."""
    market = SyntheticMarket(listed(PRODUCTS), time.time_ns(), seed=5)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=500, rest_burst=500)
    with LocalExchange(market, options) as exchange:
        yield exchange


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with Systemd(tmp_path) as systemd:
        yield systemd


def close_database(postgres: EmbeddedServer, url: str) -> None:
    """Let nobody connect to the database, and send away who has."""
    name = make_url(url).database
    engine = connect(postgres.url("postgres"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                           {"name": name})  # fmt: skip
    engine.dispose()


def test_a_sign_of_life_is_given_without_feed_and_database_and_not_once_an_actor_hangs(
    exchange: LocalExchange,
    systemd: Systemd,
    postgres: EmbeddedServer,
    daemon_database: Callable[[], str],
    tmp_path: Path,
) -> None:
    url = daemon_database()
    with Daemon(settled(tmp_path, exchange, url), systemd, script=HANGING) as daemon:
        started = systemd.wait_for(ready, "that all is started")
        assert not any(alive(told) for told in started)
        systemd.wait_for(lambda told: told["STATUS"] == "running, feed up", "that the feed is up")

        exchange.stop()
        systemd.wait_for(lambda told: alive(told) and "feed down" in told["STATUS"], "life without a feed", 3)

        close_database(postgres, url)
        systemd.wait_for(lambda told: "the database is away" in daemon.said, "that the database is away")
        systemd.wait_for(alive, "life without feed and database", 5)

        daemon.signal(signal.SIGUSR1)
        systemd.wait_for(lambda told: "no progress: journal" in told["STATUS"], "that the journal hangs")
        last = systemd.wait_for(lambda told: "STOPPING" in told, "the end")
        assert not any(alive(told) for told in last)
        assert "journal hangs: no answer to a pulse for" in last[-1]["STATUS"]
        assert daemon.ended() == 70
        assert "no sign of life is given, there is no progress: journal" in daemon.said
        assert "ATLAS ends, exit code 70: journal hangs" in daemon.said
