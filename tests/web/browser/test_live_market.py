"""Market and chart over a running daemon and a local exchange: a real process, a real websocket, a real browser."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from tests.actors.scene import BIP
from tests.cli.command import Commands
from tests.faults.daemon import Daemon, Systemd, ready
from tests.web.browser.screen import WAIT, Screen, Site
from tests.web.scene import dispose, make_panel, served, session_cookie

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

START = datetime(2029, 3, 7, 13, 20, tzinfo=UTC)
SPEED = 120.0
"""Two minutes of market a second: a bar of 15m closes every 8 seconds."""
CONFIG = """
[account]
name = "live"
[strat]
timeframes = ["15m", "1h"]
[feed]
clock = "venue"
[exchange]
products = ["{product}"]
ws_url = "{exchange.ws_url}"
rest_url = "{exchange.rest_url}"
rest_per_second = 100
"""


def test_price_and_bars_come_by_themselves(tmp_path: Path, database_url: str, browser: Browser) -> None:
    market = SyntheticMarket(listed([BIP]), int(START.timestamp()) * 1_000_000_000, seed=5)
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500)
    commands = Commands(tmp_path, ATLAS_DATABASE_URL=database_url)
    panel = make_panel(database_url, clock=lambda: datetime.now(UTC))
    try:
        with LocalExchange(market, options) as exchange, Systemd(tmp_path) as systemd:
            (tmp_path / "atlas.toml").write_text(CONFIG.format(product=BIP, exchange=exchange))
            with Daemon(commands, systemd, watchdog=60), served(panel) as url:
                systemd.wait_for(ready, "that all is started")
                screen = Screen(browser, Site(url, session_cookie(panel)))
                _market_changes(screen)
                _chart_grows(screen)
                screen.close()
    finally:
        dispose(panel)


def _market_changes(screen: Screen) -> None:
    page = screen.open("/market")
    product = page.locator(f"article[data-key='{BIP}']")
    cell = product.locator("a.frame", has_text="15m")
    expect(cell.locator("b")).to_contain_text(re.compile(r"[123]"), timeout=WAIT)
    price = product.locator(".price")
    before = price.inner_text()
    expect(price).not_to_have_text(before, timeout=WAIT)
    opened = cell.locator(".open").inner_text()
    expect(cell.locator(".open")).not_to_have_text(opened, timeout=WAIT)  # The next bar has begun.
    assert (screen.complaints, screen.outside, screen.sideways) == ([], [], 0)


def _chart_grows(screen: Screen) -> None:
    page = screen.open(f"/chart?symbol={BIP}&timeframe=15m")
    drawn = page.locator("#chart")
    expect(drawn).to_have_attribute("data-bars", re.compile(r"\d{2}"), timeout=WAIT)
    legend = page.locator("#legend")
    expect(legend).to_contain_text("forming", timeout=WAIT)
    said, bars = legend.inner_text(), drawn.get_attribute("data-bars")
    expect(legend).not_to_have_text(said, timeout=WAIT)
    expect(drawn).not_to_have_attribute("data-bars", str(bars), timeout=WAIT)
    assert int(drawn.get_attribute("data-bars") or 0) > int(str(bars))
    assert (screen.complaints, screen.outside, screen.sideways) == ([], [], 0)
