"""What the feed knows, and the choices it is given."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from actors.feed_clock import MarketClock, Quarantine
from actors.feed_reader import Subscription
from actors.feed_trades import TradeMemory

_NO_ALIAS = ("USDT-USDC", "EURC-USDC")


class FeedOptions(msgspec.Struct, frozen=True):
    """`clock` wall: drift against this machine's clock is measured and gates entries, and timestamps too far ahead are
    held back. venue: compressed time, neither.

    `silence_seconds`: how often the reader is looked after. `heartbeat_seconds`: without a heartbeat for so long the
    exchange counts as dead, also when other frames come. `acknowledge_seconds`: by then all channels must be
    acknowledged.
    """

    clock: Literal["wall", "venue"] = "wall"
    silence_seconds: float = 5.0
    heartbeat_seconds: float = 15.0
    max_drift_seconds: float = 5.0
    acknowledge_seconds: float = 10.0
    shortest_backoff: float = 0.25
    longest_backoff: float = 30.0
    refusals: int = 3
    """Connections in a row that leave a product out, after which the feed goes on without it."""
    ask_again_seconds: float = 3600.0
    """How long it goes on so before it connects anew to ask for that product again."""
    steady_seconds: float = 30.0
    """A connection that has been up for so long was a good one: the back-off begins anew."""

    def backoff(self, failures: int, jitter: float) -> float:
        """Return the seconds before the next attempt: full jitter, `jitter` in [0, 1) of a limit that doubles.

        Never at once: connections are limited to 8 a second (coinbase.md 1.1).
        """
        return max(0.05, jitter * min(self.longest_backoff, self.shortest_backoff * 2.0 ** min(failures, 20)))


class Best(msgspec.Struct):
    """The last ticker of one product on this connection, and the last trade; `told` is when a Quote was last sent."""

    price: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    at: datetime | None = None
    told: datetime | None = None
    changed: bool = False


class Connection(msgspec.Struct):
    """One connection. Times are wall time; `expected` is the next sequence number, `acknowledged` channel → ids.

    `without` are the products the exchange does not acknowledge, on a connection that is up all the same.
    """

    number: int
    connected: datetime | None = None
    up_since: datetime | None = None
    heartbeat: datetime | None = None
    expected: int | None = None
    acknowledged: dict[str, tuple[str, ...]] = {}
    snapshots: set[str] = set()
    best: dict[str, Best] = {}
    quarantine: Quarantine = msgspec.field(default_factory=Quarantine)
    without: tuple[str, ...] = ()


class FeedState(msgspec.Struct):
    """Everything the feed must not forget. Products are keyed by the id the exchange's frames carry.

    `failures` counts connections lost since a steady one. `refused` is product → connections in a row that have left it
    out. `handed_over`: trades or a snapshot have gone out since the
    last Gap. `newest` is market time as far as the core was told: the newest trade or heartbeat. `drifting` is None
    until drift was measured. `alerted` is when an alert of each kind last went out.
    """

    connection: Connection = msgspec.field(default_factory=lambda: Connection(1))
    memories: dict[str, TradeMemory] = {}
    clock: MarketClock = msgspec.field(default_factory=MarketClock)
    failures: int = 0
    down_reason: str | None = None
    handed_over: bool = False
    newest: datetime | None = None
    drifting: bool | None = None
    malformed: int = 0
    refused: dict[str, int] = {}
    alerted: dict[str, datetime] = {}


def canonical(product_id: str) -> str:
    """Return the id under which frames carry a product: market data of X-USDC comes as X-USD (coinbase.md 0.9)."""
    if product_id.endswith("-USDC") and product_id not in _NO_ALIAS:
        return product_id.removesuffix("C")
    return product_id


def by_canonical(product_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the ids of frames → the configured products they are about, in order."""
    names: dict[str, tuple[str, ...]] = {}
    for product_id in dict.fromkeys(product_ids):
        names[canonical(product_id)] = (*names.get(canonical(product_id), ()), product_id)
    return names


def subscriptions(product_ids: Iterable[str], booked: Iterable[str] = ()) -> tuple[Subscription, ...]:
    """Return what to ask for, `booked` being the products whose order book is wanted.

    Trades come last: by then heartbeats run, and the best bid and ask and the books are known.
    """
    ids, books = tuple(dict.fromkeys(product_ids)), tuple(dict.fromkeys(booked))
    level2 = (Subscription("level2", books),) if books else ()
    return Subscription("heartbeats"), Subscription("ticker", ids), *level2, Subscription("market_trades", ids)


def missing(
    acknowledged: Mapping[str, Iterable[str]], product_ids: Iterable[str], booked: Iterable[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return channel → products asked for and not acknowledged; heartbeats stands for itself (coinbase.md 0.4)."""
    lacking: dict[str, tuple[str, ...]] = {}
    if "heartbeats" not in acknowledged:
        lacking["heartbeats"] = ("heartbeats",)
    product_ids = tuple(product_ids)
    for channel, wanted in (("ticker", product_ids), ("level2", tuple(booked)), ("market_trades", product_ids)):
        held = {canonical(product_id) for product_id in acknowledged.get(channel, ())}
        absent = tuple(product_id for product_id in wanted if canonical(product_id) not in held)
        if absent:
            lacking[channel] = absent
    return lacking


def listed(lacking: Mapping[str, tuple[str, ...]]) -> str:
    """Return what is lacking as text: `heartbeats; market_trades of BTC-USD, ETH-USD`."""
    return "; ".join(
        channel if ids == (channel,) else f"{channel} of {', '.join(ids)}" for channel, ids in lacking.items()
    )
