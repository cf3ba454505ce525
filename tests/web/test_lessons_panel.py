"""Lessons 105, 110 and 114: errors are told as errors, connections are kept and not leaked, nobody else gets in."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text

from atlas import config
from atlas.errors import ConfigurationError
from tests.web.scene import Daemon, dispose, make_panel
from web.panel import PAGES
from web.server import listening_socket

PLAIN = [page for page in PAGES if "<" not in page.path]


def test_lesson_105_what_cannot_be_read_is_a_5xx_with_its_reason_on_page_content_and_api(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account()
    with daemon.engine.begin() as connection:
        connection.execute(text("ALTER TABLE accounts RENAME TO accounts_gone"))
    for page in PLAIN:
        for path in (page.path, f"/content/{page.name}", page.api_path):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert "accounts" in answer.text, path
            assert "atlas db upgrade" in answer.text, path


def test_lesson_105_a_fault_of_the_panel_is_a_500_that_names_no_secret(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("password=geheim")

    panel = make_panel(database_url, clock=broken)
    panel.config["PROPAGATE_EXCEPTIONS"] = False
    answer = panel.test_client().get("/api/v1/overview")
    assert answer.status_code == 500
    assert answer.get_json()["error"] == "The panel failed: RuntimeError."
    assert "geheim" not in answer.text
    assert "/api/v1/overview failed" in caplog.text
    dispose(panel)


def test_lesson_110_a_hundred_refreshes_open_no_more_connections_than_the_first(
    daemon: Daemon, app: Flask, client: FlaskClient
) -> None:
    daemon.open_account()
    opened: list[object] = []
    event.listen(app.extensions["engine"], "connect", lambda *made: opened.append(made))
    for _ in range(100):
        assert client.get("/content/overview").status_code == 200
    assert len(opened) == 1


def test_lesson_114_the_panel_binds_loopback_and_knows_no_host_and_no_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config.default_settings()
    assert settings.web.host == "127.0.0.1"
    assert settings.web.names == ()
    with pytest.raises(ConfigurationError, match="no password"):
        listening_socket("0.0.0.0", 0, locked=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "https://discord.example/api/webhooks/1/geheim")
    told = config.load()
    assert told.discord.webhook_url.get_secret_value().endswith("geheim")
    assert "geheim" not in repr(told)
