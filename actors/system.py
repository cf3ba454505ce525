"""The system: every actor of a running ATLAS, in the order they start; they stop in exact reverse.

    recorder ─ journal ─ alerter ─ core (broker, risk monitor, entry monitor, scanners) ─ history ─ feed

Where an actor runs is one line here. This is the one place besides the journal that knows the database.
"""

import gc
import logging
import os
import random
import socket
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from actors.entry_monitor import EntryState
from actors.journal import HealthSeen, Journal, JournalState
from actors.messages import (
    Alert,
    ClosePosition,
    Flatten,
    Flush,
    Halt,
    MarketTime,
    Message,
    Resume,
    decode,
    encode,
)
from actors.opening import CoreAddress, HistoryGate, Ticker
from actors.outer_roles import alerter_role, feed_role, history_role
from actors.paper_broker import BrokerState, Holding
from actors.risk_monitor import DAILY_LOSS, Managed, RiskState
from actors.roles import CoreStates, Decider, core_roles
from actors.route import RISK, route
from actors.runtime.behaviour import Role
from actors.runtime.core import Core
from actors.runtime.policy import Policy
from actors.runtime.post import Post
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.recording import last_number
from actors.runtime.supervisor import Supervisor
from actors.runtime.threads import OwnThread, utc_now
from actors.runtime.watch import Child
from atlas import __version__
from atlas.config import Settings
from atlas.errors import AlreadyRunning, AtlasError, UnavailableError
from atlas.exchange.rest import Rest
from atlas.market.product import Product
from db import rebuild
from db.engine import connect, session
from db.listen import Listener
from db.lock import AccountLock, Holder
from db.migrate import require_current
from db.repositories import commands, daemon, market
from db.repositories.outbox import Outbox
from db.spool import Spool
from db.store import Store
from db.urgent import Urgent
from db.writer import Writer

START_TIMEOUT = 120.0
"""Seconds a child may take to start: the history of a hundred products is several hundred requests."""
STOP_TIMEOUT = 10.0
"""Seconds all of them may take to stop, together."""
BEAT_EVERY = 2.0
RETENTION_EVERY = 3600.0
COMMAND_WAIT = 1.0

_log = logging.getLogger(__name__)


class Places(msgspec.Struct, frozen=True):
    """Where this run keeps things: the database's URL, the recording of the core's inputs, and the journal's spool."""

    database_url: str
    recording: Path
    spool: Path


class System:
    """Everything that runs. `run` starts it, waits for the end, stops it, and returns the exit code."""

    def __init__(self, settings: Settings, places: Places) -> None:
        self._settings, self._places = settings, places
        self._rules = settings.rules()
        self._account = self._rules.account.name
        self._ended = threading.Event()
        self._code = 0
        self._why = ""

    def run(self) -> int:
        """Run until `end` is called or something fatal happens.

        Raises what keeps it from starting: ExchangeError, UnknownProduct, DatabaseError, MigrationPending,
        AlreadyRunning, CredentialError.
        """
        sys.setswitchinterval(0.0005)
        require_current(self._places.database_url)
        at, products = self._look_at_exchange()
        lock = AccountLock(self._places.database_url, self._account, self._holder())
        lock.acquire()
        try:
            return self._run(lock, at, products)
        finally:
            lock.release()

    def end(self, code: int = 0, why: str = "asked to stop") -> None:
        """Ask for an orderly end; from any thread or a signal handler."""
        if not self._ended.is_set():
            self._code, self._why = code, why
            self._ended.set()

    # ── building ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, lock: AccountLock, at: datetime, products: tuple[Product, ...]) -> int:
        settings, places = self._settings, self._places
        engine = connect(places.database_url)
        post = Post()
        supervisor = Supervisor(post, lambda reason: self.end(70, reason))
        spool = Spool(places.spool)
        recorder = Recorder(places.recording, Codec(encode=encode, decode=decode), utc_now)
        urgent = Urgent()
        store = Store(
            Writer(engine, self._account, lock.fence), spool, sync=recorder.sync, renew=lock.renew, urgent=urgent
        )
        store.recover()
        with session(engine) as connection:
            states, before, number = self._states(connection, products)
            number = max(number, last_number(places.recording))
            market.save_products(connection, products, utc_now())
        decider = Decider(self._rules, settings.exchange.products, __version__)
        self._describe(decider)

        core = Core(route, post, recorder, number=number, market_time=before or at)
        for role in core_roles(decider, states):
            core.add(role)
        address = CoreAddress(core, settings.exchange.products)
        post.bind("core", address)
        core.put(MarketTime(at))

        def keep(listed: tuple[Product, ...]) -> None:
            with session(engine) as connection:
                market.save_products(connection, listed, utc_now())

        children: list[Child] = [
            recorder,
            OwnThread(_journal_role(store), post),
            OwnThread(alerter_role(settings, Outbox(engine, self._account, urgent), random.random), post),
            core,
            OwnThread(history_role(settings, self._rest, keep, random.random), post),
            HistoryGate(address),
            OwnThread(feed_role(settings, post, core, random.random), post),
            Ticker("commands", COMMAND_WAIT, lambda: self._take_commands(engine, post)),
            Ticker("retention", RETENTION_EVERY, lambda: self._forget(recorder)),
            Ticker("beat", BEAT_EVERY, lambda: self._beat(engine, lock, core, address, supervisor, post)),
        ]
        started = utc_now()
        try:
            supervisor.start(children, START_TIMEOUT)
            post.send("system", "journal", self._alert("start", started, f"ATLAS {__version__} is running"))
            gc.collect()
            gc.freeze()
            self._ended.wait()
        except AtlasError as error:
            self.end(error.exit_code, f"it could not start: {error}")
            raise
        finally:
            self._stop(supervisor, post, started)
            store.close()
            engine.dispose()
        return self._code

    def _stop(self, supervisor: Supervisor, post: Post, started: datetime) -> None:
        """Tell the owner, then stop all in reverse within one shared deadline."""
        self._ended.set()
        critical = self._code != 0
        try:
            post.send("system", "journal", self._alert("stop", started, f"ATLAS stops: {self._why}", critical))
            post.ask("journal", Flush(), 2.0)
        except (AtlasError, UnavailableError) as error:
            _log.warning("the stop could not be told: %s", error)
        leftovers = supervisor.stop(STOP_TIMEOUT)
        if leftovers and self._code == 0:
            self._code = 70

    def _alert(self, kind: str, started: datetime, text: str, critical: bool = False) -> Alert:
        return Alert(kind, f"{started:%Y%m%dT%H%M%S}", utc_now(), text, critical)

    def _look_at_exchange(self) -> tuple[datetime, tuple[Product, ...]]:
        """Return the exchange's time and the products; an exchange out of reach or an unknown product ends it here."""
        rest = self._rest()
        try:
            return rest.time(), rest.products(self._settings.exchange.products)
        finally:
            rest.close()

    def _rest(self) -> Rest:
        exchange, keys = self._settings.exchange, self._settings.coinbase
        return Rest(
            exchange.rest_url,
            timeout=exchange.rest_timeout_seconds,
            rate=exchange.rest_per_second,
            key=keys.api_key.get_secret_value(),
            secret=keys.api_secret.get_secret_value(),
        )

    def _holder(self) -> Holder:
        return Holder(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            mode=self._rules.mode,
            rules=self._rules.fingerprint(),
        )

    def _describe(self, decider: Decider) -> None:
        """Write down beside the recording what its decisions depend on."""
        self._places.recording.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(decider, order="deterministic"))
        (self._places.recording / "decider.json").write_bytes(text)

    def _states(self, connection: Any, products: tuple[Product, ...]) -> tuple[CoreStates, datetime | None, int]:
        """Return what the core begins with, as committed: states, market time, and the number of the last input."""
        name = self._account
        before, number = rebuild.last_market_time(connection, name), rebuild.last_input(connection, name)
        listed = {product.id: product for product in products}
        found = rebuild.account(connection, name)
        if found is None or before is None:
            return CoreStates(BrokerState(products=listed), RiskState(products=listed)), before, number
        opened = rebuild.open_positions(connection, name)
        holdings = {
            each.position.id: Holding(
                each.position.symbol,
                each.position.side,
                each.position.contracts,
                each.position.entry_price,
                each.position.margin,
                each.position.leverage,
                each.position.liquidation,
                each.position.entry_time,
            )
            for each in opened
        }
        orders = {order.id: order for order in rebuild.resting_orders(connection, name)}
        lasting = {source: reason for source, reason in found.halts.items() if source in ("person", DAILY_LOSS)}
        risk = RiskState(
            account=found.state,
            positions={each.position.id: Managed(each.position, each.changes) for each in opened},
            products=listed,
            halts=lasting,
            halt_count=found.halt_count,
            day=found.day or "",
            day_equity=found.day_start_equity,
            undecided=rebuild.undecided_triggers(connection, name),
        )
        broker = BrokerState(account=found.state, holdings=holdings, orders=orders, products=listed)
        used = rebuild.used_setups(connection, name, before)
        return CoreStates(broker, risk, EntryState(used=used)), before, number

    # ── what goes on beside them ────────────────────────────────────────────────────────────────────────────────────

    def _take_commands(self, engine: Any, post: Post) -> None:
        """Hand the commands that panel and command line have asked for to the risk monitor; wait for the next."""
        with Listener(self._places.database_url, (commands.CHANNEL,)) as listener:
            while not self._ended.is_set():
                with session(engine) as connection:
                    for command in (
                        *commands.unanswered(connection, self._account),
                        *commands.take(connection, self._account),
                    ):
                        self._obey(command, post)
                listener.wait(COMMAND_WAIT)

    def _obey(self, command: commands.Command, post: Post) -> None:
        match command.kind:
            case "halt":
                made: Message = Halt("person", str(command.args.get("reason", "asked")), command.id)
            case "resume":
                made = Resume("person", command.id)
            case "flatten":
                made = Flatten(command.by, command.id)
            case "close":
                made = ClosePosition(str(command.args.get("position", "")), command.by, command.id)
            case _:
                _log.warning("command %d: %r is not known", command.id, command.kind)
                return
        post.send("commands", RISK, made)

    def _forget(self, recorder: Recorder) -> None:
        """Delete the recordings older than the settings keep them."""
        gone = recorder.prune(utc_now(), timedelta(days=self._settings.recorder.days))
        if gone:
            _log.info("recordings deleted after %d days: %s", self._settings.recorder.days, ", ".join(gone))

    def _beat(
        self, engine: Any, lock: AccountLock, core: Core, address: CoreAddress, supervisor: Supervisor, post: Post
    ) -> None:
        """Say that the daemon lives, and how its actors are; hold on to the account's lock."""
        post.send("system", "journal", HealthSeen(tuple(supervisor.health())))
        try:
            lock.renew()
        except AlreadyRunning as error:
            self.end(70, str(error))
            return
        with session(engine) as connection:
            daemon.beat(connection, self._account, lock.fence, core.market_time, address.feed)


def _journal_role(store: Store) -> Role[Any]:
    """Return the role of the one writer; without it ATLAS must not go on."""
    return Role(
        name="journal",
        make=lambda state: Journal(state, store),
        state=JournalState(),
        policy=Policy(limit=5, window=60, action="exit"),
        tail=0,
    )
