"""`atlas demo`: the whole system on one machine: embedded Postgres, a local exchange, the daemon, the panel.

Each run has an account and a database of its own; the paper account is never touched.
"""

import json
import math
import os
import re
import shlex
import shutil
import signal
import socket
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from time import monotonic, sleep
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import click

from atlas.cli.children import Child, typed
from atlas.cli.demo_show import Show, difference, summary_lines
from atlas.cli.options import Choice, ending_signals, listed, shared, uninterrupted
from atlas.cli.output import print_json
from atlas.errors import DatabaseError, DataError, UsageError
from atlas.exchange.times import parse_time

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.results import Summary

PRODUCTS = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE", "SLP-20DEC30-CDE", "XPP-20DEC30-CDE", "ADP-20DEC30-CDE")
SPEED = 3600.0
"""Exchange seconds a wall second: an hour bar closes every second."""
REST_PER_SECOND = 100.0
"""Requests the demo's own exchange allows and the daemon makes: it is ours, and nobody wants to wait."""
SILENCE = 30.0
"""Wall seconds without a frame: on a loaded machine the compressed exchange may pause longer than Coinbase would."""
LOOK_EVERY = 0.25
KEPT = 5
"""Databases of earlier demos that are kept."""
INTERRUPTED = 130
"""The exit code of a command ended by Ctrl-C, as shells have it."""
OWN_NAME = re.compile(r"demo-\d{8}-\d{6}-\d+")


@click.command()
@shared
@click.option("--seconds", type=float, help="End by itself after so many seconds of market.")
@click.option("--data", type=click.Path(path_type=Path), help="Play this file of 1m candles or trades.")
@click.option("--product", help="The product the file is played as, or those of the synthetic market (commas).")
@click.option("--from", "from_", metavar="TIME", help="Play the file from this UTC date or ISO time on.")
@click.option("--to", metavar="TIME", help="Play the file up to this UTC date or ISO time, exclusive.")
@click.option("--timeframes", help="Detection timeframes, e.g. 15m,1h,4h,1d.")
@click.option("--gates-off", help="Gates to switch off, e.g. reward_risk,fees.")
@click.option("--speed", type=float, default=SPEED, show_default=True, help="Exchange seconds per wall second.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the synthetic market.")
@click.option("--round-to-tick", is_flag=True, help="Round the file's prices to the product's own tick.")
@click.option("--hold", is_flag=True, help="The market waits while the daemon is away; the demo then goes on.")
@click.option("--no-web", is_flag=True, help="Without the panel.")
@click.option("--web-port", type=int, default=8080, show_default=True, help="If taken, any free one.")
@click.option("--quiet", is_flag=True, help="Only the summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on stdout, the rest on stderr.")
def demo(choice: Choice, **options: Any) -> None:
    """Run everything on a local exchange and show what happens as it happens. Ctrl-C stops all of it cleanly."""
    sys.exit(_Demo(choice, options).run())


class _Demo:
    """One run of the demo."""

    def __init__(self, choice: Choice, options: dict[str, Any]) -> None:
        self._given, self._options = choice, options
        if options["data"] and not options["product"]:
            raise UsageError("--data needs --product: as which product is the file played? e.g. BIP-20DEC30-CDE")
        if not options["data"] and (options["from_"] or options["to"] or options["round_to_tick"]):
            raise UsageError("--from, --to and --round-to-tick belong to --data FILE")
        self._products = tuple(listed(options["product"])) if options["product"] else PRODUCTS
        self._name = choice.chosen_database or f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
        self._directory = choice.state_dir / "demo" / self._name
        self._asked = False

    def run(self) -> int:
        """Start all, show what happens, stop all in reverse, print the summary."""
        for number in ending_signals():
            signal.signal(number, self._interrupt)
        self._directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.callback(_deafen)
            exchange = self._child(stack, "exchange", self._exchange_argv(), piped=True)
            urls = json.loads(exchange.first_line())
            choice = self._configure(urls)
            url = stack.enter_context(choice.opened(create=True))
            _forget_old(choice)
            self._head(choice, urls)
            try:
                with ExitStack() as running:
                    running.callback(_deafen)
                    self._run(running, choice, url, urls["rest"], exchange)
            except KeyboardInterrupt:
                self._say("stopped by hand")
            try:
                summary = _summary(url, choice.account)
            except DataError:
                self._say("nothing had happened yet")
                return INTERRUPTED
            except DatabaseError:
                self._afterwards()
                raise
        self._tail(summary)
        return 0

    def _run(self, stack: ExitStack, choice: Choice, url: str, rest: str, exchange: Child) -> None:
        """Run panel and daemon and show what is committed, until time is up or the file is played to its end."""
        from db.engine import connect

        engine = connect(url)
        stack.callback(engine.dispose)
        show = Show(engine, choice.account, quiet=self._options["quiet"], err=self._options["as_json"])
        if not self._options["no_web"]:
            port = free_port(self._options["web_port"])
            password = self._set_password()
            self._child(stack, "panel", ["web", "--config", str(self._config), "--port", str(port)])
            self._say(f"panel     http://127.0.0.1:{port}/  password {password}")
        daemon = self._child(stack, "daemon", ["run", "--config", str(self._config)])
        deadline, gone, away, ended = math.inf, False, False, False
        while monotonic() < deadline and not ended:
            if self._asked:
                raise KeyboardInterrupt
            sleep(LOOK_EVERY)
            try:
                show.show_new()
                ended = self._played_out(rest, engine, choice.account)
            except DatabaseError as error:
                # The daemon goes on without it, and so does the demo.
                if not away:
                    self._say(f"database is away, all goes on without entries: {error}")
                away = True
            else:
                if away:
                    self._say("database is back")
                away = False
            if deadline == math.inf and show.seen and self._options["seconds"]:
                deadline = monotonic() + self._options["seconds"]
            if not exchange.alive:
                raise exchange.failure()
            if not daemon.alive and not self._options["hold"]:
                raise daemon.failure()
            if not daemon.alive and not gone:
                go_on = f"{typed()} run --config {shlex.quote(str(self._config))}"
                self._say(f"the daemon is gone and the market waits; go on with:  {go_on}")
            gone = not daemon.alive
        daemon.stop()
        show.show_new()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop by an exception, and remember it: one raised in a hook of the interpreter (a fork's) gets lost."""
        self._asked = True
        raise KeyboardInterrupt

    def _played_out(self, rest: str, engine: "Engine", account: str) -> bool:
        """Whether the file is played to its end and a daemon has committed what came of it."""
        if not self._options["data"]:
            return False
        from db.engine import session
        from db.repositories.daemon import market_time

        try:
            with urlopen(f"{rest}/local/market", timeout=10) as answer:
                market = json.load(answer)
        except OSError:
            return False  # Its process has ended or is slow; the first is told by the caller.
        if not market["finished"]:
            return False
        with session(engine) as connection:
            reached = market_time(connection, account)
        return reached is not None and reached >= parse_time(market["now"])

    # ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _config(self) -> Path:
        return self._directory / "atlas.toml"

    @property
    def _keys(self) -> Path:
        return self._directory / "panel.json"

    def _set_password(self) -> str:
        """Give this run's panel a password of its own and return it."""
        from web.keys import KeyFile

        password = token_urlsafe(9)
        KeyFile(self._keys).set_password(password)
        return password

    def _child(self, stack: ExitStack, name: str, argv: list[str], *, piped: bool = False) -> Child:
        with uninterrupted():
            child = Child(name, argv, self._directory / f"{name}.log", piped=piped)
            stack.callback(child.stop)
        return child

    def _exchange_argv(self) -> list[str]:
        options = self._options
        argv = ["exchange", "serve", "--json", "--ws-port", "0", "--rest-port", "0", "--speed", str(options["speed"])]
        argv += ["--rest-limit", str(REST_PER_SECOND * 2), "--seed", str(options["seed"])]
        for product in self._products:
            argv += ["--product", product]
        if options["data"]:
            argv += ["--data", str(options["data"])]
            argv += ["--from", options["from_"]] if options["from_"] else []
            argv += ["--to", options["to"]] if options["to"] else []
        argv += ["--round-to-tick"] if options["round_to_tick"] else []
        # The market waits for the daemon at the start; with the demo's own --hold it does so again after a kill.
        return [*argv, "--hold"]

    def _configure(self, urls: dict[str, str]) -> Choice:
        """Write the settings of this run to a file of its own, and return the choice of it."""
        overrides: dict[str, Any] = {
            "exchange": {
                "ws_url": urls["ws"],
                "rest_url": urls["rest"],
                "products": list(self._products),
                "rest_per_second": REST_PER_SECOND,
            },
            "feed": {"clock": "venue", "silence_seconds": SILENCE, "heartbeat_seconds": SILENCE * 2},
            "account": {"name": self._name},
            "database": {"name": self._name},
            "web": {"keys": str(self._keys)},
        }
        if self._options["timeframes"]:
            overrides["strat"] = {"timeframes": listed(self._options["timeframes"])}
        if self._options["gates_off"]:
            overrides["gates"] = {"off": listed(self._options["gates_off"])}
        from atlas.cli.settings_text import as_toml

        given = self._given.with_overrides(overrides)
        self._config.write_text(as_toml(given.settings), encoding="utf-8")
        return Choice(self._config)

    # ── what is printed ─────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, text: str) -> None:
        click.echo(text, err=self._options["as_json"])

    def _head(self, choice: Choice, urls: dict[str, str]) -> None:
        from atlas.cli.settings_text import plain

        market = str(self._options["data"] or f"synthetic, seed {self._options['seed']}")
        self._say(f"exchange  {urls['ws']}  {urls['rest']}  ({market}, {self._options['speed']:g} times as fast)")
        self._say(f"database  {choice.database}")
        self._say(f"logs      {self._directory}")
        for key, value, default in difference(plain(choice.settings)):
            self._say(f"setting   {key} = {value}   (default {default})")

    def _tail(self, summary: "Summary") -> None:
        if self._options["as_json"]:
            print_json(summary)
            return
        self._say("")
        for line in summary_lines(summary):
            self._say(line)
        self._afterwards()

    def _afterwards(self) -> None:
        """Say with which commands to look at this run now that its market is gone."""
        self._say("")
        config = shlex.quote(str(self._config))
        self._say(f"{typed()} report --config {config}")
        self._say(f"{typed()} web --config {config}")


def _deafen() -> None:
    """From here on everything is being stopped: a further Ctrl-C would only leave something behind."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN)


def _summary(url: str, account: str) -> "Summary":
    from db.engine import connect, snapshot
    from db.results import summary

    engine = connect(url)
    try:
        with snapshot(engine) as connection:
            return summary(connection, account)
    finally:
        engine.dispose()


def _forget_old(choice: Choice) -> None:
    """Drop the databases of demos that named themselves, except the newest few."""
    server = choice.server
    if server is None:
        return
    own = sorted(name for name in server.databases() if OWN_NAME.fullmatch(name) and name != choice.database)
    for name in own[: -KEPT or None]:
        try:
            server.drop_database(name)
        except DatabaseError as error:
            click.echo(f"atlas: the old database {name} stays: {error}", err=True)
            continue
        for part in ("demo", "recordings", "logs"):
            shutil.rmtree(choice.state_dir / part / name, ignore_errors=True)


def free_port(wanted: int) -> int:
    """Return the port if nobody holds it on loopback, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UsageError(f"no port is free on 127.0.0.1, not even in place of {wanted}")
