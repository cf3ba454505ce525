"""History: candles and products from REST, for whoever asks.

One request for each message it handles, so that it answers its pulse between requests; the next step is a message to
itself. What fails is tried again, with a growing and jittered pause, for ever. The exchange's clock is read before the
candles: every trade up to `as_of` is then in them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from actors.messages import FrameBars, History, HistoryFailed, LoadHistory, ProductsListed
from actors.runtime.behaviour import AfterWall, Behaviour, Effect, Send
from atlas.errors import AtlasError
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.product import Product
from atlas.market.timeframes import base_granularity, period

NAME = "history"

CLOSED = 60
"""Closed bars loaded of each timeframe: types, setups and runs of inside bars need far fewer."""

CLOSED_MONTHS = 24
"""Of 1M, which is made of days: with these all of 1d, 1w and 1M come in three requests."""

LONGEST_PAUSE = 60.0
SHORTEST_PAUSE = 1.0
REFRESH = 86_400.0
"""Products are read again every day: margin rates and session times move (coinbase.md 3)."""


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


class RefreshProducts(msgspec.Struct, frozen=True):
    """Read the products again."""


class Load(msgspec.Struct):
    """The candles of one symbol on their way: as of when, and the base granularities fetched so far."""

    symbol: str
    reason: str
    as_of: datetime | None = None
    fetched: dict[str, tuple[Bar, ...]] = {}
    failures: int = 0


class Listing(msgspec.Struct):
    """The products on their way."""

    products: tuple[Product, ...] = ()
    failures: int = 0


class HistoryState(msgspec.Struct):
    """What is to be done, in order; products first. `turn` numbers the steps, `walking` says that one is under way."""

    loads: list[Load] = []
    listing: Listing | None = None
    turn: int = 0
    walking: bool = False


class HistoryActor(Behaviour[HistoryState]):
    """See the module. On a thread of its own; its role needs `tail=0`, since `receive` asks the exchange.

    `closed` is timeframe → closed bars wanted; `connect` makes the client, on the actor's own thread; `keep` is given
    each listing, for the cache a start without the exchange falls back to; `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        product_ids: Iterable[str],
        closed: Mapping[str, int],
        connect: Callable[[], Market],
        *,
        jitter: Callable[[], float],
        keep: Callable[[tuple[Product, ...]], None] | None = None,
        state: HistoryState | None = None,
    ) -> None:
        self._product_ids = tuple(dict.fromkeys(product_ids))
        self._closed, self._connect, self._jitter, self._keep = dict(closed), connect, jitter, keep
        self._connected: Market | None = None
        self.state = state or HistoryState()

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: datetime) -> Iterator[Effect]:
        """List the products, then load the candles of each."""
        self.state.listing = Listing()
        self.state.loads = [Load(product_id, "start") for product_id in self._product_ids]
        yield from self._walk()
        yield AfterWall(REFRESH, RefreshProducts())

    def stop(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def receive(self, now: datetime, message: Any) -> Iterator[Effect]:
        """Handle LoadHistory, and own steps and timers."""
        match message:
            case Step(turn=turn):
                if turn == self.state.turn:
                    yield from self._step()
            case LoadHistory(symbol=symbol, reason=reason):
                self._ask(symbol, reason)
                yield from self._walk()
            case RefreshProducts():
                self.state.listing = self.state.listing or Listing()
                yield from self._walk()
                yield AfterWall(REFRESH, RefreshProducts())
            case _:
                raise TypeError(f"{NAME} does not know {type(message).__name__}")

    def _ask(self, symbol: str, reason: str) -> None:
        """Put a load at the end. One of that symbol not yet begun will do; one under way is older than the wish."""
        waiting = [load for load in self.state.loads if load.symbol == symbol]
        if not any(load.as_of is None for load in waiting):
            self.state.loads.append(Load(symbol, reason))
        for load in waiting:
            # A new wish, above all after a reconnect, is a reason not to sit a long pause out.
            load.failures = 0
        if waiting and waiting[0] is self.state.loads[0]:
            self.state.walking = False

    def _walk(self, pause: float = 0.0) -> Iterator[Effect]:
        """Arrange for the next step, if there is anything to do and none is under way."""
        state = self.state
        if state.walking or (state.listing is None and not state.loads):
            return
        state.walking = True
        state.turn += 1
        yield AfterWall(pause, Step(state.turn)) if pause else Send(NAME, Step(state.turn))

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _step(self) -> Iterator[Effect]:
        """Do one request and arrange for the next."""
        state = self.state
        state.walking = False
        try:
            if state.listing is not None:
                yield from self._list(state.listing)
            elif state.loads:
                yield from self._load(state.loads[0])
        except AtlasError as error:
            yield from self._failed(error)
            return
        yield from self._walk()

    def _failed(self, error: AtlasError) -> Iterator[Effect]:
        """Tell who waits, and try again after a pause, what failed behind the rest."""
        state = self.state
        if state.listing is not None:
            attempt: Load | Listing = state.listing
        else:
            load = state.loads.pop(0)
            yield Send("core", HistoryFailed(load.symbol, str(error)))
            attempt = Load(load.symbol, load.reason, failures=load.failures)
            state.loads.append(attempt)
        attempt.failures += 1
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(attempt.failures, 10))
        yield from self._walk(SHORTEST_PAUSE / 2 + self._jitter() * (longest - SHORTEST_PAUSE / 2))

    def _market(self) -> Market:
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def _list(self, listing: Listing) -> Iterator[Effect]:
        product_id = self._product_ids[len(listing.products)]
        listing.products = (*listing.products, self._market().product(product_id))
        if len(listing.products) == len(self._product_ids):
            self.state.listing = None
            if self._keep is not None:
                self._keep(listing.products)
            yield Send("core", ProductsListed(listing.products))

    def _load(self, load: Load) -> Iterator[Effect]:
        if load.as_of is None:
            load.as_of = self._market().time()
            return
        for granularity, start in starts(self._closed, load.as_of).items():
            if granularity not in load.fetched:
                bars = self._market().candles(load.symbol, granularity, start, load.as_of)
                load.fetched[granularity] = tuple(bars)
                return
        frames = tuple(frame_bars(timeframe, wanted, load.fetched, load.as_of) for timeframe, wanted in self._ordered())
        self.state.loads.pop(0)
        yield Send("core", History(load.symbol, load.as_of, frames, load.reason))

    def _ordered(self) -> list[tuple[str, int]]:
        return list(self._closed.items())


def closed_wanted(timeframes: Iterable[str]) -> dict[str, int]:
    """Return timeframe → closed bars to load, as needed for types, setups and continuity."""
    return {timeframe: CLOSED_MONTHS if timeframe == "1M" else CLOSED for timeframe in timeframes}


def starts(closed: Mapping[str, int], as_of: datetime) -> dict[str, datetime]:
    """Return base granularity → from when its candles are needed: one fetch serves all timeframes made of it."""
    earliest: dict[str, datetime] = {}
    for timeframe, wanted in closed.items():
        opened = period(timeframe, as_of)[0]
        for _ in range(wanted):
            opened = period(timeframe, opened - timedelta(microseconds=1))[0]
        granularity = base_granularity(timeframe)
        earliest[granularity] = min(opened, earliest.get(granularity, opened))
    return earliest


def frame_bars(timeframe: str, wanted: int, fetched: Mapping[str, tuple[Bar, ...]], as_of: datetime) -> FrameBars:
    """Return the newest `wanted` closed bars of `timeframe` and the forming one, as of the exchange's clock.

    Whole by construction: the candles were asked for from a period's open on, so no first bucket is partial. Bars that
    opened after `as_of` are left out.
    """
    bars = [bar for bar in fetched[base_granularity(timeframe)] if bar.open_time <= as_of]
    begins = min(starts({timeframe: wanted}, as_of).values())
    whole = [bar for bar in bars if bar.open_time >= begins]
    closed, forming = aggregate(whole, timeframe, starts_whole=True, complete_until=as_of)
    return FrameBars(timeframe, tuple(closed), forming)
