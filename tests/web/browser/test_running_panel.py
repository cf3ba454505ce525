"""Each page over a running daemon and a local exchange: what it shows is the daemon's, and it changes by itself.

One exchange, one daemon, one database and one Chromium serve all of it. Each page is seen on a phone and a wide screen,
dark and light; test_every_page looks at the same over a database that stands still, with more in it.
"""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect
from sqlalchemy import text

from db.asking import ask
from db.embedded import EmbeddedServer
from tests.actors.scene import BIP
from tests.web.browser.running import Running, running
from tests.web.browser.screen import SCREENS, WAIT, Screen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


class Watched(NamedTuple):
    """A page that is looked at: where, what it says once the daemon has told it, and where something changes."""

    path: str
    where: str
    says: str
    changes: str


OF_CLOSED_TRADES = ("trades", "performance")
WATCHED = {
    "overview": Watched("/", "main", r"Account live · paper mode · feed up", "section.account"),
    "market": Watched("/market", f"article[data-key='{BIP}'] a.frame:has-text('15m') b", r"[123]",
                      f"article[data-key='{BIP}'] .price"),
    "chart": Watched(f"/chart?symbol={BIP}&timeframe=15m", "#legend", r"forming", "#legend"),
    "trades": Watched("/trades", ".totals", r"\d trade", ".totals"),
    "signals": Watched("/signals", ".totals", r"triggers? = \d+ traded \+ \d+ rejected", ".totals"),
    "performance": Watched("/performance", "section.equity", r"\d trades? closed", "section.equity .headline"),
    "system": Watched("/system", "[aria-label=Actors]", r"scanner:BIP", "[aria-label=Database]"),
    "control": Watched("/control", "[aria-label=Entries]", r"Entries are allowed", "[aria-label='Open positions']"),
}  # fmt: skip


@pytest.fixture(scope="module")
def live(
    postgres: EmbeddedServer, migrated_template: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Return all of it, running, for the tests of this file."""
    name = f"running_{worker}"
    postgres.create_database(name, template=migrated_template)
    with running(tmp_path_factory.mktemp("run"), postgres.url(name)) as found:
        yield found
    postgres.drop_database(name)


def whole(screen: Screen) -> None:
    """Let what it shows stand still, and check all that no page may have."""
    screen.rest()
    assert len(screen.page.locator("main").inner_text(timeout=WAIT)) > 40
    screen.check()
    assert screen.theme == "light" or screen.beyond_the_keyboard() == []


@pytest.mark.parametrize("name", WATCHED)
def test_a_page_shows_what_the_daemon_does_as_it_does_it(live: Running, browser: Browser, name: str) -> None:
    watched = WATCHED[name]
    opened(live)
    phone = Screen(browser, live.site, "phone", "dark")
    page = phone.open(watched.path)
    page.evaluate("window.stayed = true")
    expect(page.locator(watched.where)).to_contain_text(re.compile(watched.says), timeout=WAIT)
    changing = page.locator(watched.changes).first
    said = changing.text_content() or ""
    if name in OF_CLOSED_TRADES:  # The market may take its time; what is open now is closed.
        flatten(live)
    expect(changing).not_to_have_text(said, timeout=WAIT)
    assert page.evaluate("window.stayed"), "it was loaded anew"
    whole(phone)
    phone.close()
    for size, theme in SCREENS[1:]:
        screen = Screen(browser, live.site, size, theme)
        screen.open(watched.path)
        whole(screen)
        screen.close()


def test_the_chart_gets_its_bars_one_by_one(live: Running, browser: Browser) -> None:
    screen = Screen(browser, live.site, "wide", "dark")
    drawn = screen.open(f"/chart?symbol={BIP}&timeframe=15m").locator("#chart")
    expect(drawn).to_have_attribute("data-bars", re.compile(r"\d{2}"), timeout=WAIT)
    bars = drawn.get_attribute("data-bars")
    expect(drawn).not_to_have_attribute("data-bars", str(bars), timeout=WAIT)
    assert int(drawn.get_attribute("data-bars") or 0) > int(str(bars))
    screen.close()


def test_a_trade_closed_by_hand_is_closed_on_its_page_and_listed(live: Running, browser: Browser) -> None:
    phone, control = Screen(browser, live.site, "phone", "dark"), Screen(browser, live.site, "wide", "light")
    for _ in range(20):  # One may end by itself before it is asked for.
        id_ = opened(live)
        page = phone.open(f"/trades/{quote(id_)}")
        verdict = page.locator(".verdict-line")
        if not (verdict.text_content() or "").startswith("Open"):
            continue
        confirm = control.page
        confirm.goto(f"{live.site.url}/control?kind=close&position={quote(id_)}")
        button = confirm.get_by_role("button", name="Yes, close this position")
        closed = confirm.get_by_text("It is closed already")
        expect(button.or_(closed)).to_be_visible(timeout=WAIT)
        if closed.is_visible():
            continue
        with suppress(TimeoutError):  # Closed just now: the page says so in place of the button.
            button.click(timeout=5000)
        expect(verdict).not_to_contain_text("Open", timeout=WAIT)
        if "flatten" in (verdict.text_content() or ""):
            break
    else:
        pytest.fail("twenty trades ended by themselves")
    expect(page.get_by_label("What happened", exact=True)).to_contain_text("closed by", timeout=WAIT)
    whole(phone)
    listed = control.open("/trades")
    expect(listed.locator(f"tr[data-key='{id_}']")).to_contain_text("flatten after", timeout=WAIT)
    control.open(f"/trades/{quote(id_)}")
    whole(control)
    phone.close()
    control.close()


def test_a_halt_by_hand_reaches_the_daemon_and_every_viewer_and_so_does_its_end(
    live: Running, browser: Browser
) -> None:
    viewer, phone = Screen(browser, live.site, "wide", "dark"), Screen(browser, live.site, "phone", "light")
    overview, page = viewer.open("/"), phone.open("/control")
    give(page, "Halt", "Yes, stop entries", "news")
    assert "person" in halts(live)
    expect(overview.get_by_label("System", exact=True)).to_contain_text("Entries are halted.", timeout=WAIT)
    expect(page.get_by_label("Commands")).to_contain_text("news")
    whole(phone)
    page = phone.open("/control")
    give(page, "Resume", "Yes, resume entries", "all is well")
    assert "person" not in halts(live)
    expect(overview.get_by_label("System", exact=True)).not_to_contain_text("Entries are halted.", timeout=WAIT)
    viewer.close()
    phone.close()


def give(page: Page, command: str, confirm: str, reason: str) -> None:
    """Give a command by keyboard and button, and see it answered."""
    page.get_by_role("link", name=command, exact=True).click()
    page.get_by_label("Reason, kept with the command").fill(reason)
    page.get_by_role("button", name=confirm).press("Enter")
    expect(page.get_by_role("status", name="Answer")).to_contain_text(f"{command}: done", timeout=WAIT)


def flatten(live: Running) -> None:
    """Have the daemon close what is open; it may be too busy to answer at once."""
    for _ in range(12):
        if ask(live.engine, "live", "flatten", {}, "a test", monotonic=time.monotonic, sleep=time.sleep) is not None:
            return
    pytest.fail("the daemon never answered")


def halts(live: Running) -> dict[str, str]:
    """Return what halts the daemon's account."""
    with live.engine.connect() as connection:
        return dict(connection.execute(text("SELECT halts FROM accounts")).scalar_one())


def opened(live: Running) -> str:
    """Return the open trade of the longest timeframe, once there is one."""
    query = """SELECT id FROM positions WHERE status = 'open'
               ORDER BY array_position(ARRAY['4h', '1h', '15m'], timeframe), entry_time DESC LIMIT 1"""
    for _ in range(1800):
        with live.engine.connect() as connection:
            found = connection.execute(text(query)).scalar_one_or_none()
        if found is not None:
            return str(found)
        time.sleep(0.1)
    pytest.fail("nothing was ever open")
