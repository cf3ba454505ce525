"""Ctrl-C in the demo, at any moment: everything stops, nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE = 90.0
pytestmark = pytest.mark.timeout(300)


def left_behind(marker: str) -> list[str]:
    """Return the command lines of living processes that speak of the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if marker in words:
                found.append(words)
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} never happened"
        time.sleep(0.02)


@pytest.mark.parametrize("moment", ["exchange", "database", "daemon", "trading"])
def test_ctrl_c_stops_everything_cleanly(moment: str, cluster_dir: Path) -> None:
    log = cluster_dir.parent / "demo" / "stopped"
    demo = subprocess.Popen(
        [sys.executable, "-m", "atlas", "demo", "--database", "stopped", "--web-port", "0"],
        env=os.environ | {"ATLAS_DATA_DIR": str(cluster_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        conditions = {
            "exchange": (log / "exchange.log").exists,
            "database": (cluster_dir / "PG_VERSION").exists,
            "daemon": (log / "daemon.log").exists,
            "trading": lambda: (log / "daemon.log").exists() and "starting beat" in (log / "daemon.log").read_text(),
        }
        wait_for(conditions[moment], moment)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=PATIENCE)
    finally:
        demo.kill()
    assert demo.returncode in (0, 130), err
    assert "Traceback" not in err
    if moment == "trading":
        assert demo.returncode == 0
        assert "triggers" in out
    wait_for(lambda: not left_behind(str(cluster_dir.parent)), "the end of every process")


def test_kill_9_of_the_demo_leaves_nothing_behind(cluster_dir: Path) -> None:
    """Its children are told by the kernel; the last of them to leave stops the database it had started."""
    log = cluster_dir.parent / "demo" / "killed" / "daemon.log"
    demo = subprocess.Popen(
        [sys.executable, "-m", "atlas", "demo", "--database", "killed", "--no-web"],
        env=os.environ | {"ATLAS_DATA_DIR": str(cluster_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: log.exists() and "starting beat" in log.read_text(), "trading")
    finally:
        demo.kill()
        demo.wait()
    wait_for(lambda: not left_behind(str(cluster_dir.parent)), "the end of every process")
