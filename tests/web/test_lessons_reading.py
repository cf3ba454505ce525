"""Lessons of pages that counted too early, named things otherwise than they were, or looked in the wrong folder."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from jinja2 import UndefinedError

from actors.messages import Event, PositionClosed, PositionOpened
from tests.web.scene import NOW, Daemon, closed, dispose, make_panel, position, triggered
from web.overview import TRADES
from web.panel import PAGES
from web.trades import ROWS


def many(daemon: Daemon, losers: int, winners: int) -> None:
    """Close that many trades, the losers long before the winners, and leave one open that is newer than all."""
    daemon.open_account()
    events: list[Event] = []
    for number in range(losers + winners):
        opened, minutes = position(id=f"trade:{number}"), 2000 - number
        lost = number < losers
        ended = closed(opened, "59400", "stop", "-60", minutes) if lost else closed(
            opened, "61200", "target", "120", minutes
        )  # fmt: skip
        events += [triggered(opened), PositionOpened(opened), PositionClosed(ended)]
    daemon.write(*events)
    daemon.open(position(id="open", entry_time=NOW - timedelta(minutes=1)))


def test_lesson_104_a_limit_counts_the_trades_that_match(daemon: Daemon, client: FlaskClient) -> None:
    many(daemon, losers=TRADES + 1, winners=ROWS + 1)
    lost = client.get("/api/v1/trades?result=lost").json
    assert len(lost["trades"]) == TRADES + 1, "though a page of winners is newer than any of them"
    assert lost["next"] is None
    assert len(client.get("/api/v1/trades").json["trades"]) == ROWS
    shown = client.get("/api/v1/overview").json
    assert len(shown["trades"]) == TRADES, "the open one takes no place among the closed ones"
    assert len(shown["positions"]) == 1


def test_lesson_107_a_template_that_names_a_key_no_section_has_fails(client: FlaskClient) -> None:
    """`$0.00` for what is called otherwise cannot be: the page is an error, with the key's name."""
    for text in ("{{ view.realized_pnl }}", "{% if view.realized_pnl %}{% endif %}", "{{ view.realized_pnl | usd }}"):
        template = client.application.jinja_env.from_string(text)
        with pytest.raises((UndefinedError, TypeError), match=r"realized_pnl|StrictUndefined"):
            template.render(view={"net": "12.40"})


def test_lesson_118_the_panel_finds_its_files_from_any_directory(
    daemon: Daemon, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.open_account()
    monkeypatch.chdir(tmp_path)
    panel = make_panel(database_url)
    client = panel.test_client()
    for page in PAGES:
        if "<" not in page.path:
            assert client.get(page.path).status_code == 200, page.path
        for name in (*page.scripts, *page.styles):
            with client.get(f"/static/{name}") as answer:
                assert answer.status_code == 200, name
    dispose(panel)
