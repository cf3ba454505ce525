"""Who may come in, and how often: login, sessions, CSRF, tokens, limits, headers. Nobody sees anything without."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient

from atlas.errors import ConfigurationError, UsageError
from tests.web.scene import KEYS, PASSWORD, TOKEN, Daemon, csrf_of, dispose, make_panel
from web.keys import KeyFile, Keys

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """Return a test client that has not logged in."""
    return FlaskClient(app, app.response_class)


def log_in(client: FlaskClient, password: str = PASSWORD, **query: str) -> Any:
    token = csrf_of(client.get("/login").text)
    return client.post("/login", query_string=query, data={"csrf_token": token, "password": password})


def paths(app: Flask) -> list[tuple[str, str]]:
    """Every route the application has, as method and path; parameters are filled with something."""
    return sorted(
        (method, re.sub(r"<[^>]+>", "x", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    )


def test_nothing_but_health_and_the_login_answers_a_stranger(daemon: Daemon, app: Flask, stranger: FlaskClient) -> None:
    daemon.open_account(123456)
    found = {}
    for method, path in paths(app):
        answer = stranger.open(path, method=method, headers={"X-Forwarded-For": "203.0.113.9"})
        if answer.status_code == 200:
            found[method, path] = answer.text
        assert answer.status_code in (200, 302, 400, 401), (method, path, answer.status_code)
        assert "123" not in answer.text or "/login" in path, (method, path)
    assert sorted(found) == [("GET", "/healthz"), ("GET", "/login")]
    assert stranger.get("/no-such-page").status_code == 302
    assert stranger.get("/api/v1/no-such-page").status_code == 401


def test_the_password_opens_the_panel_and_leads_where_the_owner_wanted(stranger: FlaskClient, daemon: Daemon) -> None:
    daemon.open_account()
    asked = stranger.get("/?a=1")
    assert asked.headers["Location"] == "/login?next=/?a%3D1"
    answer = log_in(stranger, next="/healthz")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/healthz")
    assert stranger.get("/api/v1/overview").get_json()["account"]["cash"] == "10000.00"


@pytest.mark.parametrize("goal", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_a_login_leads_to_no_other_site(stranger: FlaskClient, goal: str) -> None:
    assert log_in(stranger, next=goal).headers["Location"] == "/"


def test_a_wrong_password_is_refused_and_told_to_the_log_without_itself(
    stranger: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = log_in(stranger, "wrong password")
    assert answer.status_code == 403
    assert "That is not the password" in answer.text
    assert "a wrong password from 127.0.0.1" in caplog.text
    assert "wrong password\"" not in answer.text
    assert stranger.get("/").status_code == 302


@pytest.mark.usefixtures("still")
def test_the_sixth_login_in_a_minute_is_refused_even_with_the_right_password(stranger: FlaskClient) -> None:
    assert [log_in(stranger, "guess").status_code for _ in range(5)] == [403] * 5
    answer = log_in(stranger)
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers


@pytest.mark.usefixtures("still")
def test_the_api_answers_120_requests_of_a_token_a_minute(stranger: FlaskClient, daemon: Daemon) -> None:
    daemon.open_account()
    codes = [stranger.get("/api/v1/overview", headers=BEARER).status_code for _ in range(121)]
    assert codes == [200] * 120 + [429]
    refused = stranger.get("/api/v1/overview", headers=BEARER)
    assert (refused.status_code, refused.get_json()["remedy"]) == (429, "Wait a minute.")


def test_a_form_without_the_sessions_own_token_is_refused(client: FlaskClient) -> None:
    for token in ({}, {"csrf_token": "made up"}):
        answer = client.post("/logout", data=token)
        assert answer.status_code == 400
        assert "CSRF" in answer.text
    assert client.get("/").status_code == 200


def test_a_logout_ends_the_session(stranger: FlaskClient) -> None:
    log_in(stranger)
    page = stranger.get("/")
    assert page.status_code == 200
    stranger.post("/logout", data={"csrf_token": csrf_of(page.text)})
    assert stranger.get("/").status_code == 302


def test_a_token_reads_the_api_and_nothing_else(stranger: FlaskClient, daemon: Daemon) -> None:
    daemon.open_account()
    assert stranger.get("/api/v1/overview", headers=BEARER).status_code == 200
    assert stranger.get("/api/v1/overview", headers={"Authorization": "Bearer atlas_other"}).status_code == 401
    assert stranger.get("/", headers=BEARER).status_code == 302
    assert stranger.get("/stream", headers=BEARER).status_code == 401
    assert stranger.post("/logout", headers=BEARER).status_code in (400, 401)


def test_readyz_answers_this_machine_but_not_what_a_proxy_passes_on(stranger: FlaskClient, daemon: Daemon) -> None:
    daemon.open_account()
    assert stranger.get("/readyz").status_code == 503  # no daemon runs
    assert stranger.get("/readyz", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    assert stranger.get("/readyz", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 401
    assert stranger.get("/readyz", environ_base={"REMOTE_ADDR": "203.0.113.9"}, headers=BEARER).status_code == 503


def test_without_a_password_there_is_nothing_to_see_but_how_to_set_one(database_url: str) -> None:
    app = make_panel(database_url, keys=lambda: Keys("secret", tokens=KEYS.tokens))
    client = FlaskClient(app, app.response_class)
    answer = client.get("/")
    assert answer.status_code == 403
    assert "atlas web set-password" in answer.text
    assert client.get("/api/v1/overview", headers=BEARER).status_code == 403
    assert client.get("/login").status_code == 302
    assert client.get("/healthz").status_code == 200
    dispose(app)


def test_a_new_password_ends_all_sessions(database_url: str, daemon: Daemon) -> None:
    known = [KEYS]
    app = make_panel(database_url, keys=lambda: known[0])
    client = app.test_client()
    assert client.get("/").status_code == 200
    known[0] = msgspec.structs.replace(KEYS, password="scrypt:1024:8:1$other$00")
    assert client.get("/").status_code == 302
    dispose(app)


def test_the_sessions_cookie_is_kept_from_scripts_and_from_plain_http(database_url: str, daemon: Daemon) -> None:
    for proxied in (False, True):
        app = make_panel(database_url, proxied=proxied)
        client = FlaskClient(app, app.response_class)
        secure = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        page = client.get("/login", headers=secure)
        cookie = page.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert ("Secure" in cookie) is proxied
        dispose(app)


def test_every_answer_carries_the_headers(client: FlaskClient, stranger: FlaskClient) -> None:
    for answer in (client.get("/"), stranger.get("/"), client.get("/nothing"), client.get("/static/panel.js")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        answer.close()


def test_another_name_is_refused_and_an_address_or_a_name_of_the_settings_is_not(database_url: str) -> None:
    app = make_panel(database_url, names=("atlas.example.org",))
    client = app.test_client()
    for host, code in (
        ("evil.example", 400), ("atlas.example.org", 200), ("192.0.2.7:8080", 200), ("[::1]:8080", 200),
        ("127.0.0.1.evil.example", 400),
    ):  # fmt: skip
        assert client.get("/healthz", headers={"Host": host}).status_code == code, host
    dispose(app)


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_key_file_holds_hashes_only_and_opens_to_its_owner_alone(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "state" / "panel.json")
    assert not keys.read().opens("")
    keys.set_password(PASSWORD)
    token = keys.add_token("phone")
    other = KeyFile(keys.path).read()
    assert other.opens(PASSWORD)
    assert not other.opens(PASSWORD + " ")
    assert other.reader(token) == "phone"
    assert keys.path.stat().st_mode & 0o777 == 0o600
    written = keys.path.read_text()
    assert "scrypt:32768" in written
    assert PASSWORD not in written
    assert token not in written
    assert [path.name for path in keys.path.parent.iterdir()] == ["panel.json"]


def test_a_running_panel_sees_a_changed_file_at_once(tmp_path: Path) -> None:
    running, command = KeyFile(tmp_path / "panel.json"), KeyFile(tmp_path / "panel.json")
    assert running.read().password == ""
    command.set_password(PASSWORD)
    assert running.read().opens(PASSWORD)
    token = command.add_token("phone")
    assert running.read().reader(token) == "phone"
    command.remove_token("phone")
    assert running.read().reader(token) is None


def test_a_short_password_a_taken_name_and_a_damaged_file_are_said(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "panel.json")
    with pytest.raises(UsageError, match=r"9 characters.*at least 10"):
        keys.set_password("x" * 9)
    keys.add_token("phone")
    with pytest.raises(UsageError, match="already"):
        keys.add_token("phone")
    with pytest.raises(UsageError, match=r"no token named 'desk'.*phone"):
        keys.remove_token("desk")
    keys.path.write_text('{"session": 5}')
    with pytest.raises(ConfigurationError, match=r"panel\.json is damaged"):
        KeyFile(keys.path).read()
