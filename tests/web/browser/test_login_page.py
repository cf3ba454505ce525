"""Logging in and out in a real browser; test_running_panel gives commands to a running daemon."""

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from tests.web.browser.screen import WAIT, Screen, Site
from tests.web.scene import PASSWORD, Daemon

pytestmark = pytest.mark.browser


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
