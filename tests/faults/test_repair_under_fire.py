"""Feed, history and core on real sockets under fire: the bars that come of it are the exchange's own."""

import time
from pathlib import Path
from typing import Any

import pytest

from actors.messages import BarClosed, BarContradicted, FeedUp, HoleFound, HoleRepaired
from actors.outer_roles import feed_role, history_role
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.core import Core
from actors.runtime.post import Post
from actors.runtime.threads import OwnThread
from atlas.config import load
from atlas.exchange.local import Fault, LocalExchange
from atlas.exchange.rest import Rest
from atlas.market.bar import Bar
from tests.faults.feed_fire import BOTH, BTC, PATIENCE, Mailbox, exchange_options, market, of

SPEED, RATE = 900.0, 0.1
"""A quarter of an hour of the market a second, ninety trades of each product."""
CONFIG = """
[strat]
timeframes = ["15m"]
[feed]
clock = "venue"
silence_seconds = 30
heartbeat_seconds = 60
[exchange]
products = ["{products}"]
ws_url = "{exchange.ws_url}"
rest_url = "{exchange.rest_url}"
rest_per_second = 400
"""
FAULTS = (
    Fault(kind="gap", count=5),
    Fault(kind="withhold", channel="market_trades", product=BTC, lasts=300),
    Fault(kind="reset"),
    Fault(kind="rest_error", count=4, path="candles"),
    Fault(kind="duplicate", channel="market_trades"),
)

pytestmark = pytest.mark.timeout(300)


class Whole:
    """Core, history and feed as the system has them, with a mailbox for the journal. A context manager."""

    def __init__(self, exchange: LocalExchange, config: Path) -> None:
        config.write_text(CONFIG.format(products='", "'.join(BOTH), exchange=exchange))
        settings, post = load(config), Post()
        self.journal, self.heard = Mailbox(), Mailbox()
        core = Core(route, post)
        for role in core_roles(Decider(settings.rules(), BOTH, "test")):
            core.add(role)
        outer = self.heard

        class Address:
            def tell(self, message: Any) -> None:
                core.put(message)
                outer.tell(message)

        def connect() -> Rest:
            return Rest(exchange.rest_url, rate=400, wait=lambda _: None)

        post.bind("journal", self.journal)
        post.bind("rest_prices", Mailbox())
        post.bind("core", Address())
        self._children = [
            core,
            OwnThread(history_role(settings, connect, lambda _: None, {}, lambda: 0.0), post),
            OwnThread(feed_role(settings, post, core, lambda: 0.0), post),
        ]

    def __enter__(self) -> "Whole":
        for child in self._children:
            child.start(PATIENCE)
        return self

    def __exit__(self, *exc: object) -> None:
        stopped = [child.stop(PATIENCE) for child in reversed(self._children)]
        assert all(stopped)

    def events(self, *kinds: type) -> list[Any]:
        """Return the events of these kinds told to the journal so far."""
        told = (message.events if hasattr(message, "events") else [message] for message in list(self.journal.messages))
        return of((event for events in told for event in events), *kinds)

    def wait(self, met: Any, what: str) -> None:
        """Wait until what is told is as wanted."""
        deadline = time.monotonic() + 2 * PATIENCE
        while not met():
            assert time.monotonic() < deadline, f"never came: {what}"
            time.sleep(0.05)

    def repaired(self) -> bool:
        """Whether the last hole of each product is repaired."""
        last = {each.symbol: type(each) for each in self.events(HoleFound, HoleRepaired)}
        return last == dict.fromkeys(BOTH, HoleRepaired)

    def closed(self) -> int:
        """Return how many bars have closed, or were told anew."""
        return len(self.events(BarClosed))


def shape(bar: Bar) -> tuple[Any, ...]:
    """Without the volume: what was replayed on subscription may be in it or not."""
    return bar.open_time, bar.open, bar.high, bar.low, bar.close


def test_after_losses_of_every_kind_each_bar_is_the_exchanges_own(tmp_path: Path) -> None:
    with LocalExchange(market(rate=RATE), exchange_options(speed=SPEED)) as exchange:
        with Whole(exchange, tmp_path / "atlas.toml") as whole:
            whole.wait(lambda: of(whole.heard.messages, FeedUp), "FeedUp")
            for fault in FAULTS:
                before = whole.closed()
                exchange.strike(fault)
                whole.wait(lambda seen=before: whole.closed() >= seen + 6, "further bars")
            holes = {each.symbol for each in whole.events(HoleFound)}
            whole.wait(whole.repaired, "the last repair")
            before = whole.closed()
            whole.wait(lambda: whole.closed() >= before + 6, "further bars")
        rest = Rest(exchange.rest_url, rate=400)
        try:
            assert holes == set(BOTH)
            assert whole.events(BarContradicted) == []
            assert {each.fault.kind for each in exchange.struck()} == {fault.kind for fault in FAULTS}
            for product in BOTH:
                for timeframe in ("15m", "1h"):
                    closed = [
                        each for each in whole.events(BarClosed)
                        if (each.symbol, each.bar.timeframe) == (product, timeframe) and each.verified
                    ]  # fmt: skip
                    ours = {each.bar.open_time: each.bar for each in closed}
                    theirs = rest.candles(product, timeframe, min(ours), max(ours))
                    assert [shape(ours[bar.open_time]) for bar in theirs] == [shape(bar) for bar in theirs]
                    assert len(ours) == len(theirs)
        finally:
            rest.close()
