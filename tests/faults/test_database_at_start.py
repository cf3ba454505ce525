"""The database is not there yet when the daemon starts: it says so, waits, and starts when it is there."""

import socket
import time
from pathlib import Path

from sqlalchemy import Engine, make_url, text

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from db.engine import connect
from tests.cli.conftest import PRODUCTS, settled
from tests.fakes.postgres_proxy import PostgresProxy

PATIENCE = 60.0


def test_database_gone_at_the_start_is_said_and_waited_for(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    market = SyntheticMarket(listed(PRODUCTS), time.time_ns(), seed=3)
    url = f"postgresql://atlas@127.0.0.1:{port}/{make_url(database_url).database}"
    look = connect(database_url)
    deadline = time.monotonic() + PATIENCE
    with LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, rest_limit=500, rest_burst=500)) as exchange:
        commands = settled(tmp_path, exchange, url)
        with commands.start("run") as running:
            while "tried again for" not in running.log.read_text():
                assert running.alive, running.log.read_text()
                assert time.monotonic() < deadline, running.log.read_text()
                time.sleep(0.1)
            assert "cannot be reached" in running.log.read_text()
            with PostgresProxy(database_url, port):
                while not _started(look):
                    assert running.alive, running.log.read_text()
                    assert time.monotonic() < deadline, running.log.read_text()
                    time.sleep(0.1)
                assert running.stop() == 0, running.log.read_text()
    look.dispose()


def _started(look: Engine) -> int:
    with look.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM daemons WHERE feed = 'up'")).scalar_one())
