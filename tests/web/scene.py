"""A daemon's database as the panel meets it: filled with real events by the journal's own writer."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from sqlalchemy import delete, insert, update
from werkzeug.security import generate_password_hash
from werkzeug.serving import ThreadedWSGIServer, make_server

from actors.messages import (
    AccountOpened,
    EntryTriggered,
    Event,
    HaltChanged,
    PositionClosed,
    PositionOpened,
    Quote,
    SetupsReplaced,
)
from atlas.market.bar import Tick
from atlas.money.book import AccountState, Position
from atlas.strat.context import Context
from atlas.strat.setup import ContinuityReading, Setup, Side
from db.batch import batch_of
from db.engine import connect
from db.models import AccountRow, DaemonRow, HealthRow
from db.repositories import commands
from db.writer import Extras, Writer
from web import PanelConfig, create_app
from web.keys import Keys

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
FRAMES = ("1M", "1w", "1d", "1h")


def reading(side: Side, agree: int = 3) -> ContinuityReading:
    """A continuity reading of the 1h frames."""
    return ContinuityReading(side, "open", FRAMES, FRAMES[:agree], FRAMES[agree:], (), 3)


def position(name: str = "2U-1-2U", side: Side = "long", **changes: Any) -> Position:
    """An open long of 10 contracts of 0.01 BTC: entry 60,000, stop 59,400, target 61,200, so 1 R is 600 or $60."""
    up = 1 if side == "long" else -1
    opened = Position(
        id=f"BIP-20DEC30-CDE:1h:20260701T1000:{name}:{side}",
        symbol="BIP-20DEC30-CDE",
        timeframe="1h",
        setup=name,
        family="2-1",
        side=side,
        contract_size=Decimal("0.01"),
        contracts=Decimal(10),
        entry_contracts=Decimal(10),
        entry_price=Decimal(60000),
        entry_reference=Decimal(60000),
        entry_time=NOW - timedelta(minutes=50),
        stop=Decimal(60000 - up * 600),
        first_stop=Decimal(60000 - up * 600),
        target=Decimal(60000 + up * 1200),
        invalidation=Decimal(60000 - up * 600),
        entry_bar_end=NOW,
        leverage=Decimal("4.1"),
        tier="overnight",
        margin=Decimal("1463.41"),
        liquidation=Decimal("47754"),
        worst=Decimal(59900),
        best=Decimal(60300),
        fees=Decimal("5.70"),
        detection=reading(side),
        at_trigger=reading(side),
        setup_time=NOW - timedelta(hours=2),
        risk_at_entry=Decimal("71.40"),
    )
    return msgspec.structs.replace(opened, **changes)


def closed(opened: Position, at: str, reason: str, gross: str, minutes: int = 10) -> Position:
    """The same position after 40 minutes, with its exit `minutes` before NOW."""
    return msgspec.structs.replace(
        opened,
        entry_time=NOW - timedelta(minutes=minutes + 40),
        contracts=Decimal(0),
        exit_price=Decimal(at),
        exit_time=NOW - timedelta(minutes=minutes),
        exit_reason=reason,
        gross=Decimal(gross),
        fees=Decimal("11.40"),
        margin=Decimal(0),
    )


def setup(trigger: str, side: Side = "long", symbol: str = "BIP-20DEC30-CDE", **changes: Any) -> Setup:
    """A waiting 1h setup with a risk of 300 and a target 450 beyond the trigger."""
    level, up = Decimal(trigger), 1 if side == "long" else -1
    made = Setup(
        id=f"{symbol}:1h:{trigger}:{side}",
        symbol=symbol,
        timeframe="1h",
        name="2D-1-?",
        family="2-1",
        side=side,
        setup_time=NOW - timedelta(hours=1),
        valid_from=NOW,
        valid_until=NOW + timedelta(hours=1),
        trigger=level,
        stop=level - up * 300,
        target=level + up * 450,
        opposite_level=level - up * 300,
        two_sided=True,
        measured=False,
    )
    return msgspec.structs.replace(made, **changes)


def triggered(position: Position) -> EntryTriggered:
    """The trigger a position came from, 10 before its entry."""
    level = position.entry_price - (10 if position.side == "long" else -10)
    cause = setup(str(level), position.side, position.symbol, id=position.id, timeframe=position.timeframe)
    tick = Tick(1, position.entry_time, position.entry_price, Decimal(1))
    return EntryTriggered(
        cause, position.setup, tick, position.detection, position.at_trigger, True, False, rules="abc", version="0"
    )


class Daemon:
    """Writes what a daemon writes, through the journal's own writer, notifications included."""

    def __init__(self, url: str, account: str = "paper") -> None:
        self.account = account
        self.engine = connect(url)
        with self.engine.begin() as connection:
            connection.execute(
                insert(AccountRow).values(name=account, created_at=NOW, fence=1, halts={}, updated_at=NOW)
            )
        self._writer = Writer(self.engine, account, 1)
        self._input = 0

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def write(self, *events: Event, quotes: tuple[Quote, ...] = (), extras: Extras | None = None) -> None:
        """Commit events and quotes, or other `extras`, in one transaction."""
        self._input += 1
        written = self._writer.write([batch_of(events, input=self._input, at=NOW)], extras or Extras(quotes))
        assert written.refused == ()

    def open_account(self, equity: int = 10000, reserved: str = "0") -> None:
        """Deposit."""
        self.write(AccountOpened(NOW, (), AccountState(Decimal(equity), Decimal(reserved))))
        with self.engine.begin() as connection:
            connection.execute(
                update(AccountRow).values(
                    reserved=Decimal(reserved), day="2026-07-01", day_start_equity=Decimal(equity)
                )
            )

    def open(self, *positions: Position) -> None:
        """Open positions, each by its trigger."""
        for position in positions:
            self.write(triggered(position), PositionOpened(position))

    def end(self, position: Position) -> None:
        """Close a position."""
        self.write(PositionClosed(position))

    def quote(self, price: str, symbol: str = "BIP-20DEC30-CDE", seconds: int = 0) -> None:
        """The last price."""
        self.write(quotes=(Quote(symbol, NOW + timedelta(seconds=seconds), Decimal(price)),))

    def wait_for(self, *setups: Setup, verified: bool = True, contexts: dict[str, Context] | None = None) -> None:
        """Replace the setups of one symbol and timeframe; `contexts` are their labels by side."""
        continuity = {"long": reading("long"), "short": reading("short", 1)}
        first = setups[0]
        told = SetupsReplaced(
            first.symbol, first.timeframe, NOW, setups, continuity, verified, contexts=contexts or {}
        )
        self.write(told)

    def halt(self, **halts: str) -> None:
        """Set the halts."""
        self.write(HaltChanged(NOW, halts, 1))

    def beat(self, **changes: Any) -> None:
        """Say that the daemon runs, now."""
        row = {
            "account": self.account, "host": "vps", "pid": 4242, "started_at": NOW - timedelta(hours=9), "version": "0",
            "fence": 1, "mode": "paper", "rules": "abc", "market_time": NOW, "feed": "up", "beat_at": NOW,
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(delete(DaemonRow).where(DaemonRow.account == self.account))
            connection.execute(insert(DaemonRow).values(**{**row, **changes}))

    def health(self, progress: datetime = NOW, **states: str) -> None:
        """One row per actor; `progress` is when they answered their last pulse."""
        with self.engine.begin() as connection:
            for actor, state in states.items():
                connection.execute(
                    insert(HealthRow).values(
                        account=self.account, actor=actor, state=state, waiting=0, restarts=0, updated_at=NOW,
                        last_progress=progress, last_error="it broke" if state != "running" else None,
                    )
                )  # fmt: skip


class Obedient:
    """Answers each command of the account as a daemon does."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._over = daemon, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            with self._daemon.engine.begin() as connection:
                for command in commands.take(connection, self._daemon.account):
                    failed = command.args.get("reason") == "fail"
                    commands.answer(
                        connection, command.id, "failed" if failed else "done", f"{command.kind}: obeyed as asked"
                    )

    def stop(self) -> None:
        """Obey no more."""
        self._over.set()
        self._thread.join(timeout=60)


def busy_day(daemon: Daemon) -> None:
    """Fill the middle of a day: a long and a short open, trades closed, setups waiting, a halt, a lost actor."""
    from tests.web.shown_bars import watched_market  # which needs this file's Daemon

    watched_market(daemon)
    daemon.open_account(10000, reserved="2926.82")
    for minutes, name, at, reason, gross in (
        (250, "3-1-2U", "61200", "target", "120"), (140, "3-2U", "59400", "stop", "-60"),
        (60, "2D-1-1-2U", "60057", "invalidated", "5.70"),
    ):  # fmt: skip
        opened = position(name)
        daemon.open(opened)
        daemon.end(closed(opened, at, reason, gross, minutes))
    daemon.open(
        position(),
        position("3-2U-2D", "short", symbol="ETP-20DEC30-CDE", timeframe="4h", id="eth", leverage=4, tier="overnight"),
    )
    daemon.wait_for(setup("60480"), setup("59950", side="short"), setup("61725.5", name="3-1-1-?"))
    daemon.wait_for(setup("142.385", symbol="SLP-20DEC30-CDE", stop="141.2", target="144.95"), verified=False)
    daemon.quote("60300")
    daemon.quote("60150", symbol="ETP-20DEC30-CDE")
    daemon.beat()
    daemon.halt(person="news at 14:00")
    daemon.health(**{
        "alerter": "running", "discord": "running", "feed": "running", "history": "running", "journal": "running",
        "paper_broker": "running", "risk_monitor": "running", "scanner:BIP-20DEC30-CDE": "running",
        "scanner:SLP-20DEC30-CDE": "retired",
    })  # fmt: skip


PASSWORD = "correct horse battery"
TOKEN = "atlas_token-of-the-tests"
KEYS = Keys(
    session="a secret of the tests alone",
    password=generate_password_hash(PASSWORD, method="scrypt:1024:8:1"),
    tokens={"tests": hashlib.sha256(TOKEN.encode()).hexdigest()},
)


def session_cookie(app: Flask) -> dict[str, str]:
    """Return name and value of the cookie of somebody who has logged in."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    value = serializer.dumps({"_user_id": KEYS.fingerprint, "_fresh": True, "_permanent": True})
    return {"name": app.config["SESSION_COOKIE_NAME"], "value": str(value)}


def csrf_of(html: str) -> str:
    """Return the CSRF token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found is not None
    return found[1]


class OwnersClient(FlaskClient):
    """A test client that has logged in."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        cookie = session_cookie(self.application)
        self.set_cookie(cookie["name"], cookie["value"])


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve a panel over loopback by a threaded server; yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    assert isinstance(server, ThreadedWSGIServer)
    server.daemon_threads = True  # a live stream must not keep the test run from ending
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    app.extensions["broadcast"].close()
    server.shutdown()
    server.server_close()
    thread.join()


def make_panel(url: str, clock: Callable[[], datetime] = lambda: NOW, **settings: Any) -> Flask:
    """Return the application over a database; its test clients have logged in."""
    app = create_app(PanelConfig(**{"database_url": url, "clock": clock, "keys": lambda: KEYS, **settings}))
    app.test_client_class = OwnersClient
    return app


def dispose(app: Flask) -> None:
    """Let go of the application's connections, so that its database can be dropped."""
    app.extensions["broadcast"].close()
    assert app.extensions["broadcast"].join(timeout=20)
    app.extensions["engine"].dispose()
