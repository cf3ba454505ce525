"""The page in a real browser: what it shows, that it updates by itself, and that it fits a phone."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright
from sqlalchemy import text

from tests.web.scene import Daemon, closed, position, setup

pytestmark = pytest.mark.browser

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
WAIT = 20000.0
"""Milliseconds: generous, each wait ends as soon as its condition holds."""


class Watched:
    """A page, with everything it complained of and everything it asked other machines for."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site = page, site
        self.complaints: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self.site):
            self.outside.append(request.url)

    def check(self) -> None:
        assert self.complaints == []
        assert self.outside == []


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def phone(browser: Browser, site: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    context = browser.new_context(
        viewport=PHONE,
        color_scheme=request.param,
        timezone_id="America/New_York",
        device_scale_factor=2,
        locale="en-GB",
    )
    yield Watched(context.new_page(), site)
    context.close()


@pytest.fixture
def busy(daemon: Daemon) -> Daemon:
    """A daemon in the middle of a day: a long and a short open, trades closed, setups waiting, a halt, a lost actor."""
    daemon.open_account(10000, reserved="2926.82")
    for minutes, name, at, reason, gross in (
        (250, "3-1-2U", "61200", "target", "120"), (140, "3-2U", "59400", "stop", "-60"),
        (60, "2D-1-1-2U", "60057", "invalidated", "5.70"),
    ):  # fmt: skip
        opened = position(name)
        daemon.open(opened)
        daemon.end(closed(opened, at, reason, gross, minutes))
    daemon.open(
        position(),
        position("3-2U-2D", "short", symbol="ETP-20DEC30-CDE", timeframe="4h", id="eth", leverage=4, tier="overnight"),
    )
    daemon.wait_for(setup("60480"), setup("59950", side="short"), setup("61725.5", name="3-1-1-?"))
    daemon.wait_for(setup("142.385", symbol="SLP-20DEC30-CDE", stop="141.2", target="144.95"), verified=False)
    daemon.quote("60300")
    daemon.quote("60150", symbol="ETP-20DEC30-CDE")
    daemon.beat()
    daemon.halt(person="news at 14:00")
    daemon.health(**{
        "alerter": "running", "discord": "running", "feed": "running", "history": "running", "journal": "running",
        "paper_broker": "running", "risk_monitor": "running", "scanner:BIP-20DEC30-CDE": "running",
        "scanner:SLP-20DEC30-CDE": "retired",
    })  # fmt: skip
    return daemon


def sideways(page: Page) -> int:
    """How many pixels the page can be scrolled sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page where ATLAS_SCREENSHOTS points, to be looked at by a person."""
    folder = os.environ.get("ATLAS_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_a_phone_shows_a_position_that_changes_by_itself(
    busy: Daemon, phone: Watched, request: pytest.FixtureRequest
) -> None:
    page = phone.page
    page.goto(phone.site)
    expect(page.locator("#link")).to_have_text("live", timeout=WAIT)
    shown = page.locator("article.position").first
    expect(shown).to_contain_text("BIP-20DEC30-CDE")
    expect(shown).to_contain_text("+$24.30")
    expect(shown.locator("time").last).to_have_attribute("title", "2026-07-01 11:10:00 UTC")
    expect(shown.locator("time").last).to_contain_text("07:10")
    assert sideways(page) == 0
    picture(page, f"panel-{request.node.callspec.params['phone']}")
    busy.quote("60700", seconds=1)
    expect(shown).to_contain_text("+$64.30", timeout=WAIT)
    busy.end(closed(position(), "61200", "target", "120"))
    expect(page.locator("article.position")).to_have_count(1, timeout=WAIT)
    expect(page.locator("table.rows").first).to_contain_text("+$108.60")
    phone.check()


def test_an_empty_panel_is_friendly(phone: Watched, daemon: Daemon, request: pytest.FixtureRequest) -> None:
    phone.page.goto(phone.site)
    expect(phone.page.locator("main")).to_contain_text("Flat. Nothing is at risk.")
    assert sideways(phone.page) == 0
    picture(phone.page, f"empty-{request.node.callspec.params['phone']}")
    phone.check()


def test_a_wide_screen_has_two_columns(busy: Daemon, browser: Browser, site: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    watched = Watched(page, site)
    page.goto(site)
    expect(page.locator("#link")).to_have_text("live", timeout=WAIT)
    # In one go: the content is replaced at each change.
    edges = page.evaluate(
        "[...document.querySelectorAll('.column')].map(c => c.getBoundingClientRect()).map(r => [r.left, r.right])"
    )
    assert edges[1][0] >= edges[0][1]
    assert sideways(page) == 0
    picture(page, "wide")
    watched.check()


def test_without_a_free_place_the_page_asks_every_few_seconds(
    busy: Daemon, browser: Browser, app: Flask, site: str
) -> None:
    app.extensions["broadcast"].capacity = 0
    page = browser.new_page(viewport=PHONE)
    page.goto(site)
    expect(page.locator("#link")).to_have_text("every 5 s", timeout=WAIT)
    busy.quote("60700", seconds=1)
    expect(page.locator("article.position").first).to_contain_text("+$64.30", timeout=WAIT)


def test_a_hidden_tab_lets_go_of_its_place(busy: Daemon, browser: Browser, app: Flask, site: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(site)
    expect(page.locator("#link")).to_have_text("live", timeout=WAIT)
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    hide += "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(hide % "true")
    for n in range(20):
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


def test_a_lost_database_is_said_and_the_old_figures_are_dimmed(busy: Daemon, browser: Browser, site: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(site)
    expect(page.locator("#link")).to_have_text("live", timeout=WAIT)
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
