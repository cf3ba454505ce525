"""What the browser tests look with: a screen of a size and theme, and everything its page complained of."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize, expect

Theme = Literal["light", "dark"]
Size = Literal["phone", "wide"]

SIZES: dict[str, ViewportSize] = {"phone": {"width": 390, "height": 844}, "wide": {"width": 1440, "height": 900}}
SCREENS: tuple[tuple[Size, Theme], ...] = (("phone", "dark"), ("phone", "light"), ("wide", "dark"), ("wide", "light"))
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT = 60000.0
"""Milliseconds: generous, each wait ends as soon as its condition holds."""

_FOCUSABLE = """() => [...document.querySelectorAll(
  'a[href], button:not([disabled]), input:not([disabled]):not([type=hidden]), select, textarea, summary, [tabindex="0"]'
)].filter(e => e.checkVisibility({visibilityProperty: true})).map((e, n) => (e.numbered = n, n))"""
_FOCUSED = """() => { const e = document.activeElement; const s = getComputedStyle(e);
  return [e.numbered ?? -1, s.outlineStyle !== 'none' || s.boxShadow !== 'none', e.outerHTML.slice(0, 90)]; }"""
_CUT = """() => {
  const edge = document.querySelector('main').getBoundingClientRect().right + 1;
  const wide = e => e.matches('.scroll') && e.scrollWidth > e.clientWidth + 1;
  const beyond = e => e.matches('.card') && e.getBoundingClientRect().right > edge;
  return [...document.querySelectorAll('main .scroll, main .card')].filter(
    e => e.checkVisibility() && (wide(e) || beyond(e))
  ).map(e => e.getAttribute('aria-label') ?? e.outerHTML.slice(0, 90));
}"""
_NUMBERED = "n => [...document.querySelectorAll('*')].find(e => e.numbered === n)?.outerHTML.slice(0, 90)"


@dataclass(frozen=True)
class Site:
    """A served panel: its address, and the cookie of somebody who has logged in."""

    url: str
    cookie: dict[str, str]


class Screen:
    """A page of a site as one size and theme show it. `check` fails on whatever no page may have."""

    def __init__(self, browser: Browser, site: Site, size: Size = "phone", theme: Theme = "dark") -> None:
        self.site, self.size, self.theme = site, size, theme
        self.context: BrowserContext = browser.new_context(
            viewport=SIZES[size],
            color_scheme=theme,
            timezone_id="America/New_York",
            device_scale_factor=2 if size == "phone" else 1,
            locale="en-GB",
        )
        if site.cookie:
            self.context.add_cookies([{"url": site.url, **site.cookie}])  # type: ignore[typeddict-item]  # name and value
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def open(self, path: str = "/") -> Page:
        """Go to a path of the site and wait until the page is live and what it draws itself is drawn."""
        self.page.goto(self.site.url + path)
        expect(self.page.locator("#link")).to_have_text("live", timeout=WAIT)
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0, timeout=WAIT)
        return self.page

    def rest(self) -> None:
        """Let the page stand still, as one in a hidden tab does: what is looked at then is not replaced meanwhile."""
        self.page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    @property
    def sideways(self) -> int:
        """How many pixels the page can be scrolled sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    @property
    def cut(self) -> list[str]:
        """The boxes wider than the page or narrower than what is in them: nobody sees that there is more."""
        return list(self.page.evaluate(_CUT))

    def violations(self) -> list[str]:
        """What axe finds against the page, each rule with the elements concerned."""
        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:4]}" for one in found]

    def beyond_the_keyboard(self) -> list[str]:
        """What can be used but is not reached by Tab, or does not show that it has the focus."""
        wanted = set(self.page.evaluate(_FOCUSABLE))
        self.page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges()")
        reached, faults, last = set(), [], -1
        for _ in range(4 * len(wanted) + 5):
            self.page.keyboard.press("Tab")
            number, shown, what = self.page.evaluate(_FOCUSED)
            if number in reached and number not in (last, -1):  # a date has a stop for day, month and year
                break
            reached.add(number)
            last = number
            if number >= 0 and not shown:
                faults.append(f"no focus seen on {what}")
        for number in sorted(wanted - reached):
            what = self.page.evaluate(_NUMBERED, number)
            if what is not None:  # else it was replaced meanwhile
                faults.append(f"not reached: {what}")
        return faults

    def check(self) -> None:
        """No complaint in the console, no request to another machine, nothing sideways or cut, nothing axe finds."""
        found = (self.complaints, self.outside, self.sideways, self.cut, self.violations())
        assert found == ([], [], 0, [], []), found

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page where ATLAS_SCREENSHOTS points, to be looked at by a person."""
        folder = os.environ.get("ATLAS_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            path = Path(folder) / f"{name}-{self.size}-{self.theme}.png"
            self.page.screenshot(path=str(path), full_page=True)

    def close(self) -> None:
        """Let go of the browser's context."""
        self.context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.site.url, "data:", "blob:")):
            self.outside.append(request.url)
