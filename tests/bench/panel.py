"""How fast the panel answers with 10,000 trades and 5 million candles in the database. Run by `scripts/bench panel`.

Each page and its JSON are asked for in turn, over loopback, by somebody who has logged in; the median counts. Then the
pages again while live viewers listen, each of whom fetches the overview whenever a price changes.

A database made once can be kept (`--keep DIRECTORY`) and is used again by the next run.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

from flask import Flask
from sqlalchemy import text

from db import migrate
from db.embedded import EmbeddedServer
from db.engine import connect
from db.writer import CHANNEL
from tests.bench.figure import Figure, tell
from tests.bench.panel_database import ACCOUNT, fill
from tests.bench.panel_market import ENDS, PRODUCTS
from tests.web.scene import dispose, make_panel, served, session_cookie
from web.panel import PAGES

NAME = "panel"
MOST = 150.0
"""Milliseconds, median (issue: a page answers in under 150 ms)."""
SLOWER = 2.0
"""How much slower pages may be while all viewers listen."""
EVERY = 1.0
"""Seconds between two changes of a price: no viewer is told more often."""


def main() -> None:
    """Make or find the database, measure, print a line a figure; exit 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=10_000)
    parser.add_argument("--candles", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=24)
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with ExitStack() as stack:
        place = wanted.keep or Path(stack.enter_context(TemporaryDirectory()))
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)  # As root, Postgres runs as somebody else, who has to get in.
        server = EmbeddedServer(place / "postgres", fsync=False)
        server.start()
        stack.callback(server.stop, force=True)
        url = _database(server, wanted.trades, wanted.candles)
        panel = make_panel(url, clock=lambda: ENDS, viewers=wanted.viewers)
        stack.callback(dispose, panel)
        site = stack.enter_context(served(panel))
        good = tell(_measured(panel, site, url, wanted.rounds, wanted.viewers), wanted.json)
    sys.exit(0 if good else 1)


def _database(server: EmbeddedServer, trades: int, candles: int) -> str:
    if not server.database_exists(NAME):
        making = f"{NAME}_making"
        if server.database_exists(making):
            server.drop_database(making)
        server.create_database(making)
        migrate.upgrade(server.url(making))
        engine = connect(server.url(making), statement_timeout=0)
        fill(engine, server.url(making), trades, candles)
        engine.dispose()
        server.create_database(NAME, template=making)
        server.drop_database(making)
    migrate.upgrade(server.url(NAME))
    return server.url(NAME)


def _measured(panel: Flask, site: str, url: str, rounds: int, viewers: int) -> Iterator[Figure]:
    engine = connect(url)
    counts = text("SELECT (SELECT count(*) FROM positions), (SELECT count(*) FROM candles)")
    with engine.connect() as connection:
        rows = connection.execute(counts).one()
        trade = connection.execute(text("SELECT id FROM positions WHERE status = 'closed' LIMIT 1")).scalar_one()
    yield Figure("panel", "trades in the database", rows[0], "trades")
    yield Figure("panel", "candles in the database", rows[1], "candles")
    cookie = session_cookie(panel)
    asker = Asker(site, f"{cookie['name']}={cookie['value']}")
    id_ = quote(trade, safe="")
    alone = {}
    for page in PAGES:
        alone[page.name] = asker.median(page.path.replace("<id>", id_), rounds)
        yield Figure("panel", f"{page.name}: page", alone[page.name], "ms", most=MOST)
        json = asker.median(page.api_path.replace("<id>", id_), rounds)
        yield Figure("panel", f"{page.name}: JSON", json, "ms", most=MOST)
    with _viewers(site, asker.cookie, viewers), _prices(url):
        for page in PAGES:
            name, path = page.name, page.path.replace("<id>", id_)
            slower = asker.median(path, rounds) / alone[name]
            yield Figure("panel", f"{name}: with {viewers} live viewers", slower, "times", most=SLOWER)
    engine.dispose()


class Asker:
    """One who has logged in and asks over one connection."""

    def __init__(self, site: str, cookie: str) -> None:
        self.cookie = cookie
        self._connection = HTTPConnection(urlsplit(site).netloc, timeout=60)

    def median(self, path: str, rounds: int) -> float:
        """Return the median of that many answers, milliseconds, after one that is not counted."""
        taken = []
        for _ in range(rounds + 1):
            begun = time.perf_counter()
            self.ask(path)
            taken.append((time.perf_counter() - begun) * 1000)
        return median(taken[1:])

    def ask(self, path: str) -> None:
        """Ask and read the whole answer. Raises RuntimeError for one that is no page."""
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {said[:200]!r}")


@contextmanager
def _viewers(site: str, cookie: str, count: int) -> Iterator[None]:
    """Have so many viewers listen; each fetches the overview at every event."""
    listening = [HTTPConnection(urlsplit(site).netloc, timeout=60) for _ in range(count)]

    def watch(stream: HTTPConnection) -> None:
        asker = Asker(site, cookie)
        stream.request("GET", "/stream", headers={"Cookie": cookie})
        answer = stream.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"/stream answered {answer.status}")
        while line := answer.readline():
            if line.startswith(b"event:"):
                asker.ask("/content/overview")

    for stream in listening:
        threading.Thread(target=watch, args=(stream,), daemon=True).start()
    yield


@contextmanager
def _prices(url: str) -> Iterator[None]:
    """Change a price every second, and say so as the journal does."""
    over = threading.Event()
    engine = connect(url)

    def change() -> None:
        number = 0
        while not over.wait(EVERY):
            number += 1
            with engine.begin() as connection:
                moved = {"price": 60000 + number % 100, "symbol": PRODUCTS[number % len(PRODUCTS)]}
                connection.execute(text("UPDATE quotes SET price = :price WHERE symbol = :symbol"), moved)
                connection.execute(text("SELECT pg_notify(:where, :account)"), {"where": CHANNEL, "account": ACCOUNT})

    thread = threading.Thread(target=change)
    thread.start()
    yield
    over.set()
    thread.join()
    engine.dispose()


if __name__ == "__main__":
    main()
