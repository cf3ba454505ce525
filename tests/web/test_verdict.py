"""/readyz, /healthz and the verdict shown on the page."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from actors.messages import NightAudited
from db.models import OutboxRow
from db.verdict import age
from tests.web.scene import NOW, Daemon, make_panel


def readyz(client: FlaskClient) -> tuple[int, str, list[str]]:
    answer = client.get("/readyz")
    said: dict[str, Any] = answer.get_json()
    return answer.status_code, said["verdict"], [reason["text"] for reason in said["reasons"]]


def test_a_running_daemon_with_its_feed_up_is_ready(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.health(journal="running", core="running")
    assert readyz(client) == (200, "ok", [])


def test_a_daemon_that_never_ran_is_not_ready(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    code, verdict, reasons = readyz(client)
    assert (code, verdict) == (503, "down")
    assert "atlas run" in reasons[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beat_at": NOW - timedelta(minutes=5)}, "no sign of life from ATLAS for 5 min (process 4242)"),
        ({"stopped_at": NOW - timedelta(hours=1)}, "was stopped at 2026-07-01 11:00 UTC"),
        ({"feed": "down: silence for 30 s"}, "the feed is down: silence for 30 s"),
        ({"feed": None, "market_time": None}, "the feed is not up yet"),
    ],
)
def test_a_silent_stopped_or_blind_daemon_is_not_ready(
    daemon: Daemon, client: FlaskClient, changes: dict[str, Any], words: str
) -> None:
    daemon.open_account()
    daemon.beat(**changes)
    code, verdict, reasons = readyz(client)
    assert (code, verdict) == (503, "down")
    assert any(words in reason for reason in reasons), reasons


def test_a_daemon_that_does_not_name_its_feed_is_judged_by_its_halts(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat(feed=None)
    assert readyz(client) == (200, "ok", [])
    daemon.halt(feed="silence for 5 s")
    code, verdict, reasons = readyz(client)
    assert (code, verdict, reasons[0]) == (503, "down", "the feed is down: silence for 5 s")


def test_a_halt_is_a_warning_with_its_reason(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.halt(person="news at 14:00", daily_loss="-5.2 %")
    assert readyz(client) == (
        200, "warning", ["entries halted (daily_loss): -5.2 %", "entries halted (person): news at 14:00"],
    )  # fmt: skip
    assert "entries halted (person): news at 14:00" in client.get("/").text


def test_a_lost_actor_is_down_and_a_lost_scanner_a_warning(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.health(**{"journal": "failed", "scanner:BTC-USD": "retired", "history": "running"})
    code, verdict, reasons = readyz(client)
    assert (code, verdict) == (503, "down")
    assert reasons == ["journal is failed: it broke", "scanner:BTC-USD is retired: it broke"]


def test_an_actor_that_makes_no_progress_is_down_though_it_is_said_to_run(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.health(NOW - timedelta(seconds=30), history="running")
    daemon.health(NOW - timedelta(seconds=31), journal="running")
    assert readyz(client) == (503, "down", ["journal has made no progress for 31 s"])


def test_an_actor_of_an_earlier_run_is_not_judged(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.health(**{"scanner:BTC-USD": "retired"})
    daemon.beat(started_at=NOW + timedelta(seconds=1))
    assert readyz(client) == (200, "ok", [])


def audited(differences: int) -> NightAudited:
    return NightAudited(date(2026, 6, 30), NOW, 900, 800, differences, "closed:x at input 7" if differences else "")


def test_a_night_audit_that_found_a_difference_is_a_reason_and_an_alert(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.write(audited(2))
    assert readyz(client) == (200, "warning", ["the night audit of 2026-06-30 found 2 events that differ"])
    with daemon.engine.connect() as connection:
        (told,) = connection.execute(select(OutboxRow.__table__)).all()
    assert (told.kind, told.key, told.critical) == ("night_audit", "night_audit:2026-06-30", True)
    assert "2 of 800 events; the first: closed:x at input 7" in told.payload["text"]


def test_a_clean_night_is_shown_and_nobody_is_woken(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.write(audited(0))
    assert readyz(client) == (200, "ok", [])
    seen = client.get("/readyz").get_json()["seen"]
    assert seen["night_audit"]["differences"] == 0
    with daemon.engine.connect() as connection:
        assert connection.execute(select(OutboxRow.id)).all() == []


def test_the_verdict_comes_with_what_it_rests_on(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.health(journal="running")
    assert client.get("/readyz").get_json()["seen"] == {
        "feed": "up",
        "market_time": "2026-07-01T12:00:00Z",
        "last_bar": None,
        "beat_at": "2026-07-01T12:00:00Z",
        "oldest_pulse": "2026-07-01T12:00:00Z",
        "night_audit": None,
    }


def test_a_refused_webhook_shows_in_health_and_does_not_stop_trading(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.health(discord="failed")
    assert readyz(client) == (200, "warning", ["discord is failed: it broke"])


def test_the_process_is_healthy_also_without_a_database() -> None:
    client = make_panel("postgresql://nobody@127.0.0.1:1/none").test_client()
    assert client.get("/healthz").status_code == 200


def test_a_database_that_is_away_is_a_reason_of_the_verdict() -> None:
    code, verdict, reasons = readyz(make_panel("postgresql://nobody@127.0.0.1:1/none").test_client())
    assert (code, verdict) == (503, "down")
    assert "cannot be reached" in reasons[0]


@pytest.mark.parametrize("path", ["/", "/content/overview", "/api/v1/overview", "/readyz"])
def test_a_database_that_is_away_is_a_503_with_the_reason_and_without_the_password(path: str) -> None:
    client = make_panel("postgresql://nobody:geheim@127.0.0.1:1/none").test_client()
    answer = client.get(path)
    assert answer.status_code == 503
    assert "database none on 127.0.0.1:1" in answer.text
    assert "geheim" not in answer.text
    assert "cannot be reached" in answer.text


def test_an_older_schema_names_the_upgrade(bare_database_url: str) -> None:
    app = make_panel(bare_database_url)
    answer = app.test_client().get("/api/v1/overview")
    app.extensions["engine"].dispose()
    assert answer.status_code == 503
    assert "atlas db upgrade" in answer.get_json()["remedy"]


def test_an_unknown_page_is_a_404_and_not_an_empty_200(client: FlaskClient) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.get("/api/v1/nothing").get_json()["error"]


def test_a_foreign_host_name_is_refused(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/healthz", headers={"Host": "localhost:8080"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "[::1]:8080"}).status_code == 200


def test_nothing_may_be_loaded_from_elsewhere(client: FlaskClient, daemon: Daemon) -> None:
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "://" not in answer.text.replace("http://www.w3.org/", "")


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (119, "119 s"), (300, "5 min"), (7500, "2 h 5 min"), (180000, "2 d 2 h")]
)
def test_an_age_is_said_as_a_person_says_it(seconds: int, words: str) -> None:
    assert age(timedelta(seconds=seconds)) == words
