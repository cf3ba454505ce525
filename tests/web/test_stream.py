"""The live stream: one LISTEN connection for all, a cap, comments, and an end when the process ends."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import text

from tests.web.scene import Daemon, dispose, make_panel, session_cookie
from web import stream
from web.broadcast import Broadcast


class Viewer:
    """Reads a stream line by line; `next_id` returns the number of the next change."""

    def __init__(self, app: Flask, site: str, last_seen: int | None = None) -> None:
        headers = {} if last_seen is None else {"Last-Event-ID": str(last_seen)}
        cookie = session_cookie(app)
        cookies = {cookie["name"]: cookie["value"]}
        self.answer = requests.get(f"{site}/stream", headers=headers, cookies=cookies, stream=True, timeout=20)
        self.lines = self.answer.iter_lines(chunk_size=1, decode_unicode=True)

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()

    def next_id(self) -> int:
        return next(int(line.removeprefix("id: ")) for line in self.lines if line.startswith("id: "))


def listening(daemon: Daemon) -> int:
    """How many sessions of this database last said LISTEN."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    with daemon.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def settled(viewer: Viewer, app: Flask) -> int:
    """Read until the connection for LISTEN has been made, which counts as a change; return the last number."""
    number = viewer.next_id()
    return number if number >= 1 else viewer.next_id()


def test_every_viewer_hears_a_commit_through_one_connection(daemon: Daemon, app: Flask, site: str) -> None:
    with Viewer(app, site) as one, Viewer(app, site) as two:
        seen = [settled(one, app), settled(two, app)]
        daemon.open_account()
        assert one.next_id() > seen[0]
        assert two.next_id() > seen[1]
        assert listening(daemon) == 1


def test_a_viewer_who_missed_something_is_told_at_once(daemon: Daemon, app: Flask, site: str) -> None:
    with Viewer(app, site) as first:
        number = settled(first, app)
        daemon.open_account()
        newest = first.next_id()
    with Viewer(app, site, last_seen=number) as back:
        assert back.next_id() >= newest


def test_one_viewer_too_many_is_refused_with_503_and_a_place_is_given_back(database_url: str, daemon: Daemon) -> None:
    app = make_panel(database_url, viewers=1)
    client = app.test_client()
    first = client.get("/stream")
    assert first.status_code == 200
    refused = client.get("/stream")
    assert refused.status_code == 503
    assert "all 1 live places are taken" in refused.get_json()["error"]
    assert refused.headers["Retry-After"]
    first.close()
    again = client.get("/stream")
    assert again.status_code == 200
    again.close()
    assert app.extensions["broadcast"].viewers == 0
    dispose(app)


def test_a_silent_stream_carries_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    broadcast = Broadcast(1, lambda heard, closing: None)
    told = stream.events(broadcast, 0)
    assert [next(told), next(told)] == ["retry: 3000\n\n", ": still here\n\n"]


def test_streams_end_when_the_process_is_told_to_stop(daemon: Daemon, app: Flask, site: str) -> None:
    with Viewer(app, site) as viewer:
        settled(viewer, app)
        app.extensions["broadcast"].close()
        rest = list(viewer.lines)  # ends by itself: a stream that went on would run into the time limit of the read
    assert not any(line.startswith("id: ") for line in rest)


def test_the_stream_survives_a_lost_connection(daemon: Daemon, app: Flask, site: str) -> None:
    with Viewer(app, site) as viewer:
        seen = settled(viewer, app)
        with daemon.engine.connect() as connection:
            killed = connection.execute(
                text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                     "AND datname = current_database()")
            ).scalar_one()  # fmt: skip
        assert killed == 1
        seen = viewer.next_id()
        daemon.open_account()
        assert viewer.next_id() > seen


def test_many_changes_at_once_are_few_events() -> None:
    broadcast = Broadcast(1, lambda heard, closing: None)
    told = stream.events(broadcast, None)
    assert [next(told), next(told)][1].startswith("id: 0\n")
    for _ in range(100):
        broadcast.heard()
    assert next(told).startswith("id: 100\n")


@pytest.fixture
def waiting() -> Iterator[tuple[Broadcast, threading.Thread, list[Any]]]:
    broadcast = Broadcast(1, lambda heard, closing: None)
    woken: list[Any] = []
    thread = threading.Thread(target=lambda: woken.append(broadcast.wait(0, timeout=60)))
    thread.start()
    yield broadcast, thread, woken
    broadcast.close()
    thread.join(timeout=20)


def test_closing_wakes_who_waits(waiting: tuple[Broadcast, threading.Thread, list[Any]]) -> None:
    broadcast, thread, woken = waiting
    broadcast.close()
    thread.join(timeout=20)
    assert woken == [0]
