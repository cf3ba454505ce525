"""Somebody who has logged in and asks the panel, and what an answer costs: time, and CPU of panel and database."""

import os
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from msgspec import Struct


class Cost(Struct, frozen=True):
    """What an answer takes: median wall time, and the mean of all CPU time, panel and database together; both ms."""

    wall: float
    cpu: float


class Asker:
    """One who has logged in and asks over one connection; `postmaster` is the server whose CPU time counts."""

    def __init__(self, site: str, cookie: str, postmaster: int) -> None:
        self.cookie = cookie
        self._connection = HTTPConnection(urlsplit(site).netloc, timeout=120)
        self._postmaster = postmaster

    def cost(self, path: str, rounds: int) -> Cost:
        """Return what so many answers take, after one that is not counted."""
        self.ask(path)
        begun = self.cpu()
        taken = [self.ask(path) for _ in range(rounds)]
        return Cost(median(taken), (self.cpu() - begun) / rounds)

    def ask(self, path: str) -> float:
        """Ask, read the whole answer and return the milliseconds. Raises RuntimeError for one that is no page."""
        begun = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {said[:200]!r}")
        return (time.perf_counter() - begun) * 1000

    def cpu(self) -> float:
        """Return the CPU time of this process and of the database server so far, ms."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parent, used, of_ended = int(fields[1]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
            if int(stat.parent.name) == self._postmaster:
                ticks += used + of_ended
            elif parent == self._postmaster:
                ticks += used
        return (time.process_time() + ticks / os.sysconf("SC_CLK_TCK")) * 1000
