"""What is told to the core by name: the tick path on the thread that brings it, all else on the core's own."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages import FeedDown, FeedUp, Gap, MarketTime, Trades
from actors.opening import CoreAddress
from actors.runtime import Behaviour, Core, Effect, Post, Sink, Step
from actors.runtime.kit import role_of
from atlas.market.bar import Tick

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Nothing(msgspec.Struct):
    pass


class Noting(Behaviour[Nothing]):
    """Notes on which thread it is handed what."""

    def __init__(self) -> None:
        self.state = Nothing()
        self.seen: dict[type, int] = {}

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        self.seen[type(message)] = threading.get_ident()
        return ()


def test_trades_and_market_time_are_taken_where_they_come_from_and_all_else_by_the_core_s_thread() -> None:
    noting, post = Noting(), Post()
    post.bind("journal", Sink())
    post.bind("supervisor", Sink())
    core = Core(lambda message: [Step(None, "noting", message)], post)
    core.add(role_of("noting", noting))
    address = CoreAddress(core, ["BTC-USD"])
    core.start(timeout=30)
    address.tell(Trades("BTC-USD", (Tick(1, NOON, Decimal(1), Decimal(2)),)))
    address.tell(MarketTime(NOON))
    here = {Trades: threading.get_ident(), MarketTime: threading.get_ident()}
    assert noting.seen == here
    for message in (FeedUp(NOON), Gap("BTC-USD", None, "lost", reconnect=True), FeedDown("gone")):
        address.tell(message)
    assert core.stop(timeout=30)
    assert {FeedUp, Gap, FeedDown} <= set(noting.seen)
    assert threading.get_ident() not in {noting.seen[kind] for kind in (FeedUp, Gap, FeedDown)}
    assert (address.trades, address.gaps, address.downs, address.feed) == (1, 1, 1, "down: gone")
