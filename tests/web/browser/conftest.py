"""A real Chromium, and screens of the panel: `screen(size, theme)` opens one over this test's site."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, sync_playwright

from tests.web.browser.screen import SWITCHES, Screen, Site, Size, Theme
from tests.web.scene import session_cookie

Opener = Callable[..., Screen]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Return one Chromium for the tests of a file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def screen(browser: Browser, app: Flask, site: str) -> Iterator[Opener]:
    """Return what opens a screen, logged in, over this test's site; all are closed afterwards."""
    opened: list[Screen] = []

    def open_screen(size: Size = "phone", theme: Theme = "dark") -> Screen:
        opened.append(Screen(browser, Site(site, session_cookie(app)), size, theme))
        return opened[-1]

    yield open_screen
    for one in opened:
        one.close()
