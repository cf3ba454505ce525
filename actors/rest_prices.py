"""Prices from REST while the feed is down: the newest trades of the products with open positions, every two seconds.

They drive stops, targets and deadlines until the socket is whole again; nothing is ever entered from them. The risk
monitor says which products (`WatchPrices`) and when it is over. Real trades are asked for, with the exchange's own
numbers and times, so that the core can tell which of them the feed tells again.

One request for each message, as history does; the limit of requests is shared with it. Market time is told too, so that
a deadline comes in a quiet market: a little late, since the exchange answers from a cache (coinbase.md 2).
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

import msgspec

from actors.messages import Alert, MarketTime, Trades, WatchPrices
from actors.runtime.behaviour import AfterWall, Behaviour, Effect, Send
from atlas.errors import AtlasError
from atlas.market.bar import Tick

NAME = "rest_prices"
AFTER, EVERY = 5.0, 2.0
"""Seconds the feed is down before REST is asked, and between two rounds (wall time)."""
CACHED = timedelta(seconds=2)
"""How far market time is kept behind the exchange's clock: it answers with trades up to a second old."""
AHEAD = timedelta(minutes=1)
"""A trade stamped so far ahead of the exchange's own clock is not believed until that has come near it."""
REMEMBERED = 1000
"""Numbers of trades kept of each product; an answer has a hundred at most."""

_log = logging.getLogger(__name__)


class Market(Protocol):
    """What is needed of `atlas.exchange.rest.Rest`. Every method may raise an AtlasError."""

    def time(self) -> datetime:
        """Return the exchange's clock."""

    def recent_trades(self, symbol: str) -> list[Tick]:
        """Return the newest trades, at most a hundred, oldest first."""

    def close(self) -> None:
        """Let the connection go."""


class Ask(msgspec.Struct, frozen=True):
    """Make the next request. `turn` is which of all: one of a watch that is over counts for nothing."""

    turn: int


class PricesState(msgspec.Struct):
    """`since` is product → time of the last trade known, of the products watched. `turn` numbers the requests.

    Of the round under way `as_of` is the exchange's clock, `left` the products still to ask for, `found` what came.
    `known` are the numbers of the trades told, in order. `failing`: the owner has been told that REST does not answer.
    """

    since: dict[str, datetime | None] = {}
    turn: int = 0
    as_of: datetime | None = None
    left: list[str] = []
    found: list[tuple[str, Tick]] = []
    known: dict[str, dict[int, None]] = {}
    failing: bool = False


class RestPrices(Behaviour[PricesState]):
    """See the module. On a thread of its own; its role needs `tail=0`, since `receive` asks the exchange.

    `connect` makes the client, on the actor's own thread. `after` and `every` are seconds of wall time. `believes`:
    trades stamped far ahead of the exchange's clock are held back; not in compressed time.
    """

    def __init__(
        self,
        connect: Callable[[], Market],
        *,
        after: float = AFTER,
        every: float = EVERY,
        believes: bool = True,
        state: PricesState | None = None,
    ) -> None:
        self._connect, self._after, self._every, self._believes = connect, after, every, believes
        self._connected: Market | None = None
        self.state = state or PricesState()

    def resume(self, now: datetime) -> Iterator[Effect]:
        """After a crash go on with a new round, a moment later."""
        if self.state.since:
            yield from self._again()

    def stop(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def receive(self, now: datetime, message: Any) -> Iterator[Effect]:
        """Handle WatchPrices and own timers."""
        match message:
            case WatchPrices(since=since):
                yield from self._watch(since)
            case Ask(turn=turn):
                if turn == self.state.turn:
                    yield from self._ask(now)
            case _:
                raise TypeError(f"{NAME} does not know {type(message).__name__}")

    def _watch(self, since: dict[str, datetime | None]) -> Iterator[Effect]:
        """Begin, go on with fewer products, or end."""
        began = not self.state.since and bool(since)
        if began or not since:
            self.state = PricesState(turn=self.state.turn + 1)
        self.state.since = {symbol: self.state.since.get(symbol, at) for symbol, at in since.items()}
        if began:
            yield AfterWall(self._after, Ask(self.state.turn))

    def _ask(self, now: datetime) -> Iterator[Effect]:
        """Make one request: the clock, then the trades of each product; then tell all of them in order of time."""
        state = self.state
        try:
            if state.as_of is None:
                state.as_of, state.left, state.found = self._market().time(), sorted(state.since), []
            else:
                symbol = state.left.pop(0)
                if symbol in state.since:
                    ticks = self._market().recent_trades(symbol)
                    state.found += [(symbol, tick) for tick in self._new(symbol, ticks, state.as_of)]
        except AtlasError as error:
            yield from self._failed(now, error)
            return
        if state.left:
            state.turn += 1
            yield Send(NAME, Ask(state.turn))
            return
        yield from self._told(now, state.as_of)

    def _new(self, symbol: str, ticks: list[Tick], as_of: datetime) -> Iterator[Tick]:
        """The trades not told yet, by their numbers; none that the feed had told before it went down."""
        known, since = self.state.known.setdefault(symbol, {}), self.state.since[symbol]
        for tick in ticks:
            if tick.trade_id in known or (since is not None and tick.time <= since):
                continue
            if not self._believes or tick.time <= as_of + AHEAD:
                known[tick.trade_id] = None
                yield tick
        while len(known) > REMEMBERED:
            del known[next(iter(known))]

    def _told(self, now: datetime, as_of: datetime) -> Iterator[Effect]:
        """Hand the round's trades over, of all products in the order of their times, and then the time."""
        found = sorted(self.state.found, key=lambda one: (one[1].time, one[0], one[1].trade_id))
        for symbol, ticks in groupby(found, key=lambda one: one[0]):
            yield Send("core", Trades(symbol, tuple(tick for _, tick in ticks), "rest"))
        yield Send("core", MarketTime(as_of - CACHED))
        if self.state.failing:
            self.state.failing = False
            text = f"REST answers again: it gives the prices of {self._names} until the feed is back"
            yield _alert("back", now, text)
        yield from self._again()

    def _failed(self, now: datetime, error: AtlasError) -> Iterator[Effect]:
        """Nobody sees the stops now: tell the owner once, and ask again."""
        _log.warning("no prices by REST: %s", error)
        if not self.state.failing:
            self.state.failing = True
            text = f"Feed and REST are both down: nobody sees the stops of {self._names} ({error})"
            yield _alert("down", now, text, critical=True)
        yield from self._again()

    def _again(self) -> Iterator[Effect]:
        """Begin another round after a pause."""
        self.state.turn += 1
        self.state.as_of, self.state.left, self.state.found = None, [], []
        yield AfterWall(self._every, Ask(self.state.turn))

    @property
    def _names(self) -> str:
        return ", ".join(sorted(self.state.since))

    def _market(self) -> Market:
        if self._connected is None:
            self._connected = self._connect()
        return self._connected


def _alert(name: str, now: datetime, text: str, *, critical: bool = False) -> Send:
    return Send("journal", Alert(NAME, f"{name}:{now:%Y%m%dT%H%M%S}", now, text, critical))
