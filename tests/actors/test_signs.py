"""The dead man's switch: asked over real HTTP while every actor gets on, and only then."""

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from actors.signs import Signs
from atlas.supervision import Notify


class Switch(HTTPServer):
    """Counts who asks; answers `status`."""

    status = 200
    asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/hush-hush"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Switch)
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def switch() -> Iterator[Switch]:
    server = Switch(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_asked_only_while_every_actor_gets_on(switch: Switch) -> None:
    signs = Signs(Notify(), lambda: "up", switch.url)
    signs.ping()
    assert switch.asked == 0  # The supervisor has not looked yet.
    signs.beat([])
    signs.ping()
    assert switch.asked == 1
    signs.beat(["journal: no answer to a pulse for 31 s"])
    signs.ping()
    assert switch.asked == 1
    signs.beat([])
    signs.ping()
    assert switch.asked == 2


def test_a_feed_that_is_down_does_not_keep_it_from_being_asked(switch: Switch) -> None:
    signs = Signs(Notify(), lambda: "down: silence for 5 s", switch.url)
    signs.beat([])
    signs.ping()
    assert switch.asked == 1


def test_that_it_is_out_of_reach_is_said_once_without_its_address(
    switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="actors.signs")
    signs = Signs(Notify(), lambda: "up", switch.url)
    signs.beat([])
    switch.status = 500
    signs.ping()
    signs.ping()
    switch.status = 200
    signs.ping()
    signs.ping()
    assert [record.getMessage() for record in caplog.records] == [
        "the dead man's switch cannot be reached: HTTPError, HTTP 500",
        "the dead man's switch is reached again",
    ]
    assert switch.asked == 4


def test_nobody_there_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    signs = Signs(Notify(), lambda: "up", "http://127.0.0.1:1/ping/hush-hush")
    signs.beat([])
    signs.ping()
    assert "the dead man's switch cannot be reached: ConnectionError" in caplog.text
    assert "hush-hush" not in caplog.text
