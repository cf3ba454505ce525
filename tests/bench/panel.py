"""How fast the panel answers with 10,000 trades and 5 million candles in the database. Run by `scripts/bench panel`.

Each page and its JSON are asked for in turn, over loopback, by somebody who has logged in; the median counts, and the
CPU time of panel and database is told beside it, because on a busy machine the median tells of the others as well. The
first look after a close at the pages that keep something is a figure of its own. Then the pages again while viewers
listen, each of whom fetches the overview whenever a price changes; and from a price's commit to a Chromium's screen.

A database made once can be kept (`--keep DIRECTORY`) and is used again by the next run, to which this one adds trades.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import quote

from flask import Flask
from sqlalchemy import text

from db import migrate
from db.embedded import EmbeddedServer
from db.engine import connect
from tests.bench.figure import Figure, tell
from tests.bench.panel_asker import Asker, Cost
from tests.bench.panel_database import close_another, fill
from tests.bench.panel_live import prices, seconds_to_the_screen, viewers
from tests.bench.panel_market import ENDS
from tests.web.scene import dispose, make_panel, served, session_cookie
from web.panel import PAGES

NAME = "panel"
MOST = 150.0
"""Milliseconds, median (issue: a page answers in under 150 ms)."""
SLOWER = 1.5
"""How much slower pages may be while all viewers listen."""
LISTENED = 10.0
"""Seconds that nobody but the viewers asks, to see what they take."""
CORES = 0.25
"""How much of a core they may take, panel and database together, with a change every second."""
SHOWN = 2.0
"""Seconds from the commit to the screen (issue: 2 s after the event is the aim)."""


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
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # A line for each request would be measured too.
    with ExitStack() as stack:
        place = wanted.keep or Path(stack.enter_context(TemporaryDirectory()))
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)  # As root, Postgres runs as somebody else, who has to get in.
        server = EmbeddedServer(place / "postgres", fsync=False)
        server.start()
        stack.callback(server.stop, force=True)
        url = _database(server, wanted.trades, wanted.candles)
        panel = make_panel(url, clock=lambda: ENDS, viewers=wanted.viewers + 1)
        stack.callback(dispose, panel)
        site = stack.enter_context(served(panel))
        measured = Measured(panel, site, url, server.status().pid or 0, wanted.rounds)
        figures = measured.database(), measured.first_looks(), measured.pages(wanted.viewers), measured.live()
        good = tell(chain.from_iterable(figures), wanted.json)
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


class Measured:
    """The figures of a panel over a filled database."""

    def __init__(self, panel: Flask, site: str, url: str, postmaster: int, rounds: int) -> None:
        self._panel, self._site, self._url, self._rounds = panel, site, url, rounds
        self._cookie = session_cookie(panel)
        self._asker = Asker(site, f"{self._cookie['name']}={self._cookie['value']}", postmaster)
        self._trade = ""

    def database(self) -> Iterator[Figure]:
        """How much is in it."""
        counts = "SELECT (SELECT count(*) FROM positions), (SELECT count(*) FROM candles), id FROM positions LIMIT 1"
        engine = connect(self._url)
        with engine.connect() as connection:
            trades, candles, trade = connection.execute(text(counts)).one()
        engine.dispose()
        self._trade = quote(trade, safe="")
        yield Figure("panel", "trades in the database", trades, "trades")
        yield Figure("panel", "candles in the database", candles, "candles")

    def first_looks(self) -> Iterator[Figure]:
        """The pages that keep something, as the panel has just started, and after each of some closes."""
        begun = self._asker.cpu()
        yield Figure("panel", "performance: the first since the start", self._asker.ask("/performance"), "ms")
        yield Figure("panel", "performance: the first since the start, CPU", self._asker.cpu() - begun, "ms")
        engine = connect(self._url)
        for path in ("/performance", "/signals"):
            taken, used = [], 0.0
            for _ in range(self._rounds):
                close_another(engine)
                begun = self._asker.cpu()
                taken.append(self._asker.ask(path))
                used += self._asker.cpu() - begun
            yield from _figures(f"{path[1:]}: the first after a close", Cost(median(taken), used / self._rounds))
        engine.dispose()

    def pages(self, count: int) -> Iterator[Figure]:
        """Each page and its JSON, alone and among live viewers."""
        alone = {}
        for page in PAGES:
            path, json = (each.replace("<id>", self._trade) for each in (page.path, page.api_path))
            alone[path] = self._asker.cost(path, self._rounds)
            yield from _figures(f"{page.name}: page", alone[path])
            yield from _figures(f"{page.name}: JSON", self._asker.cost(json, self._rounds))
        with viewers(self._panel.extensions["broadcast"], self._site, self._asker.cookie, count), prices(self._url):
            begun, since = self._asker.cpu(), time.monotonic()
            time.sleep(LISTENED)
            cores = (self._asker.cpu() - begun) / 1000 / (time.monotonic() - since)
            yield Figure("panel", f"{count} live viewers, of one core", cores, "cores", most=CORES)
            watched = {path: self._asker.cost(path, self._rounds).wall for path in alone}
        again = {path: self._asker.cost(path, self._rounds).wall for path in alone}
        for page, (path, cost) in zip(PAGES, alone.items(), strict=True):
            slower = watched[path] / ((cost.wall + again[path]) / 2)
            yield Figure("panel", f"{page.name}: with {count} live viewers", slower, "times", most=SLOWER)

    def live(self) -> Iterator[Figure]:
        """From the commit of a price to the screen."""
        taken = seconds_to_the_screen(self._url, self._site, self._cookie, self._rounds)
        if taken:
            yield Figure("panel", "from the commit to the screen, median", median(taken), "s", most=SHOWN)
            yield Figure("panel", "from the commit to the screen, slowest", max(taken), "s")


def _figures(what: str, cost: Cost) -> Iterator[Figure]:
    yield Figure("panel", what, cost.wall, "ms", most=MOST)
    yield Figure("panel", f"{what}, CPU", cost.cpu, "ms")


if __name__ == "__main__":
    main()
