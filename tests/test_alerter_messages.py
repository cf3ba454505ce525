"""What the alerter makes of the outbox: pictures, edits, several in one message, lists, quiet hours, digests."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import update

from actors.alerter import AlertRules
from actors.messages import BarClosed, DayStarted
from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.money.book import Position
from atlas.quiet import QuietHours, quiet_hours
from db.models import CandleRow
from tests.fakes.discord_server import Answer, DiscordServer
from tests.test_alerter import Desk, alert, footer, titles
from tests.web.scene import Daemon, closed, position


@pytest.fixture
def discord() -> Iterator[DiscordServer]:
    with DiscordServer() as server:
        yield server


@pytest.fixture
def daemon(database_url: str) -> Iterator[Daemon]:
    writer = Daemon(database_url)
    writer.open_account()
    yield writer
    writer.close()


@pytest.fixture
def desk(daemon: Daemon, discord: DiscordServer) -> Iterator[Desk]:
    desk = Desk(daemon, discord.url)
    yield desk
    desk.alerter.stop()


def tell_bars(daemon: Daemon, count: int = 12) -> None:
    """Hourly bars up to the one of the position's entry (11:00), which is not closed."""
    first = datetime(2026, 7, 1, 11, tzinfo=UTC) - timedelta(hours=count)
    for number in range(count):
        opened = first + timedelta(hours=number)
        level = Decimal(59700 + 20 * number)
        bar = Bar("1h", opened, opened + timedelta(hours=1), level, level + 60, level - 60, level + 30, Decimal(5))
        daemon.write(BarClosed("BIP-20DEC30-CDE", bar, "2U", True))


def picture(message: dict[str, Any]) -> Image.Image:
    (content,) = message["files"].values()
    return Image.open(BytesIO(content))


def keys(desk: Desk) -> list[str]:
    return [f"ATLAS paper · {row.key}" for row in desk.rows()]


def trade(desk: Desk, *, after: float = 0.0) -> Position:
    """Open a position and tell of it, close it and tell of that `after` seconds."""
    opened = position()
    desk.daemon.open(opened)
    desk.look()
    desk.daemon.end(ended := closed(opened, "61200", "target", "120"))
    desk.look(after)
    return ended


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_shows_its_bars_and_an_exit_the_whole_trade(desk: Desk, discord: DiscordServer) -> None:
    tell_bars(desk.daemon)
    desk.daemon.open(opened := position())
    desk.look()
    (message,) = discord.shown.values()
    entry = picture(message)
    assert (entry.size, message["embeds"][0]["image"]) == ((960, 640), {"url": "attachment://bars.png"})
    desk.daemon.end(closed(opened, "61200", "target", "120"))
    desk.look(after=60)
    (message,) = discord.shown.values()
    assert picture(message).tobytes() != entry.tobytes()
    assert ["image" in embed for embed in message["embeds"]] == [True, False]


def test_without_stored_bars_an_entry_is_told_without_a_picture(desk: Desk, discord: DiscordServer) -> None:
    desk.daemon.open(position())
    desk.look()
    assert [message["files"] for message in discord.shown.values()] == [{}]


def test_a_picture_that_cannot_be_drawn_keeps_no_alert_back(desk: Desk, discord: DiscordServer) -> None:
    tell_bars(desk.daemon)
    desk.daemon.open(position())
    with desk.daemon.engine.begin() as connection:
        connection.execute(update(CandleRow).values(high=Decimal("1e400"), low=Decimal("1e399")))
    desk.look()
    assert desk.statuses() == ["sent"]
    assert [message["files"] for message in discord.shown.values()] == [{}]


# ── edits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exit_after_an_hour_is_a_message_of_its_own(desk: Desk, discord: DiscordServer) -> None:
    trade(desk, after=3600)
    assert [request.method for request in discord.requests] == ["POST", "POST"]
    assert [len(message["embeds"]) for message in discord.shown.values()] == [1, 1]


@pytest.mark.parametrize("gone", ["deleted", "aged"])
def test_where_the_entrys_message_cannot_be_edited_the_exit_is_posted(
    desk: Desk, discord: DiscordServer, gone: str
) -> None:
    desk.daemon.open(opened := position())
    desk.look()
    getattr(discord, gone).update(discord.shown)
    desk.daemon.end(closed(opened, "61200", "target", "120"))
    desk.look(after=60)
    assert [request.method for request in discord.requests] == ["POST", "PATCH", "POST"]
    assert desk.statuses() == ["sent", "sent"]
    assert [embed["title"].partition(":")[0] for embed in discord.messages[-1]["embeds"]] == ["Exit"]


def test_an_edit_without_an_answer_is_made_again_and_leaves_one_message(desk: Desk, discord: DiscordServer) -> None:
    desk.daemon.open(opened := position())
    desk.look()
    discord.answers.append(Answer(hang=True, accept=True))
    desk.daemon.end(closed(opened, "61200", "target", "120"))
    desk.look(after=30)
    desk.look(after=60)
    assert [request.method for request in discord.requests] == ["POST", "PATCH", "PATCH"]
    assert len(discord.shown) == 1
    assert desk.statuses() == ["sent", "sent"]


def test_a_message_that_told_of_more_than_the_entry_is_left_as_it_is(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(*(alert(str(number)) for number in range(6)))
    desk.daemon.open(opened := position())
    desk.look()
    assert len(discord.shown) == 1
    desk.daemon.end(closed(opened, "61200", "target", "120"))
    desk.look(after=60)
    assert [len(message["embeds"]) for message in discord.shown.values()] == [7, 1]


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_share_messages_of_ten_and_none_is_left_out_or_told_twice(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(*(alert(str(number)) for number in range(23)))
    for after in (0, 5, 10):
        desk.look(after)
    assert sorted(discord.told) == sorted(keys(desk))
    assert [len(message["embeds"]) for message in discord.messages] == [10, 10, 1, 1, 1]
    assert set(desk.statuses()) == {"sent"}


def test_messages_shared_by_long_alerts_stay_below_6000_characters(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(*(alert(f"{number} " + "x" * 1500) for number in range(9)))
    for after in (0, 5, 10, 15):
        desk.look(after)
    assert set(desk.statuses()) == {"sent"}
    assert sum(len(message["embeds"]) for message in discord.messages) == 9
    assert max(len(message["embeds"]) for message in discord.messages) < 5


def test_a_burst_is_one_list_that_says_how_many_it_stands_for(daemon: Daemon, discord: DiscordServer) -> None:
    desk = Desk(daemon, discord.url, AlertRules(burst=30))
    desk.tell(*(alert(str(number)) for number in range(40)))
    desk.look()
    desk.alerter.stop()
    (message,) = discord.messages
    assert message["embeds"][0]["title"] == "40 alerts at once"
    assert "15 more came before these." in message["embeds"][0]["description"]
    assert "text of 39" in message["embeds"][0]["description"]
    assert set(desk.statuses()) == {"sent"}


def test_critical_ones_are_never_part_of_a_list(desk: Desk, discord: DiscordServer) -> None:
    desk.tell(*(alert(str(number)) for number in range(40)), alert("ruin", "liquidation", critical=True))
    desk.look()
    assert titles(discord)[0] == "Liquidation"
    assert footer(discord.messages[0]) == "ATLAS paper · alert:liquidation:ruin"


@pytest.mark.parametrize("count", [1, 8, 40], ids=["alone", "together", "in a list"])
def test_lesson_111_what_is_switched_off_is_told_on_no_path(daemon: Daemon, discord: DiscordServer, count: int) -> None:
    desk = Desk(daemon, discord.url, AlertRules(off=("start",)))
    desk.tell(alert("told", "resume"), *(alert(f"off {number}") for number in range(count)))
    for after in range(0, 60, 5):
        desk.look(after)
    desk.alerter.stop()
    assert "text of told" in str(discord.requests)
    assert "text of off" not in str(discord.requests)
    assert sorted(desk.statuses()) == [*["dropped"] * count, "sent"]


def test_one_that_is_refused_does_not_take_those_of_its_message_along(desk: Desk, discord: DiscordServer) -> None:
    """Discord says of the message that one of its embeds is wrong; sent singly, only that one is dropped."""
    desk.tell(*(alert(str(number)) for number in range(7)))
    discord.answers.append(Answer(400, {}, b'{"embeds": ["3"]}'))
    desk.look()
    discord.answers.append(Answer(400, {}, b'{"embeds": ["0"]}'))
    for after in (5, 10, 15):
        desk.look(after)
    assert sorted(desk.statuses()) == ["dropped", *["sent"] * 6]
    assert [len(message["embeds"]) for message in discord.messages] == [1] * 6


# ── quiet hours ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_in_quiet_hours_only_the_critical_is_told_and_the_rest_when_they_end(
    daemon: Daemon, discord: DiscordServer
) -> None:
    now = datetime.now(UTC)
    hours = QuietHours((now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time(), "UTC")
    desk = Desk(daemon, discord.url, AlertRules(quiet=hours))
    desk.tell(alert("1"), alert("2", "halt", critical=True))
    desk.look()
    assert titles(discord) == ["Halt"]
    desk.look(after=1800)
    assert len(discord.messages) == 1
    desk.look(after=3700)
    desk.alerter.stop()
    assert titles(discord) == ["Halt", "Start"]
    assert "possibly repeated" not in footer(discord.messages[1])


@pytest.mark.parametrize(
    ("text", "at", "until"),
    [
        ("22:00-07:00", "2026-07-01T21:59+00:00", None),
        ("22:00-07:00", "2026-07-01T22:00+00:00", "2026-07-02T07:00+00:00"),
        ("22:00-07:00", "2026-07-02T06:59+00:00", "2026-07-02T07:00+00:00"),
        ("22:00-07:00", "2026-07-02T07:00+00:00", None),
        ("13:00-14:00", "2026-07-02T13:30+00:00", "2026-07-02T14:00+00:00"),
        ("13:00-14:00", "2026-07-02T14:00+00:00", None),
    ],
)
def test_quiet_hours_end_when_they_say(text: str, at: str, until: str | None) -> None:
    hours = quiet_hours(text, "UTC")
    assert hours is not None
    assert hours.until(datetime.fromisoformat(at)) == (None if until is None else datetime.fromisoformat(until))


def test_quiet_hours_are_of_the_accounts_timezone_also_on_the_night_the_clock_is_set_back() -> None:
    hours = QuietHours(time(22), time(7), "America/New_York")
    assert hours.until(datetime(2026, 11, 1, 3, tzinfo=UTC)) == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert hours.until(datetime(2026, 10, 31, 3, tzinfo=UTC)) == datetime(2026, 10, 31, 11, tzinfo=UTC)


@pytest.mark.parametrize("text", ["22", "22:00", "22:00-22:00", "25:00-07:00", "ten-eleven"])
def test_quiet_hours_that_are_none_are_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"discord\.quiet.*22:00-07:00"):
        quiet_hours(text, "UTC")


# ── digests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def day(number: int, equity: str, month: int = 7) -> DayStarted:
    return DayStarted(f"2026-{month:02}-{number:02}", datetime(2026, month, number, tzinfo=UTC), Decimal(equity))


def test_a_day_that_ends_is_told_once_with_what_it_brought_and_its_curve(desk: Desk, discord: DiscordServer) -> None:
    desk.daemon.write(day(1, "10000"))
    desk.look()
    assert discord.messages == [], "the first day ends nothing"
    trade(desk, after=10)
    desk.daemon.write(day(2, "10108.60"))
    desk.daemon.write(day(2, "10108.60"))
    desk.look(after=20)
    digests = [embed for message in discord.messages for embed in message["embeds"] if embed["title"].startswith("Day")]
    (embed,) = digests
    fields = {field["name"]: field["value"] for field in embed["fields"]}
    assert embed["title"] == "Day 2026-07-01"
    assert fields["Net P&L"] == "+$108.60"
    assert fields["Equity"] == "$10,108.60 (+1.09 %)"
    assert fields["Trades"] == "1: 1 won, 0 lost"
    assert fields["Costs"] == "fees $11.40, funding $0.00"
    assert picture(list(discord.shown.values())[-1]).size == (960, 380)


def test_a_week_is_told_when_the_first_day_of_the_next_begins(desk: Desk, discord: DiscordServer) -> None:
    """28 June 2026 is a Sunday; nothing ran on Monday, so it is Tuesday that ends the week."""
    for number, equity in ((26, "10000"), (27, "10050"), (28, "9990")):
        desk.daemon.write(day(number, equity, month=6))
    desk.daemon.write(day(30, "10020", month=6))
    desk.daemon.write(day(1, "10030"))
    desk.look()
    weeks = [one for one in titles_of(discord) if one.startswith("Week")]
    assert weeks == ["Week 2026-06-26 to 2026-06-28"]
    assert [row.key for row in desk.rows() if row.kind == "weekly_digest"] == ["digest:week-until:2026-06-29"]


def titles_of(discord: DiscordServer) -> list[str]:
    return [embed["title"] for message in discord.messages for embed in message["embeds"]]
