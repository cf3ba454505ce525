"""The panel in a real browser: that it changes by itself, goes on without a stream, and says when it cannot."""

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import text

from tests.web.browser.conftest import Opener
from tests.web.browser.screen import WAIT
from tests.web.scene import Daemon, closed, position

pytestmark = pytest.mark.browser


def test_a_phone_shows_a_position_that_changes_by_itself(busy: Daemon, screen: Opener) -> None:
    phone = screen("phone", "light")
    page = phone.open()
    shown = page.locator("article.position").first
    expect(shown).to_contain_text("BIP-20DEC30-CDE")
    expect(shown).to_contain_text("+$24.30")
    opened = shown.locator("time[title='2026-07-01 11:10:00 UTC']")
    expect(opened).to_contain_text("07:10")
    busy.quote("60700", seconds=1)
    expect(shown).to_contain_text("+$64.30", timeout=WAIT)
    busy.end(closed(position(), "61200", "target", "120"))
    expect(page.locator("article.position")).to_have_count(1, timeout=WAIT)
    expect(page.locator("table.rows").first).to_contain_text("+$108.60")
    phone.check()


def test_an_empty_panel_is_friendly(screen: Opener, daemon: Daemon) -> None:
    phone = screen()
    expect(phone.open().locator("main")).to_contain_text("Flat. Nothing is at risk.")
    phone.picture("empty")
    phone.check()


def test_what_has_the_focus_keeps_it_when_the_page_changes(busy: Daemon, screen: Opener) -> None:
    page = screen("wide").open()
    page.evaluate("document.querySelector('article.position').tabIndex = 0")
    menu = page.get_by_role("link", name="Overview")
    menu.focus()
    held = page.evaluate_handle("document.querySelector('article.position h2, article.position h3')")
    busy.quote("60700", seconds=1)
    expect(page.locator("article.position").first).to_contain_text("+$64.30", timeout=WAIT)
    expect(menu).to_be_focused()
    assert page.evaluate("it => it.isConnected", held)


def test_a_wide_screen_has_two_columns(busy: Daemon, screen: Opener) -> None:
    page = screen("wide").open()
    # In one go: the content is replaced at each change.
    edges = page.evaluate(
        "[...document.querySelectorAll('.column')].map(c => c.getBoundingClientRect()).map(r => [r.left, r.right])"
    )
    assert edges[1][0] >= edges[0][1]


def test_without_a_free_place_the_page_asks_every_few_seconds(busy: Daemon, screen: Opener, app: Flask) -> None:
    app.extensions["broadcast"].capacity = 0
    phone = screen()
    phone.page.goto(phone.site.url)
    expect(phone.page.locator("#link")).to_have_text("every 5 s", timeout=WAIT)
    busy.quote("60700", seconds=1)
    expect(phone.page.locator("article.position").first).to_contain_text("+$64.30", timeout=WAIT)


def test_a_hidden_tab_lets_go_of_its_place(busy: Daemon, screen: Opener, app: Flask) -> None:
    page = screen().open()
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    hide += "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(hide % "true")
    for n in range(120):
        # The server notices when it next writes: a change makes it.
        busy.quote("60700", seconds=n)
        page.wait_for_timeout(500)
        if app.extensions["broadcast"].viewers == 0:
            break
    assert app.extensions["broadcast"].viewers == 0
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    busy.quote("60800", seconds=100)
    page.wait_for_timeout(1500)
    assert asked == []
    page.evaluate(hide % "false")
    expect(page.locator("article.position").first).to_contain_text("+$74.30", timeout=WAIT)
    expect(page.locator("#link")).to_have_text("live", timeout=WAIT)


def test_a_lost_database_is_said_and_the_old_figures_are_dimmed(busy: Daemon, screen: Opener) -> None:
    page = screen().open()
    with busy.engine.begin() as connection:
        connection.execute(text("ALTER TABLE positions RENAME TO positions_gone"))
    busy.quote("60700", seconds=1)
    expect(page.locator("#trouble")).to_contain_text("positions", timeout=WAIT)
    expect(page.locator("main")).to_have_class("stale")
    expect(page.locator("article.position").first).to_contain_text("+$24.30")
    with busy.engine.begin() as connection:
        connection.execute(text("ALTER TABLE positions_gone RENAME TO positions"))
    expect(page.locator("#trouble")).to_be_hidden(timeout=WAIT)
    expect(page.locator("article.position").first).to_contain_text("+$64.30")
