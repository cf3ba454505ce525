"""The whole of ATLAS as processes: a local exchange that plays a held market, a daemon, a database."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
from sqlalchemy import func, select

from actors.system import BEAT_EVERY, STOP_TIMEOUT
from atlas.exchange.local import LocalExchange
from atlas.exchange.times import parse_time
from db.engine import connect, session
from db.models import HealthRow
from db.rebuild import last_market_time
from db.repositories.daemon import market_time
from tests.cli.command import CHECKOUT, Commands
from tests.soak.compare import Away
from tests.soak.market import NAMES, START

PATIENCE = 300.0
"""Seconds anything here may take on a machine that has other things to do."""
LOOK_EVERY = 0.1
ACCOUNT = "soak"
CONFIG = """
[account]
name = "{account}"
starting_equity = "1000000000000"
[strat]
timeframes = ["15m", "1h", "4h", "1d"]
[gates]
off = ["magnitude", "reward_risk", "continuity", "fees"]
[sizing]
position_policy = "unlimited"
max_open_positions = 1000000
max_total_risk = "0.99"
daily_loss = "0.9"
[exits]
scale_out = "0.5"
break_even = "0.5"
trail_after = "0.7"
trail_distance = "0.5"
max_bars = 3
[feed]
clock = "venue"
silence_seconds = {silence}
heartbeat_seconds = {heartbeat}
[upkeep]
audit = false
[exchange]
products = {products}
ws_url = "{ws}"
rest_url = "{rest}"
rest_per_second = 200
"""
"""Every position is as large as the exchange takes, and none is in another's way: what one trigger becomes depends on
no other, so that what a kill made different is that and nothing else."""

_now = select(func.now())


class Market(msgspec.Struct, frozen=True):
    """How far the exchange has come: its time, and whether the market is played to its end."""

    now: datetime
    finished: bool


class Whole:
    """One run into a database of its own. A context manager that leaves nothing running."""

    def __init__(
        self, place: Path, url: str, files: Mapping[str, Path], speed: float,
        *, webhook: str = "", silence: float = 120, more: str = "", exchange: LocalExchange | None = None,
    ) -> None:  # fmt: skip
        """`speed` is exchange seconds a second; `silence` after how many seconds a line is dead; `more` settings.

        `exchange` plays the files already, in this process, so that it can be struck with faults; else it is another.
        """
        place.mkdir(parents=True)
        self.place, self.url, self._silence, self._more = place, url, silence, more
        self.config = place / "atlas.toml"
        self.commands = Commands(place, ATLAS_DATABASE_URL=url, **({"DISCORD_WEBHOOK_URL": webhook} if webhook else {}))
        self.engine = connect(url)
        self._serve = ["exchange", "serve", "--json", "--ws-port", "0", "--rest-port", "0", "--rest-limit", "1000"]
        self._serve += ["--speed", str(speed), "--from", f"{START:%Y-%m-%d}", "--hold"]
        self._serve += [word for name, file in files.items() for word in ("--product", name, "--data", str(file))]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._exchange = exchange
        self.urls = {} if exchange is None else {"ws": exchange.ws_url, "rest": exchange.rest_url}
        self.daemon: subprocess.Popen[bytes]
        self._ended_at: datetime | None = None

    def __enter__(self) -> "Whole":
        if self._exchange is None:
            exchange = self._start("exchange", self._serve, out=subprocess.PIPE)
            assert exchange.stdout is not None
            self.urls = json.loads(exchange.stdout.readline())
        products = json.dumps(list(NAMES))
        more = {"heartbeat": max(60, 2 * self._silence), **self.urls}
        self.config.write_text(
            CONFIG.format(account=ACCOUNT, products=products, silence=self._silence, **more) + self._more,
            encoding="utf-8",
        )
        self.start_daemon()
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.dispose()
        for process in reversed(self._processes):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def start_daemon(self) -> None:
        """Start the daemon; it goes on where the database is."""
        self.daemon = self._start("daemon", ["run", "--config", str(self.config)])

    def killed(self) -> Away:
        """Kill -9 the daemon and start it again; return the time of the market it has not seen."""
        self.daemon.kill()
        self.daemon.wait()
        with session(self.engine) as connection:
            since = last_market_time(connection, ACCOUNT)
        at, before = self.market.now, None
        while at != before:  # Until the exchange has noticed, and the market stands.
            time.sleep(3 * LOOK_EVERY)
            at, before = self.market.now, at
        self.start_daemon()
        return Away(since or START, at)

    def stop(self) -> float:
        """Ask the daemon to stop; return the seconds that took. Raises AssertionError if it did not end well.

        Longer than the daemon gives itself is no fault here: the machine may be busy, and all is committed by then.
        """
        begun = time.monotonic()
        self.daemon.terminate()
        code, took = self.daemon.wait(PATIENCE), time.monotonic() - begun
        assert code == 0 or took > STOP_TIMEOUT, f"the daemon ended with {code}: {self.said()}"
        return took

    @property
    def market(self) -> Market:
        """How far the exchange has come."""
        with urlopen(f"{self.urls['rest']}/local/market", timeout=60) as answer:
            told = json.load(answer)
        return Market(parse_time(told["now"]), told["finished"])

    def reached(self, at: datetime) -> None:
        """Return once the market is at that time, or at its end."""
        self._wait(lambda: (market := self.market).finished or market.now >= at, f"the market reaches {at}")

    def played_out(self) -> bool:
        """Whether the market is at its end and the daemon has committed what came of it."""
        market = self.market
        if not market.finished:
            return False
        with session(self.engine) as connection:
            reached, wall = market_time(connection, ACCOUNT), connection.execute(_now).scalar_one()
            health = select(func.min(HealthRow.updated_at)).where(HealthRow.actor == "journal")
            told = connection.execute(health).scalar_one()
        self._ended_at = self._ended_at or wall
        # The journal writes how the actors are in its turn, behind all that waited before.
        behind = told is None or told < self._ended_at + 2 * timedelta(seconds=BEAT_EVERY)
        return reached is not None and reached >= market.now and not behind

    def to_the_end(self) -> None:
        """Return once all is played out."""
        self._wait(self.played_out, "the market is played out")

    def atlas(self, *argv: str) -> Any:
        """Return what a command prints as JSON, whatever its exit code."""
        return self.commands(*argv, "--json", "--config", str(self.config)).json

    def said(self) -> str:
        """The end of the daemon's log."""
        return (self.place / "daemon.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def _wait(self, condition: Any, what: str) -> None:
        at, since = None, time.monotonic()
        while not condition():
            assert self.daemon.poll() is None, f"the daemon ended with {self.daemon.returncode}: {self.said()}"
            if at != (at := self.market.now):
                since = time.monotonic()  # However slow, it gets on.
            assert time.monotonic() - since < PATIENCE, f"never: {what}\n{self.said()}"
            time.sleep(LOOK_EVERY)

    def _start(self, name: str, argv: list[str], out: int | None = None) -> subprocess.Popen[bytes]:
        with (self.place / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "atlas", *argv],
                cwd=self.place,
                env=self.commands.environ | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.DEVNULL,
                stdout=log if out is None else out,
                stderr=log,
            )
        self._processes.append(process)
        return process
