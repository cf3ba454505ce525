"""`atlas sweep` as somebody types it: the same figures by one process, by two and by Dask; broken off, it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from atlas.backtest.engine import Played, backtest
from atlas.cli import cli
from atlas.cli.options import Choice
from atlas.cli.past import PastOptions, asked
from atlas.errors import ConfigurationError, UnavailableError, UsageError
from atlas.market.candle_file import read_candles
from db.embedded import EmbeddedServer
from db.engine import connect, session
from db.models import SweepRunRow
from tests.cli.command import CHECKOUT, Commands
from tests.data.candle_csv import START
from tests.sweep.random_walk import walk_csv

GRID = """
data = ["one.csv", "other.csv"]
products = ["BTC-USD", "ETH-USD"]
timeframes = ["15m", "1h"]
resamples = 200

[settings]
gates.off = ["fees", "max_open_positions"]
fees = {{ spot_taker = 0.0001, spot_maker = 0.0001, slippage = 0.0001 }}

[grid]
strat.stop = ["structure", "setup_bar"]
gates.min_magnitude = {magnitudes}

[walk_forward]
train_days = 4
test_days = 2
"""
SECONDS = 100.0


def grid(magnitudes: str = "[0.001, 0.002]") -> str:
    return GRID.format(magnitudes=magnitudes)


@pytest.fixture(scope="module")
def markets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("markets")
    walk_csv(place / "one.csv", 8, seed=1)
    walk_csv(place / "other.csv", 8, seed=2)
    return place


@pytest.fixture
def place(tmp_path: Path, database_url: str, markets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder the test is in, with two market files and a grid; the database is the test's own, empty."""
    for name in ("one.csv", "other.csv"):
        (tmp_path / name).symlink_to(markets / name)
    (tmp_path / "grid.toml").write_text(grid())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATLAS_DATABASE_URL", database_url)
    return tmp_path


def run(*argv: str) -> str:
    """Run a command in this process; return what it says. Raises what it raises."""
    done = CliRunner().invoke(cli, argv, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture
def another_database_url(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[str]:
    name = f"swept_{worker}"
    postgres.create_database(name, template=migrated_template)
    yield postgres.url(name)
    postgres.drop_database(name)


def swept(*argv: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("sweep", "grid.toml", "--json", "-", *argv))
    return found


def stored(url: str) -> dict[tuple[Any, ...], datetime]:
    """Return key and time of everything in the table."""
    engine, row = connect(url), SweepRunRow
    with session(engine) as connection:
        query = select(row.past, row.rules, row.product, row.start, row.until, row.at)
        found = {tuple(key): at for *key, at in connection.execute(query)}
    engine.dispose()
    return found


def test_figures_are_those_of_the_backtests_and_nothing_is_run_twice(place: Path, database_url: str) -> None:
    found = swept("--workers", "1")
    assert found["trials"] == 4
    assert len(found["windows"]) == 2
    # Trainings [0, 4) and [2, 6), tests [4, 6) and [6, 8): four windows, two products, four trials.
    first = stored(database_url)
    assert len(first) == 4 * 2 * 4
    row = next(row for row in found["rows"] if row["parameters"] == {"strat.stop": "setup_bar",
                                                                     "gates.min_magnitude": 0.002})  # fmt: skip
    assert row["out_of_sample"]["trades"] == _trades_of_the_tests(place) > 0
    again = swept("--workers", "1")
    assert again == found
    assert stored(database_url) == first  # also when each was made


def _trades_of_the_tests(place: Path) -> int:
    sets = ("strat.stop=setup_bar", "gates.min_magnitude=0.002", "gates.off=fees,max_open_positions",
            "fees.spot_taker=0.0001", "fees.spot_maker=0.0001", "fees.slippage=0.0001")  # fmt: skip
    start, count = datetime.fromtimestamp(START, UTC), 0
    for name, product in (("one.csv", "BTC-USD"), ("other.csv", "ETH-USD")):
        past = asked(Choice(sets=sets), PastOptions((place / name,), (product,), "15m,1h"))
        for days in (4, 6):
            window = start + timedelta(days=days), start + timedelta(days=days + 2)
            played = [Played(past.products[0], read_candles(place / name))]
            count += len(backtest(played, past.rules, *window).trades)
    return count


def test_larger_grid_runs_only_what_is_new_and_counts_every_rule_ever_tried(place: Path, database_url: str) -> None:
    swept("--workers", "1")
    first = stored(database_url)
    (place / "grid.toml").write_text(grid("[0.002, 0.003]"))
    found = swept("--workers", "1")
    after = stored(database_url)
    assert len(found["rows"]) == 4
    assert found["trials"] == 6
    assert len(after) == len(first) * 6 // 4
    assert first.items() <= after.items()
    fresh = swept("--workers", "1", "--fresh")
    assert fresh == found
    assert sum(at > max(after.values()) for at in stored(database_url).values()) == len(first)


def test_sweep_that_is_interrupted_goes_on_where_it_was(place: Path, database_url: str) -> None:
    magnitudes = "[" + ", ".join(f"0.0{n}" for n in range(10, 35)) + "]"
    (place / "grid.toml").write_text(grid(magnitudes))
    atlas = Commands(place, ATLAS_DATABASE_URL=database_url)
    with atlas.start("sweep", "grid.toml", "--workers", "2", "--json", "out.json") as running:
        _until(lambda: count_of(database_url) > 0 or not running.alive)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(SECONDS) == 130, running.log.read_text()
    first = stored(database_url)
    assert 0 < len(first) < 4 * 2 * 50
    (place / "grid.toml").write_text(grid(magnitudes).replace("train_days = 4", "train_days = 7"))
    assert len(swept("--workers", "1")["rows"]) == 50
    assert first.items() <= stored(database_url).items()


def test_workers_of_a_dask_scheduler_and_processes_give_the_same_figures_as_one(
    place: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, another_database_url: str
) -> None:
    here = swept("--workers", "1")
    assert swept("--workers", "2", "--fresh") == here
    # Another, empty database: nothing is there to be taken from it.
    monkeypatch.setenv("ATLAS_DATABASE_URL", another_database_url)
    with dask_cluster(place, workers=2) as address:
        atlas = Commands(place, ATLAS_DATABASE_URL=another_database_url)
        done = atlas("sweep", "grid.toml", "--json", "--scheduler", address)
    assert done.code == 0, done.err
    assert json.loads(done.out) == here
    assert stored(another_database_url).keys() == stored(database_url).keys()


def count_of(url: str) -> int:
    return len(stored(url))


@contextmanager
def dask_cluster(place: Path, workers: int) -> Iterator[str]:
    """Start a scheduler and workers as processes of their own, as on other machines; yield its address."""
    place = place / "dask"
    place.mkdir()
    told = place / "scheduler.json"
    environ = os.environ | {"PYTHONPATH": str(CHECKOUT), "HOME": str(place)}
    common = ("--no-dashboard", "--scheduler-file", str(told))
    with ExitStack() as stack, (place / "log").open("wb") as log:

        def start(*argv: str) -> None:
            argv = (sys.executable, "-m", "dask", *argv, *common)
            process = subprocess.Popen(argv, cwd=place, env=environ, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        _until(told.exists)
        for _ in range(workers):
            start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(place))
        address: str = json.loads(told.read_text())["address"]
        _until(lambda: (place / "log").read_bytes().count(b"Registered to:") >= workers)
        yield address


def _until(holds: Callable[[], bool]) -> None:
    """Wait on a condition, generously."""
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ("gates.nonsense = [1]", ConfigurationError, "nonsense"),
        ('strat.stop = ["sideways"]', ConfigurationError, "sideways"),
        ('fills.model = ["depth"]', ConfigurationError, "atlas replay"),
    ],
)
def test_what_cannot_work_is_told_before_anything_runs(
    place: Path, change: str, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")  # which is not asked
    (place / "grid.toml").write_text(grid().replace('strat.stop = ["structure", "setup_bar"]', change))
    with pytest.raises(error, match=said):
        run("sweep", "grid.toml")


def test_scheduler_that_is_not_there_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas.backtest.sweep.distributed.CONNECT", "1 s")
    with pytest.raises(UnavailableError, match=r"--scheduler tcp://127\.0\.0\.1:1 cannot be reached"):
        run("sweep", "grid.toml", "--scheduler", "tcp://127.0.0.1:1")


def test_scheduler_and_workers_of_this_machine_exclude_each_other(place: Path) -> None:
    with pytest.raises(UsageError, match="give one of them"):
        run("sweep", "grid.toml", "--scheduler", "tcp://127.0.0.1:1", "--workers", "2")


def test_table_names_trials_and_what_was_chosen(place: Path) -> None:
    said = run("sweep", "grid.toml", "--workers", "1")
    assert said.startswith("4 trials x 2 products x 4 windows, 2026-01-01 to 2026-01-09; 4 sets of rules tried")
    assert said.count("stop=setup_bar min_magnitude=0.002") >= 2
    assert "chosen anew at each step" in said


def test_past_funding_makes_another_past(place: Path, database_url: str) -> None:
    hours = range(START, START + 9 * 86_400, 3_600)
    (place / "rates.csv").write_text("time,rate\n" + "".join(f"{hour},0.001\n" for hour in hours))
    one = grid("[0.001]").replace('"one.csv", "other.csv"', '"one.csv"').replace(', "ETH-USD"', "")
    futures = one.replace("BTC-USD", "BIP-20DEC30-CDE")
    (place / "grid.toml").write_text(futures)
    plain = swept("--workers", "1")
    (place / "grid.toml").write_text('funding = ["rates.csv"]\n' + futures)
    funded = swept("--workers", "1")
    assert len({past for past, *_ in stored(database_url)}) == 2
    assert all(row["in_sample"]["trades"] for row in plain["rows"])
    assert [row["in_sample"]["net"] for row in funded["rows"]] != [row["in_sample"]["net"] for row in plain["rows"]]
