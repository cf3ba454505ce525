"""Every page over one busy day: content, nothing complained of, nothing from outside, axe, keyboard.

On the phone in light and wide in dark; test_running_panel looks at all four, over a daemon that runs.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from db.embedded import EmbeddedServer
from tests.web.browser.screen import SCREENS, WAIT, Screen, Site, Size, Theme
from tests.web.scene import Daemon, busy_day, dispose, make_panel, position, served, session_cookie
from web.pages import Page
from web.panel import PAGES

pytestmark = pytest.mark.browser

EXAMPLES = {"id": position().id}
"""What stands for a path's parameter: the position the busy day has open."""


@pytest.fixture(scope="module")
def busy_site(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[Site]:
    """Return the panel over a busy day, for all tests of this file: they only look."""
    name = f"every_page_{worker}"
    postgres.create_database(name, template=migrated_template)
    daemon = Daemon(postgres.url(name))
    busy_day(daemon)
    panel = make_panel(postgres.url(name))
    with served(panel) as url:
        yield Site(url, session_cookie(panel))
    dispose(panel)
    daemon.close()
    postgres.drop_database(name)


def path_of(page: Page) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: quote(EXAMPLES[found[1]]), page.path)


@pytest.mark.parametrize(("size", "theme"), SCREENS[1:3])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_whole_on_this_screen(
    busy_site: Site, browser: Browser, page: Page, size: Size, theme: Theme
) -> None:
    screen = Screen(browser, busy_site, size, theme)
    try:
        shown = screen.open(path_of(page))
        expect(shown).to_have_title(re.compile(re.escape(page.title)))
        assert len(shown.locator("main").inner_text(timeout=WAIT)) > 40
        screen.picture(page.name)
        screen.check()
        if theme == "dark":
            faults = screen.beyond_the_keyboard()
            assert faults == []
    finally:
        screen.close()
