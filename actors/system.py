"""The system: every actor of a running ATLAS, in the order they start; they stop in exact reverse.

    recorder ─ journal ─ alerter ─ core (broker, risk monitor, entry monitor, scanners) ─ history ─ REST prices ─ feed

Where an actor runs is one line here. This is the one place besides the journal that knows the database.
"""

import gc
import logging
import math
import os
import random
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from actors.first_listing import Cached, FirstListing, first_listing
from actors.journal import HealthSeen, Journal, JournalState
from actors.messages import (
    Alert,
    Flush,
    Leased,
    MarketTime,
    ProductsListed,
    decode,
    encode,
)
from actors.opening import CoreAddress, HistoryGate, Ticker
from actors.outer_roles import alerter_role, channel_roles, feed_role, history_role, rest_prices_role
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.behaviour import Role
from actors.runtime.core import Core
from actors.runtime.policy import Policy
from actors.runtime.post import Post
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.retention import DESCRIBED, last_number_of
from actors.runtime.supervisor import Supervisor
from actors.runtime.threads import OwnThread, utc_now
from actors.runtime.watch import Child
from actors.signs import Signs
from actors.system_commands import CommandLine
from actors.system_shard import Shard
from actors.system_states import beginning
from actors.system_upkeep import Upkeep
from atlas import __version__
from atlas.config import Settings
from atlas.errors import AlreadyRunning, AtlasError, UnavailableError
from atlas.exchange.rest import Rest
from atlas.exchange.rest_transport import rate_limit
from atlas.market.product import Product
from atlas.market.signal_pairs import verify
from atlas.supervision import Notify
from db.embedded import EmbeddedServer
from db.engine import connect, session
from db.leases import Leases
from db.lock import AccountLock, Holder
from db.migrate import require_current
from db.repositories import daemon, market
from db.repositories.channel_outbox import ChannelOutbox
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
STATEMENT_TIMEOUT = 15.0
"""Seconds a statement may run: who waits for a silent server (5 s more) must still answer its pulse within 30 s."""
AGAIN = 1.0
"""Seconds after which commands are listened for again where the database has gone away."""
PULSE_EVERY, STALLED_AFTER, HUNG_AFTER = 5.0, 30.0, 60.0
"""Seconds between pulses; without progress until no sign of life is given; and until the process ends."""

_log = logging.getLogger(__name__)


class Places(msgspec.Struct, frozen=True):
    """Where this run keeps things: the database's URL, the recording of the core's inputs, and the journal's spool.

    `disks` are places on every disk that is written to, `audit` the words of the command that audits a recorded day,
    `server` the embedded server, None for one elsewhere.
    """

    database_url: str
    recording: Path
    spool: Path
    disks: tuple[Path, ...] = ()
    audit: Callable[[date], Sequence[str]] | None = None
    server: EmbeddedServer | None = None


class System:
    """Everything that runs. `run` starts it, waits for the end, stops it, and returns the exit code."""

    def __init__(self, settings: Settings, places: Places, notify: Notify) -> None:
        """`notify` is told when all is started, that every actor gets on, and when the end begins."""
        self._settings, self._places, self._notify = settings, places, notify
        self._rules = settings.rules()
        self._account = self._rules.account.name
        self._limit = rate_limit(settings.exchange.rest_per_second)
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
        first = self._look_at_exchange()
        lock = AccountLock(self._places.database_url, self._account, self._holder())
        lock.acquire()
        try:
            return self._run(lock, first)
        finally:
            lock.release()

    def end(self, code: int = 0, why: str = "asked to stop") -> None:
        """Ask for an orderly end; from any thread or a signal handler."""
        if not self._ended.is_set():
            self._code, self._why = code, why
            self._ended.set()

    # ── building ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, lock: AccountLock, first: FirstListing) -> int:
        settings, places = self._settings, self._places
        engine = connect(places.database_url, statement_timeout=STATEMENT_TIMEOUT)
        post = Post()
        signs = Signs(self._notify, lambda: address.feed, settings.upkeep.ping_url.get_secret_value())
        supervisor = Supervisor(
            post,
            lambda reason: self.end(70, reason),
            pulse_every=min(PULSE_EVERY, (self._notify.watchdog or math.inf) / 3),
            stalled_after=STALLED_AFTER,
            hung_after=HUNG_AFTER,
            on_beat=signs.beat,
        )
        spool = Spool(places.spool)
        recorder = Recorder(places.recording, Codec(encode=encode, decode=decode), utc_now)
        urgent = Urgent()
        writer = Writer(engine, self._account, lock.fence, settings.shard.group, told=settings.discord.on)
        store = Store(writer, spool, sync=recorder.sync, renew=lock.renew, urgent=urgent)
        store.recover()
        with session(starting := connect(places.database_url)) as connection:
            begins = beginning(connection, self._account, first.products, first.at or utc_now())
            number = max(begins.number, last_number_of(places.recording.parent))
            if first.at is not None:
                market.save_products(connection, first.products, utc_now())
        starting.dispose()
        decider = Decider(self._rules, settings.exchange.watched, __version__)
        self._describe(decider)

        core = Core(route, post, recorder, number=number, market_time=begins.market_time or first.at)
        for role in core_roles(decider, begins.states, shows=True):
            core.add(role)
        # Without REST there are no candles: the feed's trades watch what is open, and what was missed comes late.
        down = begins.downtime(settings.exchange.watched, late=first.at is None)
        address = CoreAddress(core, settings.exchange.watched, settles=down is not None)
        post.bind("core", address)
        shard = self._shard(post)
        if shard is not None:
            core.put(Leased(()))
        if first.at is None:
            core.put(ProductsListed(first.products))
        elif down is None:
            # Else time goes on with the candles of what was missed, so that all of it comes in order.
            core.put(MarketTime(first.at))

        def keep(listed: tuple[Product, ...]) -> None:
            with session(engine) as connection:
                market.save_products(connection, listed, utc_now())

        def channel_outbox(channel: str) -> ChannelOutbox:
            return ChannelOutbox(engine, self._account, channel)

        asked = CommandLine(places.database_url, engine, self._account, post)
        upkeep = Upkeep(self._account, places.recording, places.disks, places.audit, places.server)
        chance = random.random  # spreads the attempts of what waits for the outside; the core, which decides, has none
        children: list[Child] = [
            recorder,
            OwnThread(_journal_role(store), post),
            OwnThread(alerter_role(settings, Outbox(engine, self._account, urgent), chance), post),
            *(OwnThread(role, post) for role in channel_roles(settings, channel_outbox, chance)),
            core,
            *(shard.children() if shard is not None else ()),
            OwnThread(history_role(settings, self._rest, keep, first.before, chance, down), post),
            OwnThread(rest_prices_role(settings, self._rest), post),
            HistoryGate(address, waits=first.at is not None),
            OwnThread(feed_role(settings, post, core, chance), post),
            Ticker("commands", AGAIN, lambda: asked.take(self._ended)),
            *upkeep.children(settings, engine, post, signs, lambda: store.spool_empty),
            Ticker("beat", BEAT_EVERY, lambda: self._beat(engine, lock, core, address, supervisor, post, store)),
        ]
        started = utc_now()
        try:
            supervisor.start(children, START_TIMEOUT)
            post.send("system", "journal", self._alert("start", started, self._began(first), bool(first.why)))
            gc.collect()
            gc.freeze()
            self._notify.ready(f"running, feed {address.feed}")
            self._ended.wait()
        except AtlasError as error:
            self.end(error.exit_code, f"it could not start: {error}")
            raise
        finally:
            self._stop(supervisor, post, started)
            if shard is not None:
                shard.release()
            store.close()
            engine.dispose()
        return self._code

    def _shard(self, post: Post) -> Shard | None:
        """Return this daemon's part of a group, None where it shares with nobody."""
        settings = self._settings
        if not settings.shard.group:
            return None
        leases = Leases(
            self._places.database_url,
            settings.shard.group,
            self._account,
            settings.exchange.products,
            settings.shard.prefer,
        )
        return Shard(leases, post)

    def _stop(self, supervisor: Supervisor, post: Post, started: datetime) -> None:
        """Tell the owner, then stop all in reverse within one shared deadline."""
        self._ended.set()
        self._notify.stopping(f"stopping: {self._why}")
        critical = self._code != 0
        try:
            post.send("system", "journal", self._alert("stop", started, f"ATLAS stops: {self._why}", critical))
            post.ask("journal", Flush(), 2.0)
        except (AtlasError, UnavailableError) as error:
            _log.warning("the stop could not be told: %s", error)
        leftovers = supervisor.stop(STOP_TIMEOUT)
        if leftovers and self._code == 0:
            self._code, self._why = 70, f"{self._why}; not stopped in time: {', '.join(leftovers)}"
        _log.log(logging.ERROR if self._code else logging.INFO, "ATLAS ends, exit code %d: %s", self._code, self._why)

    def _alert(self, kind: str, started: datetime, text: str, critical: bool = False) -> Alert:
        return Alert(kind, f"{started:%Y%m%dT%H%M%S}", utc_now(), text, critical)

    def _look_at_exchange(self) -> FirstListing:
        """Return the products, from the exchange or from the cache; without either, or an unknown one, it ends here."""
        exchange = self._settings.exchange
        rest, engine = self._rest(), connect(self._places.database_url)

        def cached() -> Cached:
            with session(engine) as connection:
                return market.products(connection)

        try:
            first = first_listing(rest, exchange.watched, cached, utc_now(), exchange.listing_days)
        finally:
            rest.close()
            engine.dispose()
        verify(exchange.signal_products, {product.id: product for product in first.products})
        return first

    def _began(self, first: FirstListing) -> str:
        """Say what runs: the product of each trade, that of its signals, and whose prices they are (lesson 53)."""
        exchange = self._settings.exchange
        pairs = exchange.signal_products
        traded = [f"{name} by signals of {pairs[name]}" if name in pairs else name for name in exchange.products]
        prices = f"{exchange.ws_url} and {exchange.rest_url}"
        text = f"ATLAS {__version__} is running: {', '.join(traded)}; prices of {prices}"
        if not first.why:
            return text
        return f"{text}. REST is down ({first.why}): products are as last listed, nothing is entered until it is back"

    def _rest(self) -> Rest:
        exchange, keys = self._settings.exchange, self._settings.coinbase
        return Rest(
            exchange.rest_url,
            timeout=exchange.rest_timeout_seconds,
            rate=exchange.rest_per_second,
            key=keys.api_key.get_secret_value(),
            secret=keys.api_secret.get_secret_value(),
            limit=self._limit,
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
        (self._places.recording / DESCRIBED).write_bytes(text)

    # ── what goes on beside them ────────────────────────────────────────────────────────────────────────────────────

    def _beat(
        self,
        engine: Any,
        lock: AccountLock,
        core: Core,
        address: CoreAddress,
        supervisor: Supervisor,
        post: Post,
        store: Store,
    ) -> None:
        """Say that the daemon lives, and how its actors are; hold on to the account's lock."""
        post.send("system", "journal", HealthSeen(tuple(supervisor.health())))
        try:
            lock.renew()
        except AlreadyRunning as error:
            self.end(70, str(error))
            return
        measures = {
            "inputs": core.number,
            "trades": address.trades,
            "gaps": address.gaps,
            "feed_downs": address.downs,
            "commits": store.commits,
            "spool_bytes": store.spool_bytes,
        }
        with session(engine) as connection:
            daemon.beat(connection, self._account, lock.fence, core.market_time, address.feed, measures)


def _journal_role(store: Store) -> Role[Any]:
    """Return the role of the one writer; without it ATLAS must not go on."""
    return Role(
        name="journal",
        make=lambda state: Journal(state, store),
        state=JournalState(),
        policy=Policy(limit=5, window=60, action="exit"),
        tail=0,
    )
