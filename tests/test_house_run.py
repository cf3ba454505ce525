"""What a run of the tests promises: it says what it skipped, fails where it must not skip, and leaves no server behind.

Each test runs pytest on a small folder of tests with this project's conftest.py.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from db.embedded_process import serving_pids

CHECKOUT = Path(__file__).resolve().parent.parent
TESTS = """
import os, signal
import pytest

@pytest.mark.browser
def test_panel(chromium): pass

@pytest.mark.browser
def test_chart(): pytest.skip("no playwright")

def test_golden(shared): assert (shared / "data").is_dir()

def test_killed(postgres, run_dir):
    print("run directory", run_dir, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def test_plain(): pass
"""


@pytest.fixture
def folder(run_dir: Path) -> Path:
    """Return a folder of tests with the conftest.py, in a place the server's account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=run_dir))
    folder.chmod(0o755)
    shutil.copy(CHECKOUT / "tests" / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser: real\n")
    (folder / "test_it.py").write_text(TESTS)
    return folder


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATLAS_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", *options],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_skipped_tests_are_counted_with_their_reasons_before_the_closing_line(folder: Path) -> None:
    done = run(folder, "-k", "panel or golden or plain", PATH="/nonexistent")
    assert done.returncode == 0, done.stdout
    assert "skipped tests: 2\n" in done.stdout
    assert "1 x no chromium" in done.stdout
    assert "1 x needs the shared folder of real market data: none beside the checkout" in done.stdout
    assert "1 passed, 2 skipped" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("test", ["panel", "chart"])
def test_skipped_browser_test_fails_where_the_browser_is_required(folder: Path, test: str) -> None:
    done = run(folder, "-k", f"{test} or golden", PATH="/nonexistent", ATLAS_REQUIRE_BROWSER="1")
    assert done.returncode == 1, done.stdout
    assert "skipped, but ATLAS_REQUIRE_BROWSER is set: no " in done.stdout


def test_shared_folder_is_where_it_is_said_to_be(folder: Path) -> None:
    elsewhere = folder / "else where"
    (elsewhere / "data").mkdir(parents=True)
    missing = run(folder, "-k", "golden", ATLAS_SHARED=str(elsewhere))
    assert f"ATLAS_SHARED={elsewhere} is not it" in missing.stdout
    assert "1 skipped" in missing.stdout
    (elsewhere / "data" / "MANIFEST.md").touch()
    there = run(folder, "-k", "golden", ATLAS_SHARED=str(elsewhere))
    assert "1 passed" in there.stdout


def test_next_run_stops_the_server_a_killed_run_left_and_clears_its_directory(folder: Path) -> None:
    killed = run(folder, "-k", "killed", "-p", "no:xdist")
    assert killed.returncode == -signal.SIGKILL, killed.stdout
    left = Path(killed.stdout.partition("run directory ")[2].splitlines()[0])
    assert serving_pids(left / "postgres") != []
    assert run(folder, "-k", "plain").returncode == 0
    assert serving_pids(left / "postgres") == []
    assert not left.exists()
