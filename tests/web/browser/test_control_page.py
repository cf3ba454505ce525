"""Commands in a real browser: a phone asks for a halt, confirms it, and sees what became of it; a stranger logs in."""

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from tests.web.browser.conftest import Opener
from tests.web.browser.screen import WAIT, Screen, Site
from tests.web.scene import PASSWORD, Daemon, Obedient

pytestmark = pytest.mark.browser


def test_a_halt_is_confirmed_and_its_answer_shown(busy: Daemon, screen: Opener) -> None:
    servant = Obedient(busy)
    phone = screen("phone", "light")
    page = phone.open("/control")
    page.get_by_role("link", name="Halt").click()
    page.get_by_label("Reason, kept with the command").fill("news")
    phone.check()
    page.get_by_role("button", name="Yes, stop entries").click()
    expect(page.get_by_role("status", name="Answer")).to_contain_text("halt: obeyed as asked", timeout=WAIT)
    expect(page.get_by_label("Commands")).to_contain_text("news")
    phone.check()
    servant.stop()


def test_a_stranger_comes_in_by_the_password_and_out_again(
    busy: Daemon, browser: Browser, site: str, app: Flask
) -> None:
    phone = Screen(browser, Site(site, {}), "phone", "dark")
    page = phone.page
    page.goto(f"{site}/system")
    assert phone.violations() == []
    assert phone.sideways == 0
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_title("System · ATLAS", timeout=WAIT)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible(timeout=WAIT)
    assert phone.complaints == []
    phone.close()
