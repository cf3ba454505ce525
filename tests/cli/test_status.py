"""`atlas status`: the verdict with its reasons, and the exit code."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.messages import NightAudited
from tests.cli.command import Commands
from tests.web.scene import Daemon

NOW = datetime.now(UTC)


@pytest.fixture
def commands(tmp_path: Path, new_database: Callable[..., str]) -> Commands:
    return Commands(tmp_path, ATLAS_DATABASE_URL=new_database())


@pytest.fixture
def daemon(commands: Commands) -> Iterator[Daemon]:
    """Return what writes as a daemon of account `paper` does; it beats now and has answered its pulses."""
    daemon = Daemon(commands.environ["ATLAS_DATABASE_URL"])
    daemon.open_account()
    daemon.beat(beat_at=datetime.now(UTC) + timedelta(minutes=5))
    daemon.health(datetime.now(UTC) + timedelta(minutes=5), journal="running", discord="off")
    yield daemon
    daemon.close()


def test_well_is_0_and_a_clean_night_is_shown(commands: Commands, daemon: Daemon) -> None:
    daemon.write(NightAudited(NOW.date(), NOW, 1900, 800, 0))
    ended = commands("status")
    assert (ended.code, "because" in ended.out) == (0, False), ended.out
    assert "1,900 inputs replayed, 800 events, no difference" in ended.out


def test_ill_is_1_with_every_reason(commands: Commands, daemon: Daemon) -> None:
    daemon.beat(beat_at=datetime.now(UTC) + timedelta(minutes=5), feed="down: silence for 5 s")
    daemon.halt(feed="silence for 5 s")
    daemon.write(NightAudited(NOW.date(), NOW, 1900, 800, 3, "closed:x at input 7"))
    ended = commands("status", "--json")
    assert (ended.code, ended.json["verdict"]) == (1, "ill")
    assert ended.json["reasons"] == [
        "the feed is down: silence for 5 s",
        "entries halted (feed): silence for 5 s",
        f"the night audit of {NOW.date()} found 3 events that differ",
    ]
    assert ended.json["night_audit"]["first"] == "closed:x at input 7"


def test_an_actor_without_progress_is_ill_though_it_is_said_to_run(commands: Commands, daemon: Daemon) -> None:
    daemon.beat(beat_at=datetime.now(UTC) + timedelta(minutes=7))
    ended = commands("status", "--json")
    assert (ended.code, ended.json["reasons"]) == (1, ["journal has made no progress for 2 min"])


def test_silent_is_69_and_so_is_one_that_never_ran(commands: Commands) -> None:
    assert commands("status").code == 69
    daemon = Daemon(commands.environ["ATLAS_DATABASE_URL"])
    daemon.open_account()
    daemon.beat(beat_at=datetime.now(UTC) - timedelta(minutes=5))
    daemon.close()
    ended = commands("status")
    assert ended.code == 69
    assert "because  no sign of life from ATLAS for 5 min" in ended.out


def test_lesson_106_status_reports_the_daemon_that_runs_and_makes_none(commands: Commands, daemon: Daemon) -> None:
    told = commands("status", "--json").json
    assert told["verdict"] == "well"
    assert (told["daemon"]["pid"], told["daemon"]["host"]) == (4242, "vps")
    daemon.beat(beat_at=datetime.now(UTC) + timedelta(minutes=5), pid=4343)
    assert commands("status", "--json").json["daemon"]["pid"] == 4343
