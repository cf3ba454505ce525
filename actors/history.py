"""History: candles and products from REST, for whoever asks.

One request for each message it handles, so that it answers its pulse between requests; the next step is a message to
itself. What fails is tried again, with a growing and jittered pause, for ever. The exchange's clock is read before the
candles: every trade up to `as_of` is then in them.

The listing is read when `atlas.market.listing_schedule` says so, by the exchange's clock; the pause until then is wall
time. (In compressed time readings are therefore rarer than hourly, and the calendar decides between them.)
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from actors.history_confirm import LOOKS, Check, CheckDue, Pace, due, join
from actors.history_confirm import step as look
from actors.history_listing import Listing, news, read_one
from actors.history_missed import Downtime, following, step
from actors.messages import (
    Alert,
    ConfirmBars,
    FrameBars,
    History,
    HistoryFailed,
    LoadHistory,
    PastBars,
    ProductsListed,
    ReadListing,
)
from actors.runtime.behaviour import AfterWall, Behaviour, Effect, Send
from atlas.errors import AtlasError
from atlas.exchange.rest import PAGE, pages
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.listing_schedule import WHILE_CLOSED, next_reading
from atlas.market.product import Product
from atlas.market.timeframes import base_granularity, period

_log = logging.getLogger(__name__)

NAME = "history"

CLOSED = 60
"""Closed bars loaded of each timeframe: types, setups and runs of inside bars need far fewer."""

CLOSED_MONTHS = 24
"""Of 1M, which is made of days: with these all of 1d, 1w and 1M come in three requests."""

PACE = Pace()

LONGEST_PAUSE = 60.0
SHORTEST_PAUSE = 1.0


class Market(Protocol):
    """What history needs of `atlas.exchange.rest.Rest`. Every method may raise an AtlasError."""

    def time(self) -> datetime:
        """Return the exchange's clock."""

    def product(self, product_id: str) -> Product:
        """Return one product."""

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        """Return the bars that open in [start, end], oldest first."""

    def close(self) -> None:
        """Let the connection go."""


class Step(msgspec.Struct, frozen=True):
    """Do the next request. `turn` is which of all steps: a late one of an earlier chain counts for nothing."""

    turn: int


class ListProducts(msgspec.Struct, frozen=True):
    """Read the products again: it is time, `failures` attempts in a row have failed, or it is `wished`."""

    failures: int = 0
    wished: bool = False


class Load(msgspec.Struct):
    """The candles of one symbol on their way: as of when, and how many of the requests are done."""

    symbol: str
    reason: str
    as_of: datetime | None = None
    done: int = 0
    fetched: dict[str, list[Bar]] = {}
    failures: int = 0


class HistoryState(msgspec.Struct):
    """What is to be done, in order: products, what was missed, candles, and `checks` of bars that have closed.

    `turn` numbers the steps, `walking` says that one is under way. `known` are the products as listed before, in this
    process or an earlier one. `down` is the time in which ATLAS was not there, while something open in it is not
    settled.
    """

    loads: list[Load] = []
    listing: Listing | None = None
    turn: int = 0
    walking: bool = False
    known: dict[str, Product] = {}
    down: Downtime | None = None
    checks: list[Check] = []


class HistoryActor(Behaviour[HistoryState]):
    """See the module. On a thread of its own; its role needs `tail=0`, since `receive` asks the exchange.

    `closed` is timeframe → closed bars wanted; `connect` makes the client, on the actor's own thread; `keep` is given
    each listing, for the cache a start without the exchange falls back to; `expiry_days` is how long before its end a
    product's expiry is announced, once a day; `pace` says when closed bars are looked up; `jitter` gives numbers in
    [0, 1).
    """

    def __init__(
        self,
        product_ids: Iterable[str],
        closed: Mapping[str, int],
        connect: Callable[[], Market],
        *,
        jitter: Callable[[], float],
        keep: Callable[[tuple[Product, ...]], None] | None = None,
        expiry_days: int = 14,
        pace: Pace = PACE,
        state: HistoryState | None = None,
    ) -> None:
        self._product_ids = tuple(dict.fromkeys(product_ids))
        self._closed, self._connect, self._jitter, self._keep = dict(closed), connect, jitter, keep
        self._expiry_days, self._pace = expiry_days, pace
        self._connected: Market | None = None
        self.state = state or HistoryState()

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: datetime) -> Iterator[Effect]:
        """List the products, settle what was missed, then load the candles of each."""
        self.state.listing = Listing()
        self.state.loads = [Load(product_id, "start") for product_id in self._product_ids]
        yield from self._walk()

    def resume(self, now: datetime) -> Iterator[Effect]:
        """After a crash go on with the next step, a moment later; the one that crashed counts for nothing."""
        self.state.walking = False
        yield from self._walk(SHORTEST_PAUSE)

    def stop(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def receive(self, now: datetime, message: Any) -> Iterator[Effect]:
        """Handle LoadHistory, ConfirmBars, and own steps and timers."""
        match message:
            case Step(turn=turn):
                if turn == self.state.turn:
                    yield from self._step(now)
            case LoadHistory(symbol=symbol, reason=reason):
                self._ask(symbol, reason)
                yield from self._walk()
            case ConfirmBars():
                yield AfterWall(self._pace.after, due(message))
            case CheckDue():
                join(self.state.checks, message)
                yield from self._walk()
            case ListProducts(failures=failures, wished=wished):
                self.state.listing = Listing(failures=failures, wished=wished)
                yield from self._walk()
            case ReadListing():
                # A reading under way may be older than the wish; but if it is the regular one, so is what follows it.
                self.state.listing = Listing(wished=self.state.listing is None or self.state.listing.wished)
                self.state.walking = False
                yield from self._walk()
            case _:
                raise TypeError(f"{NAME} does not know {type(message).__name__}")

    def _ask(self, symbol: str, reason: str) -> None:
        """Put a load at the end; one of that symbol not yet begun will do, one under way is older than the wish."""
        state = self.state
        if not any(load.symbol == symbol and load.as_of is None for load in state.loads):
            state.loads.append(Load(symbol, reason))
        # A wish, above all after a reconnect, ends a long pause: what failed then may well succeed now.
        state.walking = False

    def _walk(self, pause: float = 0.0) -> Iterator[Effect]:
        """Arrange for the next step, if there is anything to do and none is under way."""
        state = self.state
        wanted = state.loads or state.checks
        if state.walking or (state.listing is None and state.down is None and not wanted):
            return
        state.walking = True
        state.turn += 1
        yield AfterWall(pause, Step(state.turn)) if pause else Send(NAME, Step(state.turn))

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _step(self, now: datetime) -> Iterator[Effect]:
        """Do one request and arrange for the next."""
        state = self.state
        state.walking = False
        if state.listing is not None:
            yield from self._list(now, state.listing)
        elif state.down is not None and not (state.down.again and state.loads):
            yield from self._settle(state.down)
        elif state.loads:
            try:
                yield from self._load(state.loads[0])
            except AtlasError as error:
                yield from self._failed(state.loads.pop(0), error)
                return
        elif state.checks:
            try:
                yield from self._check(state.checks[0])
            except AtlasError as error:
                yield from self._unchecked(state.checks.pop(0), error)
                return
        yield from self._walk()

    def _check(self, check: Check) -> Iterator[Effect]:
        """Look at the exchange's own candles of bars that closed, in one request."""
        told, again = look(check, self._market(), PAGE)
        if not check.left:
            del self.state.checks[0]
        if told is not None:
            yield Send("core", told)
        if again is not None:
            yield AfterWall(self._pace.again, again)

    def _unchecked(self, check: Check, error: AtlasError) -> Iterator[Effect]:
        """Try again behind the others; after a few times the bars stay unconfirmed, which the ledger shows."""
        if check.failures < LOOKS:
            check.failures += 1
            self.state.checks.append(check)
        else:
            _log.warning("bars of %s stay unconfirmed: %s", check.symbol, error)
        yield from self._walk(SHORTEST_PAUSE)

    def _settle(self, down: Downtime) -> Iterator[Effect]:
        """Ask for what was missed while ATLAS was down. Nothing else is loaded before it is there."""
        try:
            missed = step(down, self._market())
        except AtlasError as error:
            for symbol in down.symbols:
                yield Send("core", HistoryFailed(symbol, str(error)))
            down.failures += 1
            yield from self._walk(self._pause(down.failures - 1))
            return
        if missed is not None:
            self.state.down = following(down, missed)
            yield Send("core", missed)

    def _failed(self, load: Load, error: AtlasError) -> Iterator[Effect]:
        """Tell who waits, and try again after a pause, behind the others."""
        yield Send("core", HistoryFailed(load.symbol, str(error)))
        self.state.loads.append(Load(load.symbol, load.reason, failures=load.failures + 1))
        yield from self._walk(self._pause(load.failures))

    def _pause(self, failures: int) -> float:
        """Return seconds: full jitter up to 2, 4, 8 ... 60."""
        return max(SHORTEST_PAUSE / 2, self._jitter() * min(LONGEST_PAUSE, 2.0 * 2.0 ** min(failures, 10)))

    def _market(self) -> Market:
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def _list(self, now: datetime, listing: Listing) -> Iterator[Effect]:
        """Read the clock or one product. A failure must not keep candles waiting: the whole list is tried again later.

        A product that is not listed, or wrongly, keeps neither itself nor the others from being told.
        """
        state = self.state
        try:
            if listing.as_of is None:
                listing.as_of = self._market().time()
                return
            read_one(listing, self._product_ids[listing.asked], self._market().product)
        except AtlasError as error:
            state.listing = None
            if listing.failures == 0:
                yield _alert("products", now, f"The products could not be read: {error}")
            yield AfterWall(self._pause(listing.failures), ListProducts(listing.failures + 1, listing.wished))
            return
        if listing.asked < len(self._product_ids):
            return
        state.listing = None
        products = listing.found(state.known)
        yield Send("core", ProductsListed(products))
        wait = next_reading(products, listing.as_of) - listing.as_of
        if not listing.wished or wait <= WHILE_CLOSED:  # one wished leaves the regular ones to their time
            yield AfterWall(wait.total_seconds(), ListProducts(wished=listing.wished))
        for told in news(listing, products, state.known, now, self._expiry_days):
            yield Send("journal", told)
        state.known = {product.id: product for product in products}
        yield from self._remember(now, products)

    def _remember(self, now: datetime, products: tuple[Product, ...]) -> Iterator[Effect]:
        """Hand the listing to its cache, which is a convenience: whatever is wrong there stops nothing here."""
        if self._keep is None:
            return
        try:
            self._keep(products)
        except Exception as error:  # see above: told, and nothing stopped
            _log.warning("the products could not be cached", exc_info=error)
            yield _alert("cache", now, f"The products could not be cached: {error}")

    def _load(self, load: Load) -> Iterator[Effect]:
        if load.as_of is None:
            load.as_of = self._market().time()
            return
        plan = requests(self._closed, load.as_of)
        if load.done < len(plan):
            granularity, first, last = plan[load.done]
            bars = self._market().candles(load.symbol, granularity, first, last)
            load.fetched.setdefault(granularity, []).extend(bars)
            load.done += 1
            return
        as_of = load.as_of
        frames = tuple(frame_bars(timeframe, n, load.fetched, as_of) for timeframe, n in self._closed.items())
        self.state.loads.pop(0)
        yield Send("core", History(load.symbol, as_of, frames, load.reason))
        yield Send("journal", PastBars(load.symbol, as_of, frames))


def _alert(name: str, now: datetime, text: str) -> Send:
    return Send("journal", Alert(kind="history", name=f"{name}:{now:%Y%m%dT%H%M%S}", at=now, text=text))


def closed_wanted(timeframes: Iterable[str]) -> dict[str, int]:
    """Return timeframe → closed bars to load, as needed for types, setups and continuity."""
    return {timeframe: CLOSED_MONTHS if timeframe == "1M" else CLOSED for timeframe in timeframes}


def earliest(timeframe: str, closed: int, as_of: datetime) -> datetime:
    """Return the open of the period `closed` periods before the one that contains `as_of`."""
    opened = period(timeframe, as_of)[0]
    for _ in range(closed):
        opened = period(timeframe, opened - timedelta(microseconds=1))[0]
    return opened


def requests(closed: Mapping[str, int], as_of: datetime) -> list[tuple[str, datetime, datetime]]:
    """Return granularity, first and last open of each request; all timeframes made of one granularity share them."""
    since: dict[str, datetime] = {}
    for timeframe, wanted in closed.items():
        granularity, opened = base_granularity(timeframe), earliest(timeframe, wanted, as_of)
        since[granularity] = min(opened, since.get(granularity, opened))
    return [
        (granularity, first, last)
        for granularity, opened in since.items()
        for first, last in pages(granularity, opened, as_of)
    ]


def frame_bars(timeframe: str, closed: int, fetched: Mapping[str, Sequence[Bar]], as_of: datetime) -> FrameBars:
    """Return the newest closed bars of `timeframe`, at most `closed`, and the forming one, as of the exchange's clock.

    Whole by construction: the candles were asked for from a period's open on, so no first bucket is partial. Bars that
    opened after `as_of` are left out.
    """
    since = earliest(timeframe, closed, as_of)
    bars = [bar for bar in fetched.get(base_granularity(timeframe), ()) if since <= bar.open_time <= as_of]
    whole, forming = aggregate(bars, timeframe, starts_whole=True, complete_until=as_of)
    return FrameBars(timeframe, tuple(whole), forming)
