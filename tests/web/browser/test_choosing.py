"""What is chosen on a page is what it shows next: product and timeframe of the chart, filter and order of trades."""

import re

import pytest
from playwright.sync_api import expect

from tests.web.browser.conftest import Opener
from tests.web.browser.screen import WAIT
from tests.web.scene import Daemon

pytestmark = pytest.mark.browser


def test_the_chart_is_of_the_product_and_timeframe_chosen(busy: Daemon, screen: Opener) -> None:
    wide = screen("wide")
    page = wide.open("/market")
    page.get_by_role("link", name=re.compile("^BIP-20DEC30-CDE 4h")).click()
    expect(page).to_have_url(re.compile("timeframe=4h"), timeout=WAIT)
    expect(page.locator("#chart")).to_have_attribute("data-bars", "61", timeout=WAIT)
    page.get_by_label("Product").select_option("ETP-20DEC30-CDE")
    expect(page).to_have_url(re.compile("symbol=ETP-20DEC30-CDE&timeframe=4h"), timeout=WAIT)
    expect(page.locator("#legend")).to_contain_text("C 60,150", timeout=WAIT)
    busy.quote("60444", symbol="ETP-20DEC30-CDE", seconds=1)
    expect(page.locator("#legend")).to_contain_text("C 60,444", timeout=WAIT)
    assert (wide.complaints, wide.outside) == ([], [])


def test_trades_are_filtered_sorted_and_kept_as_a_file(busy: Daemon, screen: Opener) -> None:
    phone = screen()
    page = phone.open("/trades")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Exit").select_option("stop")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1, timeout=WAIT)
    expect(page.get_by_label("Exit")).to_have_value("stop")
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("link", name="Net").click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Net", timeout=WAIT)
    expect(page.locator("tbody tr").first).to_contain_text("+$108.60")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "trades.csv"
    assert len(download.value.path().read_text().splitlines()) == 4
    assert (phone.complaints, phone.outside) == ([], [])
