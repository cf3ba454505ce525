"""Commands by the panel: confirmed, obeyed by whoever takes them, refused without a daemon, kept with who asked."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from db import asking
from db.models import CommandRow
from db.repositories import commands
from tests.web.scene import NOW, Daemon, Obedient, closed, csrf_of, position


@pytest.fixture
def obedient(daemon: Daemon) -> Iterator[Daemon]:
    """Return a running daemon with a position open, that obeys."""
    daemon.open_account()
    daemon.open(position())
    daemon.quote("60300")
    daemon.beat()
    servant = Obedient(daemon)
    yield daemon
    servant.stop()


def rows(daemon: Daemon) -> list[Any]:
    with daemon.engine.connect() as connection:
        return list(connection.execute(select(CommandRow.__table__).order_by(CommandRow.id)))


def ask(client: FlaskClient, **form: str) -> Any:
    page = client.get("/control", query_string={"kind": "halt"}).text
    return client.post("/control/ask", data={"csrf_token": csrf_of(page), **form})


def test_a_halt_is_asked_obeyed_shown_and_kept_with_who_asked(obedient: Daemon, client: FlaskClient) -> None:
    answer = ask(client, kind="halt", reason="  news   at 14:00 ")
    assert answer.status_code == 302
    shown = client.get(answer.headers["Location"]).text
    assert "halt: obeyed as asked" in shown
    (row,) = rows(obedient)
    assert (row.kind, row.args, row.by) == ("halt", {"reason": "news at 14:00"}, "panel, 127.0.0.1")
    told = client.get("/api/v1/control").get_json()["commands"]
    assert [(one["kind"], one["by"], one["status"]) for one in told] == [("halt", "panel, 127.0.0.1", "done")]


def test_a_close_names_its_position_and_is_confirmed_with_it(obedient: Daemon, client: FlaskClient) -> None:
    confirm = client.get("/control", query_string={"kind": "close", "position": position().id}).text
    assert re.search(r"Close this position\?.*BIP-20DEC30-CDE.*\+\$24\.30", confirm, re.DOTALL)
    assert ask(client, kind="close", position=position().id).status_code == 302
    assert rows(obedient)[0].args == {"reason": "asked on the panel", "position": position().id}


@pytest.mark.parametrize(
    ("form", "code", "words"),
    [
        ({"kind": "sell"}, 400, "no command"),
        ({}, 400, "no command"),
        ({"kind": "close", "position": "none"}, 404, "no position"),
        ({"kind": "close"}, 404, "no position"),
    ],
)
def test_what_cannot_be_done_is_not_asked(
    obedient: Daemon, client: FlaskClient, form: dict[str, str], code: int, words: str
) -> None:
    answer = ask(client, **form)
    assert answer.status_code == code
    assert words in answer.text
    assert rows(obedient) == []


def test_a_position_that_has_closed_meanwhile_is_said_and_not_asked_for(obedient: Daemon, client: FlaskClient) -> None:
    opened = position()
    obedient.end(closed(opened, "60500", "target", "50"))
    answer = ask(client, kind="close", position=opened.id)
    assert (answer.status_code, rows(obedient)) == (302, [])
    page = client.get(answer.headers["Location"])
    assert page.status_code == 200
    assert "It is closed already" in page.text
    assert "Yes, close this position" not in page.text
    asked = client.get("/api/v1/control", query_string={"kind": "close", "position": opened.id}).get_json()["asked"]
    assert asked == {"kind": "close", "position": None, "closed": opened.id}


def test_an_answer_stays_where_it_is_shown_whatever_is_asked_after_it(obedient: Daemon, client: FlaskClient) -> None:
    shown = ask(client, kind="halt", reason="news").headers["Location"]
    with obedient.engine.begin() as connection:
        for _ in range(25):
            commands.add(connection, "paper", "halt", {"reason": "more"}, "somebody")
    assert "halt: obeyed as asked" in client.get(shown).text


def test_a_failed_command_is_said(obedient: Daemon, client: FlaskClient) -> None:
    answer = ask(client, kind="flatten", reason="fail")
    assert "Flatten: failed" in client.get(answer.headers["Location"]).text


def test_without_a_running_daemon_nothing_is_asked(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat(stopped_at=NOW)
    answer = ask(client, kind="flatten")
    assert answer.status_code == 409
    assert "No daemon runs" in answer.text
    assert rows(daemon) == []


def test_a_command_nobody_answers_is_failed_and_never_obeyed_later(
    daemon: Daemon, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.open_account()
    daemon.beat()
    monkeypatch.setattr(asking, "PATIENCE", 0.2)
    answer = ask(client, kind="flatten")
    assert answer.status_code == 503
    assert "will not be done later" in answer.text
    (row,) = rows(daemon)
    assert row.status == "failed"
    with daemon.engine.begin() as connection:
        assert commands.take(connection, "paper") == []


@pytest.mark.usefixtures("still")
def test_the_eleventh_command_in_a_minute_is_refused(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    codes = [ask(client, kind="sell").status_code for _ in range(11)]
    assert codes == [400] * 10 + [429]


def test_a_command_without_its_token_or_by_a_stranger_is_refused(obedient: Daemon, client: FlaskClient) -> None:
    assert client.post("/control/ask", data={"kind": "flatten"}).status_code == 400
    stranger = FlaskClient(client.application, client.response_wrapper)
    assert stranger.post("/control/ask", data={"kind": "flatten"}).status_code == 401
    assert client.get("/control/ask").status_code == 405
    assert rows(obedient) == []


def test_an_answer_or_a_kind_that_is_not_there_is_said(obedient: Daemon, client: FlaskClient) -> None:
    assert client.get("/control?done=99").status_code == 404
    assert client.get("/control?kind=sell").status_code == 400
    assert client.get("/control?kind=close&position=x").status_code == 404
