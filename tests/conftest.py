"""What every test may ask for: the shared market data, a database of its own, a browser.

One Postgres serves the whole run, all its processes; it is started by the first test that wants it. A test's database
is a copy of one migrated template and is dropped after the test. The controller of the run stops the server, and
clears away what a killed run left behind.
"""

import fcntl
import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from db.embedded import EmbeddedServer

CHECKOUT = Path(__file__).resolve().parent.parent
TEMPLATE = "template_migrated"
LONG = (
    "tests/web/browser/",
    "tests/e2e/",
    "tests/faults/",
    "tests/actors/test_money_machine.py",
    "tests/db/test_cli_database.py",
    "tests/replay/",
    "tests/test_scripts.py",
    "tests/mutation/",
    "tests/sweep/",
    "tests/db/",
)
"""What takes long comes first: else one process is left with it when the others have nothing to do any more."""

_run_dir = pytest.StashKey[Path]()
_run_lock = pytest.StashKey[int]()
_numbers = itertools.count(1)

settings.register_profile(
    "unhurried", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # no test depends on how fast the machine is at the moment
settings.load_profile("unhurried")


# -- the shared folder ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real market data and worked cases: where ATLAS_SHARED points, else beside the checkout."""
    named = os.environ.get("ATLAS_SHARED")
    folder = Path(named) if named else CHECKOUT.parent / "shared"
    if not (folder / "data" / "MANIFEST.md").is_file():
        where = f"ATLAS_SHARED={named} is not it" if named else "none beside the checkout, and ATLAS_SHARED is not set"
        pytest.skip(f"needs the shared folder of real market data: {where}")
    return folder.resolve()


# -- Postgres ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_dir(request: pytest.FixtureRequest) -> Path:
    """Return the directory all processes of this run share; everybody may enter it (as root, Postgres is somebody)."""
    return request.config.stash[_run_dir]


@pytest.fixture(scope="session")
def postgres(run_dir: Path) -> "EmbeddedServer":
    """Return the run's own Postgres, started, without fsync."""
    from db.embedded import EmbeddedServer

    server = EmbeddedServer(run_dir / "postgres", fsync=False)
    server.start()
    return server


@pytest.fixture(scope="session")
def migrated_template(postgres: "EmbeddedServer", run_dir: Path) -> str:
    """Return the name of a database migrated to head, to be copied; the first process that wants it migrates it."""
    from db import migrate

    done = run_dir / "template.done"
    with (run_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            if postgres.database_exists(TEMPLATE):
                postgres.drop_database(TEMPLATE)
            postgres.create_database(TEMPLATE)
            migrate.upgrade(postgres.url(TEMPLATE))
            done.touch()
    return TEMPLATE


@pytest.fixture
def database_url(postgres: "EmbeddedServer", migrated_template: str, worker: str) -> Iterator[str]:
    """Return the URL of a database of this test's own, migrated to head and empty."""
    name = f"test_{worker}_{next(_numbers)}"
    postgres.create_database(name, template=migrated_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def bare_database_url(postgres: "EmbeddedServer", worker: str) -> Iterator[str]:
    """Return the URL of a database of this test's own that holds nothing, for tests of migrations."""
    name = f"test_{worker}_{next(_numbers)}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def cluster_dir(run_dir: Path, worker: str) -> Iterator[Path]:
    """Return a place for a Postgres of the test's own, not there yet; a server left running in it is stopped."""
    yield from _cluster_dir(run_dir, worker)


@pytest.fixture(scope="module")
def module_cluster_dir(run_dir: Path, worker: str) -> Iterator[Path]:
    """Return a place for a Postgres that the tests of one file share."""
    yield from _cluster_dir(run_dir, worker)


def _cluster_dir(run_dir: Path, worker: str) -> Iterator[Path]:
    from db.embedded import EmbeddedServer

    folder = run_dir / f"cluster_{worker}_{next(_numbers)}"
    folder.mkdir()
    yield folder / "pg"
    EmbeddedServer(folder / "pg").stop(force=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """Return the name of this process among the run's: gw0, gw1 … or main."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


# -- the browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a real Chromium; mark tests that use it `browser`."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ATLAS_REQUIRE_BROWSER set, a browser test that was skipped, for whatever reason, has failed."""
    report = yield
    wants_browser = item.get_closest_marker("browser") is not None or "chromium" in getattr(item, "fixturenames", ())
    if report.skipped and wants_browser and os.environ.get("ATLAS_REQUIRE_BROWSER"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but ATLAS_REQUIRE_BROWSER is set: {_reason(report)}"
    return report


# -- the run ----------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's directory, held by a lock as long as the run lives; workers are told where it is."""
    if hasattr(config, "workerinput"):
        config.stash[_run_dir] = Path(config.workerinput["atlas_run_dir"])
        return
    _clear_dead_runs()
    unlocked = Path(tempfile.mkdtemp(prefix=".atlas-tests-"))
    unlocked.chmod(0o755)
    lock = os.open(unlocked / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    config.stash[_run_lock] = lock
    config.stash[_run_dir] = unlocked.rename(unlocked.with_name(unlocked.name.removeprefix(".")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, in the order they are named, the others behind them as they were."""
    items.sort(key=lambda item: next((n for n, long in enumerate(LONG) if item.nodeid.startswith(long)), len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run's directory is."""
    node.workerinput["atlas_run_dir"] = str(node.config.stash[_run_dir])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's Postgres and remove the run's directory."""
    if _run_lock in config.stash:
        _remove_run(config.stash[_run_dir])
        os.close(config.stash[_run_lock])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, and for which reasons."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    terminalreporter.write_line(f"skipped tests: {len(skipped)}")
    for reason, count in Counter(_reason(report) for report in skipped).most_common():
        terminalreporter.write_line(f"  {count} x {reason}")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _clear_dead_runs() -> None:
    """Remove the directories, and stop the servers, of runs whose lock nobody holds any more: they were killed."""
    for directory in Path(tempfile.gettempdir()).glob("atlas-tests-*"):
        try:
            lock = os.open(directory / "run.lock", os.O_RDWR)
        except OSError:  # another user's, or just being removed
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_run(directory)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _remove_run(directory: Path) -> None:
    if (directory / "postgres").exists():
        from db.embedded import EmbeddedServer

        EmbeddedServer(directory / "postgres").stop(force=True)
    shutil.rmtree(directory, ignore_errors=True)
