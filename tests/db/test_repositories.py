"""Outbox, commands, products, daemon and health."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select, text

from actors.alerter_outbox import Outbox as OutboxProtocol
from actors.messages import Alert, CommandBegun
from actors.runtime.watch import ActorHealth
from atlas.errors import DatabaseError
from atlas.market.product import Product
from atlas.market.products import built_in
from db.asking import PATIENCE, ask
from db.batch import batch_of
from db.engine import session
from db.listen import Listener
from db.lock import AccountLock
from db.models import DaemonRow, HealthRow, OutboxRow
from db.notices import alert_notice
from db.repositories import commands, daemon, market
from db.repositories.channel_outbox import ChannelOutbox
from db.repositories.outbox import CLAIM, Outbox
from db.urgent import Urgent
from db.writer import Writer
from tests.db.story import START, D


def alert(name: str, *, critical: bool = False) -> Alert:
    return Alert("start", name, START, f"text of {name}", critical)


def soon() -> datetime:
    """Return a time after every row's creation."""
    return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture
def outbox(engine: Engine, writer: Writer) -> Outbox:
    """Return an outbox with two notices, the second critical."""
    writer.write([batch_of([alert("a"), alert("b", critical=True)], input=None, at=START)])
    return Outbox(engine, "paper")


def test_outbox_is_what_the_alerter_asks_for(outbox: Outbox) -> None:
    asked: OutboxProtocol = outbox
    assert asked is outbox


def test_critical_notices_are_claimed_first_and_each_once(outbox: Outbox) -> None:
    claimed = [outbox.claim(soon()) for _ in range(3)]
    assert [notice and notice.key for notice in claimed] == ["alert:start:b", "alert:start:a", None]
    first = claimed[0]
    assert first is not None
    assert (first.kind, first.critical, first.attempt, first.doubtful) == ("start", True, 1, False)
    assert first.payload["text"] == "text of b"


def test_sent_notice_never_comes_again(outbox: Outbox, engine: Engine) -> None:
    notice = outbox.claim(soon())
    assert notice is not None
    outbox.sent(notice.id, START, "12345")
    outbox.dropped(notice.id, START, "too late")
    with engine.connect() as connection:
        row = connection.execute(select(OutboxRow.__table__).where(OutboxRow.id == notice.id)).one()
    assert (row.status, row.sent_at, row.message_id, row.in_flight) == ("sent", START, "12345", False)


def test_claim_nobody_reported_on_comes_again_as_doubtful(outbox: Outbox) -> None:
    now = soon()
    first = outbox.claim(now)
    assert first is not None
    assert outbox.claim(now) is not None
    assert outbox.claim(now) is None
    again = outbox.claim(now + CLAIM)
    assert again is not None
    assert (again.id, again.attempt, again.doubtful) == (first.id, 2, True)


def test_failed_notice_comes_again_when_due_and_is_not_doubtful(outbox: Outbox) -> None:
    now = soon()
    first = outbox.claim(now)
    assert first is not None
    outbox.again(first.id, now + timedelta(minutes=5), "HTTP 503", doubtful=False)
    assert outbox.claim(now) is not None
    assert outbox.claim(now) is None
    again = outbox.claim(now + timedelta(minutes=5))
    assert again is not None
    assert (again.id, again.doubtful) == (first.id, False)


def test_doubt_stays_once_it_was(outbox: Outbox) -> None:
    now = soon()
    notice = outbox.claim(now)
    assert notice is not None
    outbox.again(notice.id, now, "timeout", doubtful=True)
    outbox.claim(now)
    outbox.again(notice.id, now, "HTTP 503", doubtful=False)
    again = outbox.claim(now)
    assert again is not None
    assert again.doubtful


def test_dropped_notice_says_why(outbox: Outbox, engine: Engine) -> None:
    notice = outbox.claim(soon())
    assert notice is not None
    outbox.dropped(notice.id, START, "no webhook configured")
    with engine.connect() as connection:
        row = connection.execute(select(OutboxRow.__table__).where(OutboxRow.id == notice.id)).one()
    assert (row.status, row.last_error) == ("dropped", "no webhook configured")


def test_another_channel_claims_the_critical_one_by_one_and_the_rest_together_oldest_first(
    engine: Engine, writer: Writer
) -> None:
    told = [alert("a"), alert("b", critical=True), alert("c"), alert("d", critical=True), alert("e")]
    writer.write([batch_of(told, input=None, at=START)])
    channel, now = ChannelOutbox(engine, "paper", "other"), soon()
    first = channel.claim(now)
    assert first is not None
    assert first.key == "alert:start:b"
    assert [notice.key for notice in channel.claim_more(now, 2)] == ["alert:start:a", "alert:start:c"]
    assert [notice.key for notice in channel.claim_more(now, 2)] == ["alert:start:e"]
    second = channel.claim(now)
    assert second is not None
    assert second.key == "alert:start:d"
    assert channel.claim(now) is None


def test_channel_state_stands_in_health(outbox: Outbox, engine: Engine) -> None:
    outbox.channel(START, "running", None)
    outbox.channel(START, "failed", "HTTP 404")
    with engine.connect() as connection:
        row = connection.execute(select(HealthRow.__table__)).one()
    assert (row.actor, row.state, row.last_error) == ("discord", "failed", "HTTP 404")


# ── critical alerts while the database is away ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def urgent(engine: Engine) -> Urgent:
    """Return urgent notices with one in them, whose row is not in the database yet."""
    urgent = Urgent()
    told = alert("c", critical=True)
    urgent.offer(told.key, told.kind, alert_notice(told), told.at)
    return urgent


def hide(engine: Engine, name: str, to: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {name} RENAME TO {to}"))


def test_spooled_critical_alert_is_sent_once_though_its_row_comes_later(
    engine: Engine, writer: Writer, urgent: Urgent
) -> None:
    outbox = Outbox(engine, "paper", urgent)
    hide(engine, "outbox", "outbox_away")
    notice = outbox.claim(soon())
    assert notice is not None
    assert (notice.key, notice.critical) == ("alert:start:c", True)
    outbox.sent(notice.id, START, "777")
    with pytest.raises(DatabaseError):
        outbox.claim(soon())
    hide(engine, "outbox_away", "outbox")
    writer.write([batch_of([alert("c", critical=True)], input=None, at=START)])
    assert outbox.claim(soon()) is None
    with engine.connect() as connection:
        assert connection.execute(select(OutboxRow.status, OutboxRow.message_id)).one() == ("sent", "777")


def test_spooled_critical_alert_that_failed_is_due_again_and_stays_doubtful(engine: Engine, urgent: Urgent) -> None:
    outbox = Outbox(engine, "paper", urgent)
    hide(engine, "outbox", "outbox_away")
    notice = outbox.claim(soon())
    assert notice is not None
    later = soon() + timedelta(minutes=5)
    outbox.again(notice.id, later, "timeout", doubtful=True)
    with pytest.raises(DatabaseError):
        outbox.claim(soon())
    again = outbox.claim(later)
    assert again is not None
    assert (again.id, again.attempt, again.doubtful) == (notice.id, 2, True)


def test_undelivered_critical_alert_is_told_by_its_row_alone(engine: Engine, writer: Writer, urgent: Urgent) -> None:
    outbox = Outbox(engine, "paper", urgent)
    writer.write([batch_of([alert("c", critical=True)], input=None, at=START)])
    notice = outbox.claim(soon())
    assert notice is not None
    assert notice.id > 0
    assert urgent.claim(soon()) is None


@pytest.mark.parametrize("delivered", [True, False])
def test_what_is_heard_of_a_spooled_alert_after_its_row_turned_up_changes_nothing(
    engine: Engine, writer: Writer, urgent: Urgent, delivered: bool
) -> None:
    outbox = Outbox(engine, "paper", urgent)
    hide(engine, "outbox", "outbox_away")
    early = outbox.claim(soon())
    assert early is not None
    hide(engine, "outbox_away", "outbox")
    writer.write([batch_of([alert("c", critical=True)], input=None, at=START)])
    row = outbox.claim(soon())
    assert row is not None
    assert early.id < 0 < row.id
    if delivered:
        outbox.sent(early.id, START, "777")
    else:
        outbox.again(early.id, START, "timeout", doubtful=True)
    assert urgent.claim(soon()) is None, "its row alone tells it"
    assert urgent.settle(row.key) == (False, None)


def test_critical_alert_told_by_its_row_is_not_told_again_when_it_is_spooled_after_that(
    engine: Engine, writer: Writer
) -> None:
    urgent, told = Urgent(), alert("c", critical=True)
    outbox = Outbox(engine, "paper", urgent)
    writer.write([batch_of([told], input=None, at=START)])
    notice = outbox.claim(soon())
    assert notice is not None
    outbox.sent(notice.id, START, "777")
    # The commit's answer got lost, so that the journal has spooled what is in the database.
    urgent.offer(told.key, told.kind, alert_notice(told), told.at)
    hide(engine, "outbox", "outbox_away")
    with pytest.raises(DatabaseError):
        outbox.claim(soon())


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_command_is_notified_taken_once_and_answered(database_url: str, engine: Engine) -> None:
    with Listener(database_url, [commands.CHANNEL]) as listener:
        with session(engine) as connection:
            number = commands.add(connection, "paper", "close", {"position_id": "x"}, "panel")
        assert listener.wait(30) == [(commands.CHANNEL, "paper")]
    with session(engine) as connection:
        (taken,) = commands.take(connection, "paper")
        assert (taken.id, taken.kind, taken.args, taken.by) == (number, "close", {"position_id": "x"}, "panel")
    with session(engine) as connection:
        assert commands.take(connection, "paper") == []
        assert [command.id for command in commands.unanswered(connection, "paper")] == [number]
        assert commands.answer(connection, number, "done", "closed")
    with session(engine) as connection:
        found = commands.get(connection, number)
    assert found is not None
    assert (found.status, found.result) == ("done", "closed")
    assert found.done_at is not None


def test_commands_are_taken_in_the_order_asked(engine: Engine) -> None:
    with session(engine) as connection:
        asked = [commands.add(connection, "paper", kind, {}, "me") for kind in ("halt", "flatten", "resume")]
        commands.add(connection, "other", "halt", {}, "me")
    with session(engine) as connection:
        assert [command.id for command in commands.take(connection, "paper")] == asked


class Clock:
    """Seconds that pass only while somebody sleeps; the daemon may do something in each sleep."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.now, self._meanwhile = 0.0, meanwhile

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1.0)
        self._meanwhile()


@pytest.mark.parametrize("told", ["waits for a trade", None])
def test_a_command_under_way_when_patience_ends_stays_so_if_it_says_what_it_waits_for(
    engine: Engine, writer: Writer, told: str | None
) -> None:
    def take() -> None:
        with session(engine) as connection:
            taken = commands.take(connection, "paper")
        begun = [CommandBegun(command.id, START, told) for command in taken if told is not None]
        writer.write([batch_of(begun, input=1, at=START)])

    clock = Clock(take)
    found = ask(engine, "paper", "close", {}, "panel", monotonic=clock.monotonic, sleep=clock.sleep)
    with session(engine) as connection:
        (stored,) = commands.recent(connection, "paper", 5)
    assert clock.now > PATIENCE
    if told is None:
        assert (found, stored.status) == (None, "failed"), "so that none obeys it later"
    else:
        assert found == stored
        assert (stored.status, stored.result) == ("taken", told)


def test_unknown_command_is_none(engine: Engine) -> None:
    with session(engine) as connection:
        assert commands.get(connection, 1) is None


# ── products, health, daemon ────────────────────────────────────────────────────────────────────────────────────────


def test_product_comes_back_as_listed(engine: Engine) -> None:
    product = Product("BIP-20DEC30-CDE", "future", "BTC", D(5), D("0.01"), D(1), D(1), D(5000))
    with session(engine) as connection:
        market.save_products(connection, [product], START)
        market.save_products(connection, [replace(product, tick=D("2.50"))], START + timedelta(days=1))
        found = market.products(connection)
    assert found == {product.id: (replace(product, tick=D("2.50")), START + timedelta(days=1))}


def test_a_listing_of_nothing_leaves_the_products_that_are_kept(engine: Engine) -> None:
    with session(engine) as connection:
        product = built_in("BIP-20DEC30-CDE")
        market.save_products(connection, [product], START)
        market.save_products(connection, [], START + timedelta(hours=1))
        assert market.products(connection) == {product.id: (product, START)}


def test_health_is_one_row_an_actor(engine: Engine, lock: AccountLock) -> None:
    feed = ActorHealth("feed", "running", 3, 0, START, None)
    with session(engine) as connection:
        daemon.save_health(connection, "paper", [feed, ActorHealth("journal", "running", 0, 0, START, None)])
        daemon.save_health(connection, "paper", [replace(feed, state="hung", last_error="no answer")])
        rows = connection.execute(select(HealthRow.__table__).order_by(HealthRow.actor)).all()
    assert [(row.actor, row.state, row.last_error) for row in rows] == [
        ("feed", "hung", "no answer"),
        ("journal", "running", None),
    ]


def test_beat_of_a_daemon_that_was_replaced_changes_nothing(engine: Engine, lock: AccountLock) -> None:
    with session(engine) as connection:
        daemon.beat(connection, "paper", lock.fence, START, "up")
        daemon.beat(connection, "paper", lock.fence - 1, None, "down")
        row = connection.execute(select(DaemonRow.__table__)).one()
    assert (row.market_time, row.feed) == (START, "up")
