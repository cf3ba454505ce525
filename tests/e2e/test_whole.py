"""The whole of ATLAS on one market: real processes, a real websocket, a real Postgres.

One seeded day of one-minute candles is played three times by `atlas demo`: undisturbed, under CPU load, and with the
daemon killed in the middle. Decisions and money must be the same to the byte.
"""

import csv
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from atlas.errors import DatabaseError
from db.embedded import EmbeddedServer
from db.engine import connect, session

HISTORY_DAYS = 40
START = datetime(2021, 5, 11, tzinfo=UTC)
PRODUCT = "BIP-20DEC30-CDE"
PATIENCE = 240.0
pytestmark = pytest.mark.timeout(600)


class Run:
    """One finished demo: what it printed as JSON, and how to ask its database."""

    def __init__(self, place: "Place", name: str, summary: dict[str, Any]) -> None:
        self.place, self.name, self.summary = place, name, summary
        self.config = str(place.data_dir.parent / "demo" / name / "atlas.toml")

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query on this run's database."""
        server = EmbeddedServer(self.place.data_dir)
        server.start()
        engine = connect(server.url(self.name))
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query), values)]
        finally:
            engine.dispose()
            server.stop()

    def events(self) -> dict[str, str]:
        """Return id → text of every event that an input of the core caused.

        But halts, which tell of the connection, and confirmations, which come whenever REST has answered.
        """
        query = """SELECT id, payload::text FROM events
                   WHERE input IS NOT NULL AND kind NOT IN ('HaltChanged', 'BarConfirmed') ORDER BY seq"""
        return dict(self.rows(query))

    def audit(self) -> dict[str, Any]:
        """Return what `atlas audit` says of this run, whether or not anything differs."""
        done = self.place.atlas("audit", "--json", "--config", self.config)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (1 if found["differences"] else 0), done.stderr
        return found

    def ledger(self) -> list[tuple[Any, ...]]:
        """Return every leg of the ledger."""
        return self.rows("SELECT movement_id, book, kind, amount, at FROM ledger ORDER BY movement_id, book")


class Place:
    """Where the runs of this file keep their data, and how they are started."""

    def __init__(self, data_dir: Path, market: Path) -> None:
        self.data_dir, self.market = data_dir, market
        self.environ = os.environ | {"ATLAS_DATA_DIR": str(data_dir)}

    def atlas(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ATLAS to its end."""
        return subprocess.run(
            [sys.executable, "-m", "atlas", *argv], env=self.environ, capture_output=True, text=True, timeout=PATIENCE
        )

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a command of ATLAS."""
        return subprocess.Popen(
            [sys.executable, "-m", "atlas", *argv],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def demo_argv(self, name: str, *more: str) -> list[str]:
        """Return the command that plays the market into a database of that name."""
        return [
            *("demo", "--json", "--no-web", "--database", name, "--data", str(self.market), "--product", PRODUCT),
            *("--from", f"{START:%Y-%m-%d}", "--timeframes", "15m,1h,4h,1d", "--speed", "14400"),
            *("--gates-off", "reward_risk,magnitude,fees,continuity,daily_loss", *more),
        ]

    def played(self, name: str, *more: str) -> Run:
        """Play the market and return the finished run."""
        done = self.atlas(*self.demo_argv(name, *more))
        assert done.returncode == 0, done.stderr[-3000:]
        return Run(self, name, json.loads(done.stdout))


@pytest.fixture(scope="module")
def place(module_cluster_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a seeded market: forty days of history and one day to play, on a tick of 0.5."""
    market = tmp_path_factory.mktemp("market") / "BTCSIM_1m.csv.gz"
    rng = np.random.default_rng(20210511)
    minutes = (HISTORY_DAYS + 1) * 1440
    steps = rng.standard_t(4, (minutes, 4)) * 4.0
    path = 40_000 + np.round(np.cumsum(steps.ravel()) * 2).reshape(minutes, 4) / 2
    begin = int(START.timestamp()) - HISTORY_DAYS * 86_400
    with gzip.open(market, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("time", "open", "high", "low", "close", "volume"))
        for minute, prices in enumerate(path.tolist()):
            if rng.random() < 0.02:
                continue  # A minute without a trade has no row.
            row = (prices[0], max(prices), min(prices), prices[-1], int(rng.integers(4, 400)))
            writer.writerow((begin + 60 * minute, *row))
    return Place(module_cluster_dir, market)


@pytest.fixture(scope="module")
def undisturbed(place: Place) -> Run:
    """The run nothing disturbs."""
    return place.played("undisturbed")


def test_every_trigger_ends_as_a_trade_or_as_one_rejection(undisturbed: Run) -> None:
    summary = undisturbed.summary
    assert summary["triggers"] == summary["trades"] + sum(summary["rejections"].values())
    assert summary["trades"] >= 10
    assert {"stop", "target"} <= set(summary["exits"])
    assert undisturbed.rows("SELECT count(*) FROM triggers WHERE outcome IS NULL") == [(0,)]


def test_cash_is_the_sum_of_the_ledger(undisturbed: Run) -> None:
    assert undisturbed.summary["cash"] == undisturbed.summary["ledger_cash"]
    sums = undisturbed.rows("SELECT movement_id, sum(amount) FROM ledger GROUP BY movement_id HAVING sum(amount) <> 0")
    assert sums == []


def test_the_report_lists_the_trades_of_the_summary(undisturbed: Run) -> None:
    done = undisturbed.place.atlas("report", "--json", "--config", undisturbed.config)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    closed = undisturbed.summary["trades"] - undisturbed.summary["open_positions"]
    assert len(report["trades"]) == closed
    assert Counter(trade["exit_reason"] for trade in report["trades"]) == undisturbed.summary["exits"]
    assert report["summary"] == undisturbed.summary


def test_the_audit_recomputes_all_of_it_and_finds_nothing(undisturbed: Run) -> None:
    found = undisturbed.audit()
    assert found["differences"] == []
    assert (found["triggers"], found["trades"]) == (undisturbed.summary["triggers"], undisturbed.summary["trades"])
    assert (found["cash"], found["reserved"]) == (undisturbed.summary["cash"], undisturbed.summary["reserved"])


def test_one_alert_for_each_entry_exit_start_and_stop(undisturbed: Run) -> None:
    kinds = dict(undisturbed.rows("SELECT kind, count(*) FROM outbox WHERE kind IN ('entry', 'exit') GROUP BY kind"))
    closed = undisturbed.summary["trades"] - undisturbed.summary["open_positions"]
    assert kinds == {"entry": undisturbed.summary["trades"], "exit": closed}
    keys = [key for (key,) in undisturbed.rows("SELECT key FROM outbox")]
    assert len(keys) == len(set(keys))


def test_a_run_under_load_decides_the_same(undisturbed: Run, place: Place) -> None:
    with _busy():
        loaded = place.played("loaded")
    assert loaded.events() == undisturbed.events()
    assert loaded.ledger() == undisturbed.ledger()


def test_the_recording_replayed_gives_the_same_events_to_the_byte(undisturbed: Run) -> None:
    done = undisturbed.place.atlas("replay", "--compare", "--json", "--config", undisturbed.config)
    assert done.returncode == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    # What the start itself told, before the state that a replay begins from, has the first number.
    assert compared["same"] == undisturbed.rows("SELECT count(*) FROM events WHERE input > 1")[0][0]
    assert compared["different"] == compared["missing"] == compared["only_in_replay"] == []


def test_a_daemon_killed_in_the_middle_goes_on_where_it_was(undisturbed: Run, place: Place) -> None:
    demo = place.start(*place.demo_argv("killed", "--hold"))
    daemon: subprocess.Popen[str] | None = None
    try:
        killed = Run(place, "killed", {})
        pid = _in_a_position(place, killed, demo)
        os.kill(pid, signal.SIGKILL)
        held = killed.rows("SELECT id, contracts, entry_price, stop FROM positions WHERE status = 'open'")
        daemon = place.start("run", "--config", killed.config)
        out, err = demo.communicate(timeout=PATIENCE)
        assert demo.returncode == 0, err[-3000:]
        summary = json.loads(out)
    finally:
        for process in (demo, daemon):
            if process is not None and process.poll() is None:
                process.terminate()
                process.communicate(timeout=60)
    assert held, "no position was open when the daemon was killed"
    assert summary["cash"] == summary["ledger_cash"]
    assert summary["triggers"] == summary["trades"] + sum(summary["rejections"].values())
    assert killed.audit()["differences"] == []
    entries = killed.rows(
        "SELECT position_id, count(*) FROM fills WHERE purpose = 'entry' GROUP BY 1 HAVING count(*) > 1"
    )
    assert entries == [], "entered twice"
    for id_, contracts, price, stop in held:
        query = "SELECT entry_contracts, entry_price, first_stop FROM positions WHERE id = :position"
        again = killed.rows(query, position=id_)
        assert again == [(contracts, price, stop)]
    # What broke while no daemon was there is missed, and may free the place of another trade; without that, nothing
    # differs. A trade that both runs entered is the same trade.
    before, after = undisturbed.events(), killed.events()
    for key in (key for key in after if key.startswith("triggered:") and key in before):
        assert json.loads(after[key])["setup"] == json.loads(before[key])["setup"]
    if not summary["rejections"].get("missed"):
        assert killed.ledger() == undisturbed.ledger()


def _in_a_position(place: Place, run: Run, demo: subprocess.Popen[str]) -> int:
    """Return the daemon's process id once it has closed a trade and holds another."""
    pattern = re.compile(rb"atlas\x00run\x00--config\x00" + run.config.encode())
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert demo.poll() is None, demo.communicate()[1][-3000:]
        opened, all_of_them = _positions(place, run)
        if opened and all_of_them >= 3:
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and pattern.search(_command_line(entry)):
                    return int(entry.name)
        time.sleep(0.05)
    raise AssertionError("the daemon never held a position")


def _positions(place: Place, run: Run) -> tuple[int, int]:
    """Return how many positions are open, and how many there are; nothing while the database is being made."""
    engine = connect(EmbeddedServer(place.data_dir).url(run.name))
    try:
        with session(engine) as connection:
            query = "SELECT count(*) FILTER (WHERE status = 'open'), count(*) FROM positions"
            opened, all_of_them = connection.execute(text(query)).one()
            return opened, all_of_them
    except DatabaseError:
        return 0, 0
    finally:
        engine.dispose()


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


class _busy:
    """Two processes that leave the others little of the machine."""

    def __enter__(self) -> None:
        self._hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]

    def __exit__(self, *_: object) -> None:
        for hog in self._hogs:
            hog.kill()
            hog.wait()
