"""A real daemon is asked to stop, is asked again, and its recorded day is audited in the night after."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from actors.messages import Alert, Event, NightAudited
from actors.night_audit import NightAudit
from atlas.cli.night_audit import LOWEST_PRIORITY
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from db.engine import connect
from tests.cli.command import CHECKOUT, PATIENCE, Commands, Ended
from tests.cli.conftest import PRODUCTS, settled
from tests.fakes.discord_server import Answer, DiscordServer
from tests.faults.daemon import Daemon, Systemd, alive, ready

pytestmark = pytest.mark.timeout(300)


class Story:
    """A daemon on a disk too full for entries, whose webhook does not answer: signalled twice, it ended at once."""

    def __init__(self, commands: Commands, url: str, day: date) -> None:
        self.commands, self.url, self.day = commands, url, day
        self.halted: Ended | None = None
        self.code = -1
        self.said = ""

    def audit(self) -> Ended:
        """Run the night audit of the day as a person would."""
        return self.commands("night-audit", "--day", self.day.isoformat(), "--json")

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        """Run a statement on the daemon's database."""
        engine = connect(self.url)
        try:
            with engine.begin() as connection:
                done = connection.exec_driver_sql(sql)
                return [tuple(row) for row in done] if done.returns_rows else []
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, daemon_database: Callable[[], str]) -> Iterator[Story]:
    place = tmp_path_factory.mktemp("stop")
    market = SyntheticMarket(listed(PRODUCTS), time.time_ns(), seed=6)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=500, rest_burst=500)
    with LocalExchange(market, options) as exchange, Systemd(place) as systemd, DiscordServer() as discord:
        discord.answers.extend([Answer(hang=True)] * 20)
        url = daemon_database()
        commands = settled(place, exchange, url)
        commands.environ["DISCORD_WEBHOOK_URL"] = discord.url
        story = Story(commands, url, datetime.now(UTC).date())
        with Daemon(commands, systemd, "--set", "upkeep.disk_percent=0.001") as daemon:
            systemd.wait_for(ready, "that all is started")
            systemd.wait_for(lambda told: told["STATUS"] == "running, feed up", "that the feed is up")
            systemd.wait_for(lambda told: bool(written(story)), "setups and the halt in the database")
            systemd.wait_for(lambda told: alive(told) and bool(discord.requests), "an alert under way")
            story.halted = commands("status", "--json")
            daemon.signal(signal.SIGTERM)
            told = systemd.wait_for(lambda told: "STOPPING" in told, "that it stops")
            assert told[-1]["STATUS"] == "stopping: asked to stop by SIGTERM"
            time.sleep(1.1)  # Within a second it is the same wish.
            daemon.signal(signal.SIGTERM)
            story.code, story.said = daemon.ended(), daemon.said
        yield story


def written(story: Story) -> list[tuple[object, ...]]:
    """Return something once setups and the halt are committed."""
    halted = "SELECT 1 FROM accounts WHERE halts::jsonb ? 'disk_space'"
    return story.execute(f"SELECT 1 FROM setups WHERE EXISTS ({halted}) LIMIT 1")


def test_a_second_signal_does_not_wait_for_what_hangs(story: Story) -> None:
    assert story.code == 70
    assert "stopping alerter" in story.said
    assert "stopping recorder" not in story.said


def test_a_disk_too_full_halts_entries_and_status_says_so(story: Story) -> None:
    assert story.halted is not None
    assert story.halted.code == 1
    status = story.halted.json
    assert status["verdict"] == "ill"
    assert "0.001 % of the disk of" in status["halts"]["disk_space"]
    assert any(reason.startswith("entries halted (disk_space)") for reason in status["reasons"])


def test_a_day_that_replays_as_it_was_decided_has_no_difference(story: Story) -> None:
    ended = story.audit()
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["inputs"] > 0
    assert found["events"] == story.execute("SELECT count(*) FROM events WHERE input > 1")[0][0] > 0
    assert (found["differences"], found["day"]) == (0, story.day.isoformat())


ONE = "SELECT id, payload::text FROM events WHERE kind = 'SetupsReplaced' AND input > 1 ORDER BY input LIMIT 1"


def test_an_event_decided_otherwise_is_found_and_named(story: Story) -> None:
    id_, payload = map(str, story.execute(ONE)[0])
    changed = payload.replace('"symbol"', '"Symbol"')
    assert changed != payload
    update = "UPDATE events SET payload = $p${}$p$::json WHERE id = '{}'"
    story.execute(update.format(changed, id_))
    try:
        ended = story.audit()
    finally:
        story.execute(update.format(payload, id_))
    found = json.loads(ended.out)
    assert (ended.code, found["differences"]) == (65, 1)
    assert found["first"].startswith(f"{id_} at input ")
    assert '"Symbol"' in found["first"].partition("replayed")[0]


def test_an_event_only_one_of_the_two_has_is_found(story: Story) -> None:
    id_, _ = map(str, story.execute(ONE)[0])
    story.execute(f"UPDATE events SET id = 'nonesuch' WHERE id = '{id_}'")
    try:
        ended = story.audit()
    finally:
        story.execute(f"UPDATE events SET id = '{id_}' WHERE id = 'nonesuch'")
    found = json.loads(ended.out)
    assert (ended.code, found["differences"]) == (65, 2)
    assert "never decided, replayed" in found["first"] or "replayed not at all" in found["first"]


# ── in the night ────────────────────────────────────────────────────────────────────────────────────────────────────


class Night:
    """The daemon's night audit at a time the test sets; `told` is what it would give to the journal."""

    def __init__(self, command: list[str], audited: date | None = None, day: date = date(2026, 7, 1)) -> None:
        self.now = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        self.told: list[Event] = []
        self.asked: list[date] = []
        self.ready = True
        self._looked = threading.Semaphore(0)
        self.audit = NightAudit(
            lambda day: self._command(command, day),
            3,
            self.told.append,
            ready=lambda day: self.ready,
            audited=audited,
            clock=self._clock,
            look_every=0.01,
        )

    def _command(self, command: list[str], day: date) -> list[str]:
        self.asked.append(day)
        return command

    def _clock(self) -> datetime:
        self._looked.release()
        return self.now

    def looks(self, hours: float) -> None:
        """Let it look, more than once, so many hours after midnight."""
        self.now = self.now.replace(hour=0, minute=0) + timedelta(hours=hours)
        for _ in range(3):
            while self._looked.acquire(blocking=False):
                pass
            assert self._looked.acquire(timeout=60)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_daemon_s_own_words_audit_a_real_recording(story: Story) -> None:
    from atlas.cli.night_audit import audit_command
    from atlas.cli.options import Choice

    (recordings,) = (path.parent.parent for path in story.commands.place.rglob("decider.json"))
    choice = Choice(story.commands.place / "atlas.toml", account="paper")
    words = audit_command(choice, recordings, story.url, story.day)
    environ = [f"{name}={story.commands.environ[name]}" for name in ("PYTHONPATH", "HOME", "ATLAS_DATABASE_URL")]
    night = Night(["env", "-C", str(story.commands.place), *environ, *words], day=story.day)
    night.audit.start(1)
    night.looks(3.5)
    wait_for(lambda: bool(night.told))
    assert night.audit.stop(30)
    (found,) = night.told
    assert isinstance(found, NightAudited), found
    assert (found.day, found.differences) == (story.day, 0)
    assert found.inputs > 0


def test_it_begins_ten_minutes_past_its_hour_and_once_a_day() -> None:
    night = Night([sys.executable, "-c", "print()"])
    night.audit.start(1)
    night.looks(3.16)
    assert night.asked == []
    night.looks(3.17)
    assert night.audit.stop(30)
    assert night.asked == [date(2026, 7, 1)]


def test_a_day_audited_before_or_that_cannot_be_judged_is_left_alone() -> None:
    done, unready = Night([], audited=date(2026, 7, 1)), Night([])
    unready.ready = False
    for night in (done, unready):
        night.audit.start(1)
        night.looks(20)
        assert night.audit.stop(30)
        assert night.asked == []


def test_an_audit_that_could_not_be_made_is_told_and_tried_again_in_an_hour() -> None:
    night = Night([sys.executable, "-c", "import sys; sys.exit('the recording is damaged')"])
    night.audit.start(1)
    night.looks(4)
    wait_for(lambda: bool(night.told))
    night.looks(4.9)
    (told,) = night.told
    assert isinstance(told, Alert)
    assert (told.kind, told.critical) == ("night_audit_failed", False)
    assert "(exit code 1): the recording is damaged" in told.text
    night.looks(5.1)
    wait_for(lambda: len(night.told) == 2)
    assert night.audit.stop(30)


def test_at_the_end_an_audit_under_way_is_killed() -> None:
    night = Night([sys.executable, "-c", "import time; time.sleep(600)"])
    night.audit.start(1)
    night.now += timedelta(hours=4)
    wait_for(lambda: night.asked != [])
    assert night.audit.stop(30)
    assert night.told == []


def test_it_has_the_lowest_priority_and_ends_when_the_daemon_is_killed(tmp_path: Path) -> None:
    child = (
        "import os, time; from atlas.cli.night_audit import _be_modest; _be_modest(os.getppid());"
        f"open({str(tmp_path / 'nice')!r}, 'w').write(str(os.nice(0))); time.sleep(600)"
    )
    parent = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid); p.wait()"
    daemon = subprocess.Popen(
        [sys.executable, "-u", "-c", parent], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}
    )
    assert daemon.stdout is not None
    with daemon.stdout:
        audit = int(daemon.stdout.readline())
        wait_for(lambda: (tmp_path / "nice").exists() and (tmp_path / "nice").read_text() != "")
        assert int((tmp_path / "nice").read_text()) == min(os.nice(0) + LOWEST_PRIORITY, LOWEST_PRIORITY)
        daemon.kill()
        daemon.wait()
        wait_for(lambda: gone(audit))


def gone(pid: int) -> bool:
    """Return whether the process has ended, though perhaps nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
