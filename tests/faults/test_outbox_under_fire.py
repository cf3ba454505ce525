"""Alerts through a bad day of Discord's and a kill -9: each is delivered, and whatever may be a repeat says so."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from db.repositories.outbox import CLAIM
from tests.fakes.discord_server import Answer, DiscordServer, rate_limited
from tests.test_alerter import Desk, alert, footer
from tests.web.scene import Daemon

CHECKOUT = Path(__file__).resolve().parents[2]
REPEATED = " · possibly repeated"

DELIVERS_ONE = """
import random, sys
from datetime import UTC, datetime
from actors.alerter import Alerter, AlerterState
from actors.alerter_discord import Webhook
from actors.messages import OutboxReady
from db.engine import connect
from db.repositories.outbox import Outbox
database, webhook = sys.argv[1:]
outbox, channel = Outbox(connect(database), "paper"), Webhook(webhook, timeout=(5.0, 120.0))
alerter = Alerter(AlerterState(), outbox, channel, random.random, account="paper")
list(alerter.receive(datetime.now(UTC), OutboxReady()))
"""


@pytest.fixture
def discord() -> Iterator[DiscordServer]:
    with DiscordServer() as server:
        yield server


@pytest.fixture
def desk(database_url: str, discord: DiscordServer) -> Iterator[Desk]:
    daemon = Daemon(database_url)
    desk = Desk(daemon, discord.url)
    yield desk
    desk.alerter.stop()
    daemon.close()


def test_kill_9_between_send_and_mark_repeats_with_the_same_key_and_says_so(
    desk: Desk, discord: DiscordServer, database_url: str
) -> None:
    """Discord has the message, its answer is not read any more, and nobody lives who could mark the row."""
    desk.tell(alert("1"), alert("2"))
    discord.answers.append(Answer(accept=True, hang=True))
    child = subprocess.Popen([sys.executable, "-c", DELIVERS_ONE, database_url, discord.url], cwd=CHECKOUT)
    try:
        discord.wait_for(1, timeout=60)
    finally:
        child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert desk.statuses() == ["pending", "pending"]
    desk.look()
    desk.look(after=CLAIM.total_seconds() + 1)
    first, *others = [footer(message) for message in discord.messages]
    one, two = (f"ATLAS paper · {row.key}" for row in desk.rows())
    assert (first, sorted(others)) == (one, sorted([two, one + REPEATED]))
    assert desk.statuses() == ["sent", "sent"]


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_day_delivers_everything_and_marks_every_repeat(desk: Desk, discord: DiscordServer, seed: int) -> None:
    """429 with fractions, 5xx and connections that end without an answer, before or after the message was taken."""
    chance = Random(seed)
    names = [f"alert {number}" for number in range(10)]
    desk.tell(*(alert(name, critical=chance.random() < 0.3) for name in names))
    bad = (
        rate_limited(0.35), rate_limited(1.25, header="0.5"), Answer(500), Answer(502), Answer(503, accept=True),
        Answer(hang_up=True), Answer(hang_up=True, accept=True), Answer(),
    )  # fmt: skip
    discord.answers.extend(chance.choice(bad) for _ in range(25))
    after = 0.0
    while set(desk.statuses()) != {"sent"}:
        after += 400.0
        desk.look(after)
        assert after < 40_000, desk.rows()
    told = discord.told
    assert {one.removesuffix(REPEATED) for one in told} == {f"ATLAS paper · {row.key}" for row in desk.rows()}
    first_time = Counter(one for one in told if not one.endswith(REPEATED))
    assert not {one for one, times in first_time.items() if times > 1}
    assert desk.health() == ("running", None)
