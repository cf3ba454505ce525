"""A daemon that runs on a real exchange and database, and what the reading commands print about it and its account."""

import getpass
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from atlas.backtest.result import Trade
from atlas.performance import Performance
from db.engine import connect
from tests.cli.command import Commands, Ended, Running
from tests.cli.conftest import PRODUCTS
from tests.web.scene import Daemon, closed, position

READING = {
    "status": "status --json",
    "positions": "positions --json --account story",
    "report": "report --json --account story",
    "scan": "scan --json",
    "config": "config show --json",
    "doctor": "doctor --json",
    "db status": "db status --json",
    "replay": "replay --json",
    "second daemon": "run",
    "unknown position": "close nonesuch --account story",
}
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def query(commands: Commands, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the commands' database."""
    engine = connect(commands.environ["ATLAS_DATABASE_URL"])
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def daemon(commands: Commands) -> Iterator[Running]:
    """Return the daemon of account `paper`, once its feed is up and its setups are written."""
    up = "SELECT 1 FROM daemons JOIN setups USING (account) WHERE account = 'paper' AND daemons.feed = 'up' LIMIT 1"
    with commands.start("run") as running:
        deadline = time.monotonic() + 60
        while not query(commands, up):
            assert running.alive, running.log.read_text()
            assert time.monotonic() < deadline, running.log.read_text()
            time.sleep(0.1)
        yield running


@pytest.fixture(scope="module")
def ended(commands: Commands, daemon: Running) -> Iterator[dict[str, Future[Ended]]]:
    """Return how each reading command ends; account `story` has one open and one closed position."""
    story = Daemon(commands.environ["ATLAS_DATABASE_URL"], "story")
    story.open_account()
    story.open(position())
    story.open(won := position("3-1-2U"))
    story.end(closed(won, "61200", "target", "120"))
    story.close()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(commands, *argv.split()) for name, argv in READING.items()}


def printed(ended: dict[str, Future[Ended]], name: str, code: int = 0) -> Any:
    """Return what a command printed as JSON, once every time in it is found to be in ISO 8601 and UTC."""
    end = ended[name].result()
    assert end.code == code, end.err
    found = end.json
    for value in leaves(found):
        if isinstance(value, str) and TIME.match(value):
            assert UTC.fullmatch(value), value
    return found


def leaves(tree: Any) -> Iterator[Any]:
    """Yield every value that is neither an object nor a list."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree


def test_status_is_well_and_names_every_actor(ended: dict[str, Future[Ended]], daemon: Running) -> None:
    status = printed(ended, "status")
    assert (status["account"], status["verdict"], status["halts"], status["ill"]) == ("paper", "well", {}, [])
    assert status["daemon"]["pid"] == daemon.process.pid
    assert Decimal(status["daemon"]["cash"]) == 10000
    assert UTC.fullmatch(status["daemon"]["beat_at"])
    actors = {actor["actor"] for actor in status["daemon"]["actors"]}
    assert {"journal", "feed", "history", "risk_monitor", *(f"scanner:{product}" for product in PRODUCTS)} <= actors


def test_positions_are_listed_with_exact_numbers(ended: dict[str, Future[Ended]]) -> None:
    (held,) = printed(ended, "positions")
    assert (held["side"], held["entry_price"], held["liquidation"]) == ("long", "60000", "47754")
    assert Decimal(held["margin"]) == Decimal("1463.41")
    assert held["entry_time"] == "2026-07-01T11:10:00Z"


def test_report_has_summary_trades_funnel_and_every_metric(ended: dict[str, Future[Ended]]) -> None:
    report = printed(ended, "report")
    assert list(report) == ["period", "summary", "trades", "funnel", "metrics", "by", "equity"]
    (trade,) = report["trades"]
    assert tuple(trade) == Trade.__struct_fields__
    assert (trade["exit_reason"], Decimal(trade["net"])) == ("target", Decimal("108.6"))
    assert trade["exit_time"] == "2026-07-01T11:50:00Z"
    assert tuple(report["metrics"]) == Performance.__struct_fields__
    assert Decimal(report["metrics"]["net_profit"]) == Decimal("108.6")
    assert report["metrics"]["profit_factor"] is None
    assert (report["summary"]["triggers"], report["summary"]["open_positions"]) == (2, 1)
    assert sum(row["triggers"] for row in report["funnel"]) == 2


def test_scan_has_the_setups_the_daemon_has_written(ended: dict[str, Future[Ended]], commands: Commands) -> None:
    rows = printed(ended, "scan")
    assert rows
    for sides in ("trigger", "stop", "target", "price", "distance", "distance_percent"):
        assert all(isinstance(row[sides], str) and Decimal(row[sides]) >= 0 for row in rows)
    distances = [Decimal(row["distance_percent"]) for row in rows]
    assert distances == sorted(distances)
    sql = "SELECT id, family, trigger, stop, target FROM setups WHERE account = 'paper'"
    written = {id_: (family, *levels) for id_, family, *levels in query(commands, sql)}
    # What closed after the daemon was asked is not in what the scan has seen, or the other way round.
    common = [row for row in rows if row["id"] in written]
    assert common
    for row in common:
        assert written[row["id"]] == (row["family"], *(Decimal(row[level]) for level in ("trigger", "stop", "target")))


def test_settings_are_shown_with_exact_numbers(commands: Commands, ended: dict[str, Future[Ended]]) -> None:
    end = ended["config"].result()
    assert end.code == 0, end.err
    assert '"risk_share": "0.02"' in end.out
    assert '"starting_equity": "10000"' in end.out
    assert "api_key" not in end.out


def test_doctor_finds_everything_well_but_the_webhook(ended: dict[str, Future[Ended]]) -> None:
    doctor = printed(ended, "doctor")
    assert (doctor["verdict"], doctor["exit_code"]) == ("warning", 0)
    levels = {finding["check"]: finding["level"] for finding in doctor["checks"]}
    disk = levels.pop("disk")
    assert disk in ("ok", "warning")
    assert levels.pop("webhook") == "warning"
    wanted = {"configuration", "credentials", "database", "daemon", "exchange", "clock", "feed"}
    assert set(levels) == wanted | {f"product {product}" for product in PRODUCTS}
    assert set(levels.values()) == {"ok"}


def test_database_is_usable_and_replay_counts_the_events(ended: dict[str, Future[Ended]]) -> None:
    database = printed(ended, "db status")
    assert (database["verdict"], database["embedded"]) == ("usable", False)
    assert database["revision"] == database["head"]
    replay = printed(ended, "replay")
    assert replay["events"] == sum(replay["kinds"].values()) > 0


def test_close_of_an_unknown_position_names_those_that_are_open(ended: dict[str, Future[Ended]]) -> None:
    end = ended["unknown position"].result()
    assert end.code == 2
    assert "no open position 'nonesuch'" in end.said()
    assert f"open are: {position().id}" in end.said()


def test_second_daemon_is_sent_away_and_the_first_loses_nothing(
    ended: dict[str, Future[Ended]], commands: Commands, daemon: Running
) -> None:
    end = ended["second daemon"].result()
    assert end.code == 75
    assert f"process {daemon.process.pid}" in end.said()
    assert "stop that one first" in end.said()
    fences = "SELECT accounts.fence, daemons.fence, daemons.pid FROM accounts JOIN daemons ON account = name"
    assert query(commands, f"{fences} WHERE name = 'paper'") == [(1, 1, daemon.process.pid)]
    seen = query(commands, "SELECT beat_at FROM daemons WHERE account = 'paper'")
    deadline = time.monotonic() + 60
    while query(commands, "SELECT beat_at FROM daemons WHERE account = 'paper'") == seen:
        assert daemon.alive, daemon.log.read_text()
        assert time.monotonic() < deadline, "the first daemon has stopped beating"
        time.sleep(0.2)


def test_commands_are_answered_and_their_rows_say_who_why_and_what_happened(
    ended: dict[str, Future[Ended]], commands: Commands, daemon: Running
) -> None:
    for future in ended.values():
        future.result()
    told = [commands(*argv).out.strip() for argv in (
        ("halt", "--reason", "lunch"), ("flatten", "--reason", "the weekend"), ("resume",), ("resume",)
    )]  # fmt: skip
    assert told == ["halted: lunch", "nothing is open", "resumed", "nothing to resume"]
    asked = 'SELECT kind, args->>\'reason\', status, result, "by", done_at >= created_at FROM commands '
    rows = query(commands, asked + "WHERE account = 'paper' ORDER BY id")
    me = getpass.getuser()
    assert rows == [
        ("halt", "lunch", "done", "halted: lunch", me, True),
        ("flatten", "the weekend", "done", "nothing is open", me, True),
        ("resume", "asked by hand", "done", "resumed", me, True),
        ("resume", "asked by hand", "done", "nothing to resume", me, True),
    ]


def test_daemon_told_to_stop_ends_well_and_status_then_says_down(
    ended: dict[str, Future[Ended]], commands: Commands, daemon: Running
) -> None:
    for future in ended.values():
        future.result()
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log.read_text()
    status = commands("status", "--json")
    assert status.code == 69
    assert status.json["verdict"] == "down"
