"""Trades out of frames; which of them are new, and whether any were lost: the feed's memory of trade ids.

The exchange replays recent trades on every subscription, so the same trade comes twice (coinbase.md 1.4). Ids grow; of
spot products they are known to be dense, +1 each, so that a jump means lost trades; of CDE futures this is not known
and has to be seen first.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

import msgspec

from atlas.exchange.wire import AGGRESSOR, MarketTrades
from atlas.market.bar import Tick

REMEMBERED = 1000
"""Trade ids kept of each product at least; the exchange replays fewer."""
SLACK = 100
"""How many more may be kept before the oldest are dropped."""

PROVEN = 1000
"""Ids without a jump after which those of a product count as dense."""

JUMPS = 3
"""Jumps within PROVEN ids after which they do not any more: a product whose ids skip is no hole after hole."""


Quotes = tuple[Decimal | None, Decimal | None]
"""Best bid and ask; None where not known."""


class Printed(msgspec.Struct, frozen=True):
    """Trades of one product in one event of a frame stamped `at`. `snapshot`: printed before the subscription."""

    product_id: str
    at: datetime
    snapshot: bool
    ticks: tuple[Tick, ...]


def printed(
    frame: MarketTrades, product_of: Callable[[str], str | None], quotes: Callable[[str], Quotes]
) -> Iterator[Printed]:
    """Give each product's trades of each event in order, with the quotes as of now.

    Replayed trades are older than any quote we have: theirs are not known. `product_of` gives the product an id stands
    for, None to leave it out.
    """
    for event in frame.events:
        snapshot = event.kind == "snapshot"
        by_product: dict[str, list[Tick]] = {}
        known: dict[str, tuple[list[Tick], Quotes] | None] = {}
        for trade in event.trades:
            if trade.product_id not in known:
                product_id = product_of(trade.product_id)
                known[trade.product_id] = None if product_id is None else (
                    by_product.setdefault(product_id, []), (None, None) if snapshot else quotes(product_id)
                )  # fmt: skip
            if (found := known[trade.product_id]) is not None:
                ticks, (bid, ask) = found
                aggressor = AGGRESSOR.get(trade.side)
                ticks.append(Tick(trade.trade_id, trade.time, trade.price, trade.size, bid, ask, aggressor))
        for product_id, ticks in by_product.items():
            yield Printed(product_id, frame.at or ticks[0].time, snapshot, tuple(ticks))


class TradeMemory(msgspec.Struct):
    """The trades of one product handed over so far.

    `recent` are the last ids in order of arrival, `forgotten` the highest id that has dropped out of them. `dense`:
    whether a jump in ids means a loss, None as long as it is not known. `joined` is False until the first trade on a
    connection: what the ids did meanwhile says nothing about density.
    """

    dense: bool | None
    recent: dict[int, None] = {}
    forgotten: int = -1
    highest: int | None = None
    newest: datetime | None = None
    run: int = 0
    jumps: int = 0
    joined: bool = False

    @classmethod
    def of(cls, product_id: str) -> "TradeMemory":
        """Return an empty memory. Ids of futures are not known to be dense [coinbase.md 7]."""
        return cls(dense=None if product_id.endswith("-CDE") else True)


class NewTrades(msgspec.Struct, frozen=True):
    """Trades not handed over before, oldest first; what was lost before or among them, and since when, if anything.

    `not_dense`: the product's ids have just turned out not to be dense.
    """

    ticks: tuple[Tick, ...]
    lost: str | None = None
    since: datetime | None = None
    not_dense: bool = False


def take(memory: TradeMemory, ticks: Sequence[Tick]) -> NewTrades:
    """Return the new ones among `ticks` and remember them."""
    fresh: list[Tick] = []
    lost: str | None = None
    since: datetime | None = None
    was_dense = memory.dense
    for tick in sorted(ticks, key=lambda tick: (tick.time, tick.trade_id)):
        known = tick.trade_id <= memory.forgotten or tick.trade_id in memory.recent
        if known and memory.newest is not None and tick.time <= memory.newest:
            continue
        hole = _begin_anew(memory, tick) if known else _count(memory, tick.trade_id)
        if hole is not None and lost is None:
            lost, since = hole, memory.newest
        _remember(memory, tick)
        fresh.append(tick)
    return NewTrades(tuple(fresh), lost, since, not_dense=was_dense is True and memory.dense is False)


def leave(memory: TradeMemory) -> None:
    """The connection is gone."""
    memory.joined = False


def _begin_anew(memory: TradeMemory, tick: Tick) -> str:
    """A trade later than all before it with an id from before: the exchange counts from the beginning again."""
    text = f"trade ids began anew: {tick.trade_id} after {memory.highest}"
    memory.recent.clear()
    memory.forgotten, memory.highest, memory.run = -1, None, 0
    return text


def _count(memory: TradeMemory, trade_id: int) -> str | None:
    """Follow the ids; return what was lost, if they are dense and jumped."""
    highest = memory.highest
    if highest is None or not memory.joined or trade_id <= highest:
        return None
    if trade_id == highest + 1:
        memory.run += 1
        if memory.run >= PROVEN:
            memory.jumps = 0
            if memory.dense is None:
                memory.dense = True
        return None
    memory.run = 0
    if memory.dense is None:
        memory.dense = False
    if not memory.dense:
        return None
    memory.jumps += 1
    if memory.jumps >= JUMPS:
        memory.dense = False
    return f"trade ids jumped from {highest} to {trade_id}"


def _remember(memory: TradeMemory, tick: Tick) -> None:
    memory.joined = True
    if memory.highest is None or tick.trade_id > memory.highest:
        memory.highest = tick.trade_id
    if memory.newest is None or tick.time > memory.newest:
        memory.newest = tick.time
    memory.recent[tick.trade_id] = None
    if len(memory.recent) > REMEMBERED + SLACK:  # Many at once: to find a dict's first key again and again is slow.
        forgotten = list(islice(memory.recent, SLACK))
        for oldest in forgotten:
            del memory.recent[oldest]
        memory.forgotten = max(memory.forgotten, *forgotten)
