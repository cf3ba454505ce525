"""Frames that are no frames: the daemon says so, drops that connection, keeps what it has, and goes on."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed

from atlas.exchange.local import LocalExchange
from db.engine import connect
from tests.cli.conftest import PRODUCTS, settled
from tests.fakes.coinbase_server import CoinbaseServer, Session

GARBAGE = (
    b"this is no JSON",
    b'{"channel":"market_trades","timestamp":"yesterday","sequence_num":0,"events":[]}',
    b'{"channel":"heartbeats","timestamp":"2031-03-04T12:00:00Z","sequence_num":"many","events":[{}]}',
)


def garbage(session: Session) -> None:
    """Acknowledge everything, then send what cannot be read: another kind on each connection."""
    session.subscribe_all(datetime.now(UTC))
    session.text(GARBAGE[session.number - 1])
    session.stay()


def sound(session: Session) -> None:
    """Acknowledge everything and stay, with heartbeats."""
    session.subscribe_all(datetime.now(UTC))
    try:
        while True:
            session.heartbeat(datetime.now(UTC))
            time.sleep(0.5)
    except ConnectionClosed:
        return


def test_daemon_survives_malformed_frames_and_says_so(
    tmp_path: Path, live_exchange: LocalExchange, new_database: Callable[..., str]
) -> None:
    url = new_database()
    commands = settled(tmp_path, live_exchange, url)
    engine = connect(url)

    def rows(sql: str) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(text(sql)))

    with CoinbaseServer(*[garbage] * len(GARBAGE), sound, known=PRODUCTS) as server:
        commands.environ["ATLAS_EXCHANGE__WS_URL"] = server.url
        with commands.start("run") as daemon:
            deadline = time.monotonic() + 90
            while len(server.sessions) <= len(GARBAGE) or not rows("SELECT 1 FROM daemons WHERE feed = 'up'"):
                assert daemon.alive, daemon.log.read_text()
                assert time.monotonic() < deadline, daemon.log.read_text()
                time.sleep(0.1)
            assert daemon.stop() == 0
    log = daemon.log.read_text()
    assert "Traceback" not in log
    kept = {payload for (payload,) in rows("SELECT text FROM dead_letters WHERE recipient = 'feed'")}
    assert kept == {frame.decode() for frame in GARBAGE}
    (alert,) = rows("SELECT payload ->> 'text' FROM events WHERE kind = 'Alert' AND payload ->> 'kind' = 'feed'")
    assert "A malformed frame, number 1" in alert[0]
    assert "alert:feed:malformed" in log
    assert rows("SELECT count(*) FROM accounts WHERE cash = 10000") == [(1,)]
    engine.dispose()


@pytest.mark.parametrize("frame", GARBAGE)
def test_garbage_is_garbage(frame: bytes) -> None:
    from atlas.errors import DataError
    from atlas.exchange.wire import decode_frame

    with pytest.raises(DataError):
        decode_frame(frame)
