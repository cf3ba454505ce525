"""Lessons of pages that counted too early, named things otherwise than they were, or looked in the wrong folder."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from jinja2 import UndefinedError

from tests.web.scene import NOW, Daemon, closed, dispose, make_panel, position
from web.overview import TRADES
from web.panel import PAGES
from web.trades import ROWS


def many(daemon: Daemon, losers: int, winners: int) -> None:
    """Close that many trades, the losers long before the winners, and leave one open that is newer than all."""
    daemon.open_account()
    for number in range(losers + winners):
        lost = number < losers
        opened = position(id=f"trade:{number}", worst=position().worst)
        daemon.open(opened)
        daemon.end(closed(opened, "59400" if lost else "61200", "stop" if lost else "target",
                          "-60" if lost else "120", minutes=2000 - number))  # fmt: skip
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
    template = client.application.jinja_env.from_string("{{ view.realized_pnl | usd }}")
    with pytest.raises(UndefinedError, match="realized_pnl"):
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
            assert client.get(f"/static/{name}").status_code == 200, name
    dispose(panel)
