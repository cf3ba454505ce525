"""A daemon is killed in mid-position, and the next one cannot reach REST at its start: the downtime is settled later.

A real process and its SIGKILL, a real websocket, a REST interface behind a gate that is shut at first, a real Postgres.
"""

import json
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.command import Commands
from tests.fakes.gate import Gate
from tests.faults.daemon import Daemon, Systemd
from tests.faults.test_downtime import END, HELD, HIT, MINUTE, NOON, PATIENCE, exchange
from tests.faults.watching import Watching

pytestmark = pytest.mark.timeout(300)


def test_downtime_is_settled_when_rest_answers_while_the_feed_goes_on(
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
            # More than the hundred trades that a subscription replays: they would tell of the minute themselves.
            with (
                exchange(tmp_path, HIT + 30 * MINUTE, END) as serving,
                Gate(serving.rest_url, first=False) as gate,
                Daemon(commands, systemd, "--set", f"exchange.rest_url={gate.url}", watchdog=60) as daemon,
            ):
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
