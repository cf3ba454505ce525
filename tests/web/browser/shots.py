"""Pictures of every page of a panel beside a running demo: what `scripts/screenshots` runs.

They are kept small: colours are reduced to a palette. How long a change takes from the stream's word to the page is
measured on the way and printed.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.web.browser.screen import SCREENS, SIZES, SWITCHES, Screen, Site
from web.pages import Page
from web.panel import PAGES

COLORS = 64
TALLEST = 2600
"""Pixels of a page at most: the rest is more of the same rows."""
STEPS = 8
"""Changes whose delay is measured."""


def main() -> None:
    """Start a demo, wait until it has traded, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=120.0, help="How long the demo trades before.")
    parser.add_argument("--chromium", default="chromium")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    # The machine, its load and the speed of the market decide how much happens; the seed decides what.
    argv = [sys.executable, "-u", "-m", "atlas", "demo", "--quiet", "--web-port", "0", "--gates-off", "reward_risk"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as demo:
        try:
            url, password = _panel(demo)
            time.sleep(asked.seconds)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=_found(asked.chromium), args=SWITCHES)
                site = Site(url, _log_in(browser, url, password))
                print(f"from a change to the page: {_delays(browser, site)}", flush=True)
                for page in PAGES:
                    _take(browser, site, page, asked.folder)
                browser.close()
        finally:
            demo.terminate()
            demo.wait(timeout=120)


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        sys.exit(f"screenshots: there is no {name}: apt-get install chromium")
    return path


def _panel(demo: "subprocess.Popen[str]") -> tuple[str, str]:
    """Return address and password of the demo's panel, as it prints them."""
    assert demo.stdout is not None
    for line in demo.stdout:
        print(line, end="", flush=True)
        if found := re.search(r"panel +(http://\S+?)/ +password (\S+)", line):
            return found[1], found[2]
    sys.exit("screenshots: the demo ended before its panel was there")


def _log_in(browser: Browser, url: str, password: str) -> dict[str, str]:
    """Log in by the form as a person does; return the session's cookie."""
    with browser.new_context() as context:
        page = context.new_page()
        for _ in range(60):  # the panel starts beside the daemon
            try:
                page.goto(f"{url}/login")
                break
            except PlaywrightError:
                time.sleep(1)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{url}/")
        cookie = context.cookies()[0]
        return {"name": str(cookie.get("name")), "value": str(cookie.get("value"))}


def _delays(browser: Browser, site: Site) -> str:
    """Return, in milliseconds, how long the page needs from the stream's word to new content in place."""
    screen = Screen(browser, site, "phone", "dark")
    page = screen.open("/")
    page.evaluate(
        """() => { window.delays = []; let told = null;
        new EventSource('/stream').addEventListener('changed', () => { told ??= performance.now(); });
        document.addEventListener('atlas:refreshed', () => {
          if (told !== null) { delays.push(performance.now() - told); told = null; } }); }"""
    )
    found: list[int] = []
    while len(found) < STEPS:  # not wait_for_function: it evaluates text, which the page's policy forbids
        page.wait_for_timeout(500)
        found = sorted(int(one) for one in page.evaluate("window.delays"))
    screen.close()
    return f"{found[len(found) // 2]} ms in the middle, {found[-1]} ms at worst, of {len(found)}"


def _take(browser: Browser, site: Site, page: Page, folder: Path) -> None:
    path = page.path
    if "<" in path:
        path = _example(browser, site, page)
        if not path:
            print(f"{page.name}: there is nothing to show yet", flush=True)
            return
    for size, theme in SCREENS:
        screen = Screen(browser, site, size, theme)
        shown = screen.open(path)
        shown.wait_for_timeout(2000)  # charts draw after their figures have come
        expect(shown.locator("main")).not_to_be_empty()
        # As tall as its content: a bar fixed to the foot of the screen then stands at the foot of the picture.
        height = min(int(shown.evaluate("document.documentElement.scrollHeight")), TALLEST)
        shown.set_viewport_size({"width": SIZES[size]["width"], "height": max(height, SIZES[size]["height"])})
        file = folder / f"{page.name}-{size}-{theme}.png"
        shown.screenshot(path=str(file))
        screen.close()
        with Image.open(file) as picture:
            picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"{file.name}: {file.stat().st_size // 1024} kB; {screen.complaints or 'no complaint'}", flush=True)


def _example(browser: Browser, site: Site, page: Page) -> str:
    """Return the path of the first thing of this kind that the trades page or the overview leads to."""
    start = page.path.partition("<")[0]
    for origin in ("/trades", "/"):
        screen = Screen(browser, site)
        links = screen.open(origin).locator(f"main a[href^='{start}']")
        path = links.first.get_attribute("href") if links.count() else None
        screen.close()
        if path:
            return path
    return ""


if __name__ == "__main__":
    main()
