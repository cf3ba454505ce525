"""Live viewers of the panel: what they cost the others, and how soon a change in the database is on a screen."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from multiprocessing import get_context
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright
from sqlalchemy import Engine, text

from db.engine import connect
from db.writer import CHANNEL
from tests.bench.panel_asker import Asker
from tests.bench.panel_database import ACCOUNT
from tests.web.browser.screen import SWITCHES, WAIT, Screen, Site
from web.broadcast import Broadcast

EVERY = 1.0
"""Seconds between two changes of a price: no viewer is told more often."""
UNEVEN = (0.4, 1.1, 2.3)
"""Seconds from one change to the next while a browser watches: some wait for the viewer's pace, some do not."""

_MOVE = text("UPDATE quotes SET price = :price WHERE symbol IN (SELECT symbol FROM positions WHERE status = 'open')")
_NOTIFY = text("SELECT pg_notify(:where, :account)")
_SHOWN = "price => [...document.querySelectorAll('article.position p.middle')].some(p => p.innerText.includes(price))"


@contextmanager
def viewers(broadcast: Broadcast, site: str, cookie: str, count: int) -> Iterator[None]:
    """Have so many viewers listen, in a process of their own; each fetches the overview at every event."""
    process = get_context("spawn").Process(target=_watch, args=(site, cookie, count))
    process.start()
    while broadcast.viewers < count:
        if not process.is_alive():
            raise RuntimeError(f"the viewers ended with {process.exitcode} before all {count} listened")
        time.sleep(0.1)
    yield
    process.terminate()
    process.join()


def _watch(site: str, cookie: str, count: int) -> None:
    def watch() -> None:
        asker, stream = Asker(site, cookie, 0), HTTPConnection(urlsplit(site).netloc, timeout=60)
        stream.request("GET", "/stream", headers={"Cookie": cookie})
        answer = stream.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"/stream answered {answer.status}")
        while line := answer.readline():
            if line.startswith(b"event:"):
                asker.ask("/content/overview")

    threads = [threading.Thread(target=watch) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def prices(url: str) -> Iterator[None]:
    """Change the prices every second, and say so as the journal does."""
    over = threading.Event()
    engine = connect(url)

    def change() -> None:
        number = 0
        while not over.wait(EVERY):
            number += 1
            _change(engine, 60000 + number % 100)

    thread = threading.Thread(target=change)
    thread.start()
    yield
    over.set()
    thread.join()
    engine.dispose()


def seconds_to_the_screen(url: str, site: str, cookie: dict[str, str], changes: int) -> list[float]:
    """Return how long each change took from the database's commit until a Chromium had it on the overview, seconds.

    Empty where there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return []
    taken = []
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        stack.callback(browser.close)
        engine = connect(url)
        stack.callback(engine.dispose)
        page = Screen(browser, Site(site, cookie), "wide").open()
        for number in range(changes):
            page.wait_for_timeout(UNEVEN[number % len(UNEVEN)] * 1000)
            price = 61000 + number
            _change(engine, price)
            begun = time.perf_counter()
            page.wait_for_function(_SHOWN, arg=f"{price:,}", timeout=WAIT)
            taken.append(time.perf_counter() - begun)
    return taken


def _change(engine: Engine, price: int) -> None:
    with engine.begin() as connection:
        connection.execute(_MOVE, {"price": price})
        connection.execute(_NOTIFY, {"where": CHANNEL, "account": ACCOUNT})
