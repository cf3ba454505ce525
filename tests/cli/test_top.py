"""`atlas top` and `atlas positions`: what is open at the last price, in a pipe and in a real terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atlas.cli.top_view import shared_out
from tests.cli.command import PATIENCE, Commands
from tests.web.scene import Daemon, closed, position, setup


@pytest.fixture
def commands(tmp_path: Path, new_database: Callable[..., str]) -> Commands:
    return Commands(tmp_path, ATLAS_DATABASE_URL=new_database())


@pytest.fixture
def daemon(commands: Commands) -> Iterator[Daemon]:
    """Return what writes as a daemon does: one position open at 60,300, one trade, two setups."""
    daemon = Daemon(commands.environ["ATLAS_DATABASE_URL"])
    daemon.open_account(reserved="1463.41")
    daemon.beat(beat_at=datetime.now(UTC) + timedelta(minutes=5))
    daemon.health(datetime.now(UTC) + timedelta(minutes=5), journal="running")
    other = position("3-2D-2U")
    daemon.open(position(), other)
    daemon.end(closed(other, "61200", "target", "120"))
    daemon.wait_for(setup("60500"), setup("59700", "short"))
    daemon.quote("60300")
    yield daemon
    daemon.close()


def test_positions_show_the_price_the_open_profit_and_the_distances_in_r(commands: Commands, daemon: Daemon) -> None:
    (held,) = commands("positions", "--json").json
    assert (held["price"], held["unrealised"], held["net"]) == ("60300", "30.00", "24.30")
    assert (held["r"], held["to_stop_r"], held["to_target_r"]) == ("0.40", "1.50", "1.50")
    assert held["entry_price"] == "60000", "and what the events say, as before"
    shown = commands("positions").out.splitlines()
    assert shown[0].split()[:6] == ["id", "side", "size", "entry", "price", "open"]
    assert shown[1].split()[4:9] == ["60300", "30.00", "0.40", "1.50", "1.50"]


def test_a_position_without_a_price_shows_none(commands: Commands, daemon: Daemon) -> None:
    daemon.open(position(symbol="ETP-20DEC30-CDE", id="ETP-20DEC30-CDE:1h:20260701T1000:2U-1-2U:long"))
    held = {each["symbol"]: each for each in commands("positions", "--json").json}["ETP-20DEC30-CDE"]
    assert [held[name] for name in ("price", "unrealised", "r", "to_stop_r")] == [None] * 4


def test_in_a_pipe_the_overview_is_printed_once_and_fits_80_columns(commands: Commands, daemon: Daemon) -> None:
    ended = commands("top")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    shown = " ".join(ended.out.split())
    assert "equity $10,030.00" in shown
    assert "▲ BIP-20DEC30-CDE 2U-1-2U 1h 10 60,000 60,300 +$24.30 +0.40 1.50 1.50" in shown
    assert "3-2D-2U 1h 01 Jul 11:50 60,000 61,200 +$108.60" in shown
    assert "2D-1-? 1h 60,500 60,300 0.33 % 1.50 3/4" in shown


def test_an_account_nobody_opened_is_said_to_be_none(commands: Commands) -> None:
    assert "not been opened" in commands("top", "--once").out


def test_its_json_is_that_of_status(commands: Commands, daemon: Daemon) -> None:
    status, top = commands("status", "--json"), commands("top", "--json")
    assert (top.code, top.json) == (status.code, status.json)


def test_in_a_terminal_it_is_live_and_q_ends_it_and_leaves_the_terminal_as_it_was(
    commands: Commands, daemon: Daemon
) -> None:
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(its_end)
    running = subprocess.Popen(
        [sys.executable, "-m", "atlas", "top", "--every", "0.5"],
        cwd=commands.place, env=commands.environ | {"TERM": "xterm"}, stdin=its_end, stdout=its_end, stderr=its_end,
    )  # fmt: skip
    try:
        seen = until(terminal, b"60,300")
        daemon.quote("60900", seconds=1)
        seen += until(terminal, b"60,900")
        os.write(terminal, b"xq")
        seen += until(terminal, b"\x1b[?1049l")
        assert running.wait(PATIENCE) == 0
        assert b"Traceback" not in seen
        assert termios.tcgetattr(its_end) == before
    finally:
        running.kill()
        running.wait()
        os.close(its_end)
        os.close(terminal)


def until(terminal: int, wanted: bytes) -> bytes:
    """Return what the terminal shows up to `wanted`; AssertionError if it never does."""
    seen = b""
    while wanted not in seen:
        readable, _, _ = select.select([terminal], [], [], PATIENCE)
        assert readable, seen
        seen += os.read(terminal, 65_536)
    return seen


@pytest.mark.parametrize(
    ("lines", "wanted", "given"),
    [
        (19, [0, 0, 0], [0, 0, 0]),
        (19, [3, 12, 24], [3, 5, 5]),
        (19, [20, 12, 24], [11, 1, 1]),
        (19, [0, 12, 0], [0, 12, 0]),
        (5, [4, 4, 4], [3, 0, 0]),
        (0, [4, 4, 4], [0, 0, 0]),
    ],
)
def test_each_table_gets_a_row_then_the_positions_all_they_have(
    lines: int, wanted: list[int], given: list[int]
) -> None:
    assert shared_out(lines, wanted) == given
