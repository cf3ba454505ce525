"""Channels other than Discord: the same notices by apprise, each with deliveries of its own, over real HTTP."""

import json
import logging
import random
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import func, select

from actors.alerter import Alerter, AlerterState, Look
from actors.alerter_apprise import AppriseChannel, channels_of, plain
from actors.alerter_discord import Delivered, Failed
from actors.messages import OutboxReady
from atlas.errors import ConfigurationError
from db.models import DeliveryRow, HealthRow
from db.repositories.channel_outbox import ChannelOutbox
from tests.test_alerter import alert
from tests.test_alerter_messages import tell_bars
from tests.web.scene import NOW, Daemon, position

# Apprise looks at all the services it knows, some of them by modules that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "t0psecret"
MESSAGE = {
    "embeds": [
        {"title": "Entry", "description": "", "fields": [{"name": "Stop", "value": "59,400"}], "footer": {"text": "k"}},
        {"title": "Halt", "description": "drift", "footer": {"text": "l"}},
    ]
}


class Service:
    """An HTTP service as apprise's `json://` speaks to it; while `down` it answers 503."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.down = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not service.down:
                    service.taken.append(body)
                self.send_response(503 if service.down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test output quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def url(self, name: str = "") -> str:
        """The channel's URL; apprise's own patience of four seconds is less than a busy machine needs."""
        return f"json://127.0.0.1:{self.server.server_address[1]}/{SECRET}{name}?rto=60&cto=60"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    service.thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    service.thread.join()


@pytest.fixture
def daemon(database_url: str) -> Iterator[Daemon]:
    writer = Daemon(database_url)
    writer.open_account()
    yield writer
    writer.close()


class Desk:
    """An alerter of one channel at work, told the time by the test."""

    def __init__(self, daemon: Daemon, url: str) -> None:
        self.daemon, self.channel = daemon, AppriseChannel(url)
        outbox = ChannelOutbox(daemon.engine, "paper", self.channel.name)
        self.alerter = Alerter(AlerterState(), outbox, self.channel, random.Random(1).random, account="paper")

    def look(self, after: float = 0.0) -> None:
        with self.daemon.engine.connect() as connection:
            now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        message = Look(soon=True) if self.alerter.state.looking else OutboxReady()
        list(self.alerter.receive(now + timedelta(seconds=after), message))

    def statuses(self) -> list[str]:
        query = select(DeliveryRow.status).where(DeliveryRow.channel == self.channel.name)
        with self.daemon.engine.connect() as connection:
            return list(connection.execute(query.order_by(DeliveryRow.outbox_id)).scalars())


def test_every_notice_reaches_a_channel_once_with_its_words_and_picture(daemon: Daemon, service: Service) -> None:
    tell_bars(daemon)
    desk = Desk(daemon, service.url())
    daemon.write(alert("1"))
    daemon.open(position())
    desk.look()
    desk.look(after=120)
    assert [body["title"] for body in service.taken] == ["Start", "Entry: BIP-20DEC30-CDE LONG · 2U-1-2U 1h"]
    assert "text of 1" in service.taken[0]["message"]
    assert "Stop: 59,400" in service.taken[1]["message"]
    assert [each["filename"] for each in service.taken[1]["attachments"]] == ["bars.png"]
    assert desk.statuses() == ["sent", "sent"]


def test_a_channel_that_is_down_is_tried_again_and_neither_it_nor_discord_waits_for_the_other(
    daemon: Daemon, service: Service
) -> None:
    desk, service.down = Desk(daemon, service.url()), True
    daemon.write(alert("1"))
    desk.look()
    assert desk.statuses() == ["pending"]
    with daemon.engine.connect() as connection:
        health = {row.actor: row.state for row in connection.execute(select(HealthRow.__table__))}
        status = connection.exec_driver_sql("SELECT status FROM outbox").scalar_one()
    assert (health, status) == ({desk.channel.name: "waiting"}, "pending")
    service.down = False
    desk.look(after=400)
    assert desk.statuses() == ["sent"]
    assert "possibly repeated" in service.taken[0]["message"]


def test_two_channels_are_told_each_and_of_nothing_that_is_long_past(daemon: Daemon, service: Service) -> None:
    daemon.write(alert("old"))
    with daemon.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET created_at = created_at - interval '1 hour'")
    daemon.write(alert("new"))
    desks = [Desk(daemon, service.url(str(number))) for number in range(2)]
    for desk in desks:
        desk.look()
        assert desk.statuses() == ["sent"]
    assert ["text of new" in body["message"] for body in service.taken] == [True, True]


def test_a_message_is_told_in_plain_words() -> None:
    assert plain(MESSAGE) == ("Entry", "Stop: 59,400\nk\n\nHalt\ndrift\nl")


def test_the_url_of_a_channel_is_in_no_outcome_log_repr_or_error(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    channel = AppriseChannel(service.url())
    with caplog.at_level(logging.DEBUG):
        taken = channel.post(NOW, MESSAGE)
        service.down = True
        refused = channel.post(NOW, MESSAGE)
    assert (taken, isinstance(refused, Failed)) == (Delivered(None), True)
    assert SECRET not in repr([taken, refused, channel, channel.name]) + "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("apprise")
    )
    with pytest.raises(ConfigurationError, match=r"channels\.urls.*nonsense") as caught:
        AppriseChannel(f"nonsense://{SECRET}")
    assert SECRET not in str(caught.value)


def test_urls_stand_between_spaces_or_lines_and_count_once(service: Service) -> None:
    assert len(channels_of(f"{service.url()} {service.url('2')}\n{service.url()}")) == 2
    assert channels_of("") == []


def test_without_the_library_the_setting_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match="extra `channels`"):
        AppriseChannel("json://localhost")
