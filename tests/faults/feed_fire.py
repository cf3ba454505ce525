"""A real feed on a local exchange that goes wrong: real sockets, and what reaches the core and the journal."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from actors.feed import Feed
from actors.feed_reader import LineOptions, SocketLine
from actors.feed_state import FeedOptions, FeedState, subscriptions
from actors.messages import FeedUp, Gap, Trades
from actors.runtime.behaviour import Role
from actors.runtime.post import Post
from actors.runtime.threads import OwnThread, utc_now
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed

BTC, ETH = "BTC-USD", "ETH-USD"
BOTH = (BTC, ETH)
PATIENCE = 60.0
START = 1_767_225_600 * 10**9
SPEED = 20.0
"""Exchange seconds a wall second; a trade a second of each product."""


class Mailbox:
    """An address that keeps what it is told, and can be waited for."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = threading.Condition()

    def tell(self, message: Any) -> None:
        """Keep a message."""
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait(self, met: Callable[[list[Any]], Any], what: str) -> list[Any]:
        """Wait until all that came so far is as wanted, and return it."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not met(self.messages):
                left = deadline - time.monotonic()
                assert left > 0, f"never came: {what}; the last were {self.messages[-5:]}"
                self._changed.wait(left)
            return list(self.messages)

    def of(self, *kinds: type) -> list[Any]:
        """Return what came of these kinds so far."""
        with self._changed:
            return of(self.messages, *kinds)


def of(messages: Iterable[Any], *kinds: type) -> list[Any]:
    """Return the messages of these kinds."""
    return [message for message in messages if isinstance(message, kinds)]


class Following:
    """A feed on its own thread. A context manager; as it is entered, the feed is up and trades of each product came."""

    def __init__(
        self,
        exchange: LocalExchange,
        products: tuple[str, ...] = BOTH,
        *,
        silence: float = PATIENCE,
        options: FeedOptions = FeedOptions(clock="venue", heartbeat_seconds=PATIENCE),  # noqa: B008  immutable
    ) -> None:
        """`silence`: wall seconds without a frame after which the connection counts as dead."""
        self.exchange, self.products = exchange, products
        self.core, self.journal, post = Mailbox(), Mailbox(), Post()
        post.bind("core", self.core)
        post.bind("journal", self.journal)
        line = SocketLine(
            exchange.ws_url, subscriptions(products), lambda message: post.send("reader", "feed", message),
            clock=utc_now, monotonic=time.monotonic, options=LineOptions(silence=silence, pause=0.0),
        )  # fmt: skip

        def make(state: FeedState) -> Feed:
            return Feed(products, line, jitter=lambda: 0.5, options=options, state=state)

        self._actor = OwnThread(Role(name="feed", make=make, state=FeedState()), post)

    def __enter__(self) -> "Following":
        self._actor.start(timeout=PATIENCE)
        try:
            self.up(1)
            self.trades_of(*self.products)
        except BaseException:  # without __exit__ nobody else would stop it
            self._actor.stop(timeout=PATIENCE)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._actor.stop(timeout=PATIENCE)

    def up(self, times: int) -> None:
        """Wait until the feed has come up so often."""
        self.core.wait(lambda messages: len(of(messages, FeedUp)) >= times, f"FeedUp number {times}")

    def trades_of(self, *products: str, count: int = 5) -> list[Any]:
        """Wait for so many further live trades of each product; return all that came so far."""
        seen = len(self.core.messages)
        return self.core.wait(
            lambda messages: all(len(live(messages[seen:], each)) >= count for each in products),
            f"{count} trades of {', '.join(products)}",
        )


def live(messages: Iterable[Any], product: str) -> list[Any]:
    """Return the trades of a product seen live."""
    found = [each for each in of(messages, Trades) if each.symbol == product and each.source == "feed"]
    return [tick for each in found for tick in each.ticks]


def whole(messages: Iterable[Any], products: Iterable[str] = BOTH) -> None:
    """Every trade came once; where ids are missing, a Gap had told of it before the next trade."""
    for product in products:
        seen: set[int] = set()
        last: int | None = None
        told = False
        for message in messages:
            if isinstance(message, Gap) and message.symbol == product:
                told = True
            elif isinstance(message, Trades) and message.symbol == product:
                for tick in message.ticks:
                    assert tick.trade_id not in seen, f"{product} {tick.trade_id} came twice"
                    assert last is None or told or tick.trade_id == last + 1, f"{product}: {last} → {tick.trade_id}"
                    seen.add(tick.trade_id)
                    last = tick.trade_id
                told = False
        assert seen


def market(*products: str, **how: Any) -> SyntheticMarket:
    """Return a synthetic market with a trade of each product a second."""
    return SyntheticMarket(listed(products or BOTH), how.pop("start", START), rate=how.pop("rate", 1.0), **how)


def exchange_options(**how: Any) -> ExchangeOptions:
    """Return options of an exchange on free ports, patient with clients on a loaded machine."""
    limits = {"connections_per_second": 1000, "messages_per_second": 1000, "rest_limit": 500, "rest_burst": 500}
    own = {"ws_port": 0, "rest_port": 0, "speed": SPEED, "subscribe_within": PATIENCE}
    return ExchangeOptions(**own | limits | how)
