"""The alerter, with the real outbox in Postgres and real HTTP to a server that behaves like Discord."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from actors.alerter import LONGEST_PAUSE, TICK, Alerter, AlerterState, AlertRules, Look, Tick, Unrecorded
from actors.alerter_discord import Webhook
from actors.messages import Alert, OutboxReady
from actors.runtime.behaviour import AfterWall, Behaviour, Role
from actors.runtime.post import Post
from actors.runtime.threads import OwnThread
from atlas.errors import DatabaseError
from db.engine import connect
from db.models import HealthRow, OutboxRow
from db.notices import alert_notice
from db.repositories.outbox import CLAIM, Outbox
from db.urgent import Urgent
from tests.fakes.discord_server import PATH, Answer, DiscordServer, rate_limited
from tests.web.scene import NOW, Daemon, closed, position


@pytest.fixture
def discord() -> Iterator[DiscordServer]:
    with DiscordServer() as server:
        yield server


@pytest.fixture
def daemon(database_url: str) -> Iterator[Daemon]:
    writer = Daemon(database_url)
    yield writer
    writer.close()


class Desk:
    """An alerter at work, told the time by the test; what it arms is kept in `timers`."""

    def __init__(self, daemon: Daemon, url: str | None, rules: AlertRules = AlertRules()) -> None:  # noqa: B008  immutable
        self.daemon = daemon
        self.outbox = Outbox(daemon.engine, "paper")
        self.webhook = None if url is None else Webhook(url, timeout=(5.0, 0.5))
        self.alerter = Alerter(
            AlerterState(), self.outbox, self.webhook, random.Random(1).random, account="paper", rules=rules
        )
        self.timers: list[AfterWall] = []

    def tell(self, *alerts: Alert) -> None:
        self.daemon.write(*alerts)

    def look(self, after: float = 0.0) -> list[AfterWall]:
        """Let it look `after` seconds from now: the look that is armed, or as told; return what it armed."""
        return self.handle(Look(soon=True) if self.alerter.state.looking else OutboxReady(), after)

    def handle(self, message: Any, after: float = 0.0) -> list[AfterWall]:
        effects = list(self.alerter.receive(self.now() + timedelta(seconds=after), message))
        return [effect for effect in effects if isinstance(effect, AfterWall)]

    def now(self) -> datetime:
        """The database's clock, which stamps the rows."""
        with self.daemon.engine.connect() as connection:
            at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return at

    def rows(self) -> list[Any]:
        with self.daemon.engine.connect() as connection:
            return list(connection.execute(select(OutboxRow.__table__).order_by(OutboxRow.id)).all())

    def statuses(self) -> list[str]:
        return [row.status for row in self.rows()]

    def health(self) -> tuple[str, str | None]:
        with self.daemon.engine.connect() as connection:
            row = connection.execute(select(HealthRow.state, HealthRow.last_error).where(HealthRow.actor == "discord"))
            state, error = row.one()
            return str(state), error


@pytest.fixture
def desk(daemon: Daemon, discord: DiscordServer) -> Iterator[Desk]:
    desk = Desk(daemon, discord.url)
    yield desk
    desk.alerter.stop()


def alert(name: str, kind: str = "start", *, critical: bool = False) -> Alert:
    return Alert(kind, name, NOW, f"text of {name}", critical)


def titles(discord: DiscordServer) -> list[str]:
    return [message["embeds"][0]["title"] for message in discord.messages]


def footer(message: dict[str, Any]) -> str:
    return str(message["embeds"][0]["footer"]["text"])


# ── delivery ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_and_its_exit_are_told_in_order_as_one_message_while_that_is_young(
    desk: Desk, discord: DiscordServer
) -> None:
    desk.daemon.open_account()
    opened = position()
    desk.daemon.open(opened)
    desk.look()
    desk.daemon.end(closed(opened, "61200", "target", "120"))
    desk.look(after=120)
    assert [request.method for request in discord.requests] == ["POST", "PATCH"]
    (message_id,) = discord.shown
    assert [embed["title"].partition(":")[0] for embed in discord.shown[message_id]["embeds"]] == ["Exit", "Entry"]
    assert [(row.status, row.message_id) for row in desk.rows()] == [("sent", message_id), ("sent", message_id)]
    assert desk.health() == ("running", None)


def test_critical_notices_go_first(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(alert("1"), alert("2", "liquidation", critical=True))
    desk.look()
    assert titles(discord) == ["Liquidation", "Start"]


def test_a_burst_is_delivered_in_parts_so_that_pulses_are_answered_between(
    daemon: Daemon, discord: DiscordServer
) -> None:
    desk = Desk(daemon, discord.url, AlertRules(together=100))
    desk.tell(*(alert(str(n)) for n in range(7)))
    (again,) = desk.look()
    assert isinstance(again.message, Look)
    assert len(discord.messages) == 5
    desk.handle(Look(), after=3)
    desk.alerter.stop()
    assert len(discord.messages) == 7


def test_what_comes_while_the_rest_is_looked_at_soon_asks_for_no_look_of_its_own(
    desk: Desk, discord: DiscordServer
) -> None:
    """A busy machine commits faster than it delivers: pulses are answered behind what waits."""
    desk.tell(*(alert(str(number), critical=True) for number in range(12)))
    assert [timer.message for timer in desk.look()] == [Look()]
    delivered = len(discord.messages)
    assert [desk.handle(OutboxReady()) for _ in range(20)] == [[]] * 20
    assert len(discord.messages) == delivered == 5
    assert [timer.message for timer in desk.look(after=3)] == [Look()]
    assert len(discord.messages) == 10


def test_one_row_of_ticks_goes_on_for_ever_and_a_crash_adds_none(desk: Desk) -> None:
    (first,) = desk.alerter.start(NOW)
    assert isinstance(first, AfterWall)
    (second,) = desk.handle(first.message)
    assert second.seconds == TICK
    (third,) = desk.alerter.resume(NOW)
    assert isinstance(third, AfterWall)
    assert desk.handle(second.message) == [], "an old tick arms no other"
    assert [timer.seconds for timer in desk.handle(third.message)] == [TICK]


# ── switches ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_kind_that_is_off_is_dropped_with_the_reason_unless_critical(daemon: Daemon, discord: DiscordServer) -> None:
    desk = Desk(daemon, discord.url, AlertRules(off=("start", "halt")))
    desk.tell(alert("1"), alert("2", "halt", critical=True))
    desk.look()
    desk.alerter.stop()
    assert titles(discord) == ["Halt"]
    assert [(row.status, row.last_error) for row in desk.rows()] == [
        ("dropped", "start alerts are switched off"), ("sent", None),
    ]  # fmt: skip


def test_without_a_webhook_notices_are_dropped_as_such_and_health_says_so(daemon: Daemon) -> None:
    desk = Desk(daemon, None)
    desk.tell(alert("1", critical=True))
    desk.look()
    assert [(row.status, row.last_error) for row in desk.rows()] == [("dropped", "no webhook configured")]
    assert desk.health() == ("off", "no webhook configured")


def test_what_could_not_be_delivered_for_a_day_is_dropped_unless_critical(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(alert("1"), alert("2", critical=True))
    desk.look(after=25 * 3600)
    assert [row.last_error for row in desk.rows()] == ["older than 24 h", None]
    assert len(discord.messages) == 1


# ── bad days ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_429_waits_as_long_as_discord_says_and_is_no_repeat(desk: Desk, discord: DiscordServer) -> None:
    discord.answers.append(rate_limited(600.5, header="600.5"))
    desk.tell(alert("1"))
    (again,) = desk.look()
    assert again.seconds == 600.5
    desk.look(after=1)
    assert len(discord.requests) == 1
    desk.handle(Look(), after=1000)
    assert "possibly repeated" not in footer(discord.messages[0])
    assert desk.statuses() == ["sent"]


def test_a_refused_message_is_dropped_and_the_next_goes_out(desk: Desk, discord: DiscordServer) -> None:
    discord.answers.append(Answer(400, {}, b'{"embeds": ["0"]}'))
    desk.tell(alert("1"), alert("2"))
    desk.look()
    assert desk.statuses() == ["dropped", "sent"]
    assert "Discord answered 400" in desk.rows()[0].last_error


def test_lesson_112_a_404_is_never_asked_again_and_shows_in_health_and_loses_nothing(
    desk: Desk, discord: DiscordServer
) -> None:
    discord.answers.append(Answer(404, {}, b'{"message": "Unknown Webhook"}'))
    desk.tell(alert("1"), alert("2"))
    for after in (0, 10, 1000, 3000):
        desk.look(after)
    assert len(discord.requests) == 1
    assert desk.statuses() == ["pending", "pending"]
    state, error = desk.health()
    assert state == "failed"
    assert error is not None
    assert "404" in error
    mended = Desk(desk.daemon, discord.url)
    mended.look(after=3000)
    mended.alerter.stop()
    assert mended.statuses() == ["sent", "sent"], "with the webhook mended, the next process delivers them"


def test_a_gone_channel_stays_gone_after_a_crash(desk: Desk) -> None:
    desk.alerter.state.channel_gone = "Discord answered 404"
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(desk.alerter.state), type=AlerterState)
    assert kept.channel_gone == "Discord answered 404"


def test_failures_back_off_with_jitter_and_recover(desk: Desk, discord: DiscordServer) -> None:
    discord.answers.extend([Answer(503)] * 12)
    desk.tell(alert("1"))
    pauses, after = [], 0.0
    for _ in range(12):
        (again,) = desk.look(after)
        pauses.append(again.seconds)
        after += again.seconds + 1
    assert all(1.0 * 2**n <= pause <= 2.0 * 2**n for n, pause in enumerate(pauses[:8]))
    assert max(pauses) <= LONGEST_PAUSE
    assert len(set(pauses)) == 12
    assert desk.health()[0] == "waiting"
    desk.look(after)
    assert desk.statuses() == ["sent"]
    assert desk.health() == ("running", None)


def test_a_delivery_without_an_answer_is_repeated_and_says_so(desk: Desk, discord: DiscordServer) -> None:
    discord.answers.append(Answer(hang=True, accept=True))
    desk.tell(alert("1"))
    desk.look()
    desk.look(after=10)
    first, second = discord.messages
    assert "possibly repeated" not in footer(first)
    assert footer(second) == f"{footer(first)} · possibly repeated", "and carries the same key"


def test_a_kill_between_discord_and_our_commit_is_repeated_and_says_so(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(alert("1"))
    assert desk.outbox.claim(desk.now()) is not None  # … and the process is killed here
    desk.look()
    assert discord.messages == [], "the claim holds"
    desk.look(after=CLAIM.total_seconds() + 1)
    assert "possibly repeated" in footer(discord.messages[0])


def test_a_delivery_that_could_not_be_recorded_is_recorded_later_and_not_repeated(
    desk: Desk, discord: DiscordServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseError("gone")

    desk.tell(alert("1"))
    with monkeypatch.context() as patch:
        patch.setattr(desk.outbox, "sent", away)
        desk.look()
    assert desk.statuses() == ["pending"]
    desk.look(after=CLAIM.total_seconds() + 1)
    assert desk.statuses() == ["sent"]
    assert len(discord.messages) == 1


def test_an_alert_of_the_spool_is_sent_once_while_an_earlier_delivery_cannot_be_recorded(
    desk: Desk, discord: DiscordServer
) -> None:
    urgent, spooled = Urgent(), Alert("database_down", "1", NOW, "The database is away", critical=True)
    desk.outbox = Outbox(desk.daemon.engine, "paper", urgent)
    desk.alerter = Alerter(
        AlerterState(unrecorded=[Unrecorded(1, "777")]), desk.outbox, desk.webhook, random.random, account="paper"
    )
    urgent.offer(spooled.key, spooled.kind, alert_notice(spooled), NOW)
    with desk.daemon.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO outbox_away")
    desk.look()
    desk.look()
    assert [footer(message) for message in discord.messages] == ["ATLAS paper · alert:database_down:1"]


def test_a_database_that_is_away_does_not_crash_the_alerter(discord: DiscordServer) -> None:
    away = Outbox(connect("postgresql://nobody@127.0.0.1:1/none"), "paper")
    alerter = Alerter(AlerterState(), away, Webhook(discord.url), random.random, account="paper")
    (tick,) = alerter.start(NOW)
    assert isinstance(tick, AfterWall)
    effects = list(alerter.receive(NOW, tick.message))
    assert [effect.seconds for effect in effects if isinstance(effect, AfterWall)] == [TICK]
    alerter.stop()


# ── as an actor ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_as_an_actor_it_delivers_what_is_left_at_its_start_and_what_comes(
    daemon: Daemon, discord: DiscordServer
) -> None:
    daemon.write(alert("left over"))
    webhook = Webhook(discord.url)

    def make(state: AlerterState) -> Behaviour[AlerterState]:
        return Alerter(state, Outbox(daemon.engine, "paper"), webhook, random.random, account="paper")

    post = Post()
    actor = OwnThread(Role("alerter", make, AlerterState(), tail=0), post)
    actor.start(timeout=20)
    try:
        discord.wait_for(1)
        daemon.write(alert("new"))
        post.send("journal", "alerter", OutboxReady())
        messages = discord.wait_for(2)
    finally:
        assert actor.stop(timeout=20)
    assert [message["embeds"][0]["description"] for message in messages] == ["text of left over", "text of new"]
    assert all(request.path.startswith(PATH) for request in discord.requests)


def test_an_unknown_message_changes_nothing(desk: Desk) -> None:
    assert desk.handle(Tick(99)) == []
    assert desk.handle("nonsense") == []
