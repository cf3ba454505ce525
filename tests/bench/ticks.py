"""The tick path: from the frame in the reader's hand to the order at the broker. Run by `scripts/bench ticks`.

The feed on its thread and the core on its own, with the recorder behind it, as in the daemon; the frames are handed
over by this thread at their times, as the socket's reader does, and are not waited for. What is timed is each trade:
from its frame until the core has done everything the trade causes, so the order it triggers is filled by then. Trades
print on ticks around levels with setups, and of the gates that stop an entry few are left: at most five positions.

Coinbase puts the trades of 250 ms into one frame a product; here a frame has one trade at 1,000 a second, which is
harder, and ten at 10,000. At a close the market's clock jumps to the end of the bars, and every product's next trade
closes its own; the trades of the second after it count.

What the bench notes itself is in arrays made beforehand: dicts of a hundred thousand keys, growing, gave the garbage
collector pauses that the daemon does not have. No process can be quicker than the machine lets it: beside each case is
told what its frames take of the processor, and how long they take a lone thread that does nothing but spend as much of
the processor on each, at the same times: what this machine gives anybody then.
"""

import argparse
import gc
import json
import random
import sys
import tempfile
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from actors.feed import Feed
from actors.feed_reader import Connected, FrameArrived
from actors.feed_state import FeedOptions, FeedState
from actors.messages import (
    EventBatch,
    Filled,
    FrameBars,
    History,
    MarketTime,
    ProductsListed,
    Trades,
    decode,
    encode,
)
from actors.opening import CoreAddress
from actors.outer_roles import FEED_TAIL
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.behaviour import Effect, Role
from actors.runtime.core import Core
from actors.runtime.inputs import Waiting
from actors.runtime.post import Post
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.threads import OwnThread, utc_now
from actors.scanner import frames_needed
from atlas.market.bar import Bar
from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.market.timeframes import period
from atlas.rules import AccountRules, GateRules, Rules, SizingRules, StratRules
from tests.bench.figure import Figure, quantile, tell

BEGINS = datetime(2026, 3, 2, 21, 45, tzinfo=UTC)
"""A Monday: with the tenth close after it, that of midnight, every frame but 1w closes."""
FRAMES = ("15m", "1h", "4h", "1d", "1w")
HISTORY = 60


class Timed(Struct, frozen=True):
    """How long trades took, in milliseconds, those that placed an order also by themselves; what was lost.

    `busy` is what each frame took of the processor, in feed and core; `due` the seconds from the begin to each frame.
    """

    every: list[float]
    orders: list[float]
    busy: list[float]
    due: list[float]
    dropped: int


class TimedCore(Core):
    """The core, noting when it is done with each trade, and what of the processor that took."""

    done: dict[str, "array[int]"]
    """By product, at the place of a trade's id; so is `spent`."""
    spent: dict[str, "array[int]"]

    def take(self, waiting: Waiting) -> None:
        """Take an input and note its end."""
        begun = time.thread_time_ns()
        super().take(waiting)
        message = waiting.envelope.message
        if isinstance(message, Trades):
            now, done, spent = time.perf_counter_ns(), self.done[message.symbol], self.spent[message.symbol]
            took = time.thread_time_ns() - begun
            for tick in message.ticks:
                done[tick.trade_id], spent[tick.trade_id] = now, took


class TimedFeed(Feed):
    """The feed, noting what of the processor each frame takes."""

    spent: "array[int]"
    """At the place of a frame's number."""

    def receive(self, now: datetime, message: Any) -> list[Effect]:
        """Take a message and note what it took."""
        begun = time.thread_time_ns()
        effects = list(super().receive(now, message))
        if isinstance(message, FrameArrived):
            self.spent[message.number] = time.thread_time_ns() - begun
        return effects


class Journal:
    """Where the events go: it notes which setups became orders, and forgets the rest."""

    def __init__(self) -> None:
        self.batches: list[tuple[int | None, int]] = []

    def tell(self, message: Any) -> None:
        """Look through a batch."""
        if isinstance(message, EventBatch) and any(isinstance(event, Filled) for event in message.events):
            self.batches.append((message.number, time.perf_counter_ns()))


class Silent:
    """A line that needs no socket: this thread hands the frames over itself."""

    def open(self, connection: int) -> None:
        """See Line."""

    def close(self, connection: int) -> None:
        """See Line."""

    def taken(self, connection: int, number: int) -> None:
        """See Line."""

    def check(self) -> None:
        """See Line."""

    def shut(self) -> None:
        """See Line."""


class Market:
    """Products whose prices walk at random, printed as frames; trade n of all has the time `at(n)`."""

    def __init__(self, products: int, per_frame: int, seed: int) -> None:
        self.names = [f"P{n:03}-USD" for n in range(products)]
        self.products: list[Product] = [structs.replace(built_in("BTC-USD"), id=name) for name in self.names]
        self.chance = random.Random(seed)
        self.prices = dict.fromkeys(self.names, 10_000)
        self.ids = dict.fromkeys(self.names, 0)
        self.per_frame, self.sequence = per_frame, 0

    def history(self, name: str) -> History:
        """Return bars of every frame before the first trade."""
        frames = frames_needed(RULES.strat)
        return History(name, BEGINS, tuple(FrameBars(frame, tuple(self._bars(frame)), None) for frame in frames))

    def _bars(self, frame: str) -> list[Bar]:
        closes, bars = period(frame, BEGINS)[0], list[Bar]()
        for _ in range(HISTORY):
            opened = period(frame, closes - timedelta(microseconds=1))[0]
            low = 9_950 - self.chance.randrange(40)
            high = 10_050 + self.chance.randrange(40)
            first, last = (Decimal(self.chance.randrange(low, high)).scaleb(-2) for _ in range(2))
            bars.insert(0, Bar(frame, opened, closes, first, Decimal(high).scaleb(-2), Decimal(low).scaleb(-2), last,
                               Decimal(100)))  # fmt: skip
            closes = opened
        return bars

    def frame(self, channel: str, events: list[dict[str, Any]], at: datetime) -> bytes:
        """Return the next frame's bytes."""
        sequence, self.sequence = self.sequence, self.sequence + 1
        envelope = {"channel": channel, "timestamp": stamp(at), "sequence_num": sequence, "events": events}
        return json.dumps(envelope, separators=(",", ":")).encode()

    def opening(self) -> list[bytes]:
        """Return the frames after which the feed is up and every product joined."""
        channels = {"heartbeats": ["heartbeats"], "ticker": self.names, "market_trades": self.names}
        snapshots = [
            self.frame("market_trades", [{"type": "snapshot", "trades": [self.trade(name, BEGINS)]}], BEGINS)
            for name in self.names
        ]
        return [*snapshots, self.frame("subscriptions", [{"subscriptions": channels}], BEGINS), self.beat(BEGINS, 1)]

    def beat(self, at: datetime, number: int) -> bytes:
        """Return a heartbeat."""
        text = f"{at:%Y-%m-%d %H:%M:%S} +0000 UTC m=+{number}.5"
        return self.frame("heartbeats", [{"current_time": text, "heartbeat_counter": number}], at)

    def trade(self, name: str, at: datetime) -> dict[str, str]:
        """Return the product's next trade."""
        self.prices[name] = min(max(self.prices[name] + self.chance.choice((-7, -3, -1, 1, 3, 7)), 9_000), 11_000)
        self.ids[name] += 1
        return {
            "product_id": name, "trade_id": str(self.ids[name]), "price": f"{self.prices[name] / 100:.2f}",
            "size": "1", "time": stamp(at), "side": "SELL",
        }  # fmt: skip

    def update(self, name: str, at: datetime) -> tuple[bytes, list[tuple[str, int]]]:
        """Return a frame of the product's next trades and their ids, newest first as the exchange sends them."""
        trades = [self.trade(name, at) for _ in range(self.per_frame)]
        keys = [(name, int(trade["trade_id"])) for trade in trades]
        return self.frame("market_trades", [{"type": "update", "trades": trades[::-1]}], at), keys


RULES = Rules(
    strat=StratRules(timeframes=FRAMES),
    gates=GateRules(off=("magnitude", "reward_risk", "continuity", "total_risk", "daily_loss", "fees")),
    sizing=SizingRules(mode="units", units=Decimal(1), long_only_spot=False),
    account=AccountRules(starting_equity=Decimal(10**7)),
)


def measure(products: int, rate: int, per_frame: int, seconds: float, closes: int = 0, seed: int = 1) -> Timed:
    """Play a market at so many trades a second and return how long the trades took.

    With `closes` the market's clock jumps so often to the next end of 15m bars, each for `seconds`, and trades before
    the first jump do not count.
    """
    market = Market(products, per_frame, seed)
    rounds = closes + 1 if closes else 1
    frames = list(market.opening())
    timed: list[tuple[float, bytes, list[tuple[str, int]], bool]] = []
    every, count = per_frame / rate, int(seconds * rate / per_frame)
    at, due, beats = BEGINS, 0.0, 1
    for turn in range(rounds):
        at = BEGINS + turn * timedelta(minutes=15)
        order = [market.names[n % products] for n in range(count)]
        market.chance.shuffle(order)
        for n, name in enumerate(order):
            if n % max(1, int(0.5 / every)) == 0:
                beats += 1
                timed.append((due, market.beat(at + timedelta(seconds=n * every), beats), [], False))
            raw, keys = market.update(name, at + timedelta(seconds=n * every + 0.001))
            timed.append((due, raw, keys, turn > 0 or not closes))
            due += every
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as folder:
        return played(market, frames, timed, Path(folder))


def played(
    market: Market, opening: list[bytes], timed: list[tuple[float, bytes, list[tuple[str, int]], bool]], folder: Path
) -> Timed:
    """Hand the frames over at their times."""
    post, journal = Post(), Journal()
    post.bind("journal", journal)
    for outside in ("supervisor", "history", "rest_prices"):
        post.bind(outside, journal)
    recorder = Recorder(folder, Codec(encode=encode, decode=decode), utc_now)
    recorder.start(60.0)
    core = TimedCore(route, post, recorder)
    core.done, core.spent = (
        {name: array("q", bytes(8 * (market.ids[name] + 1))) for name in market.names} for _ in range(2)
    )
    spent = array("q", bytes(8 * (len(opening) + len(timed) + 1)))
    for role in core_roles(Decider(RULES, tuple(market.names), "bench"), shows=True):
        core.add(role)
    post.bind("core", CoreAddress(core, market.names))

    def make(state: FeedState) -> Feed:
        options = FeedOptions(clock="venue")
        made = TimedFeed(market.names, Silent(), jitter=lambda: 0.5, options=options, state=state)
        made.spent = spent
        return made

    feed = OwnThread(Role(name="feed", make=make, state=FeedState(), tail=FEED_TAIL), post)
    core.start(60.0)
    feed.start(60.0)
    core.put(MarketTime(BEGINS))
    core.put(ProductsListed(tuple(market.products)))
    for name in market.names:
        core.put(market.history(name))
    post.send("bench", "feed", Connected(1, utc_now()))
    for number, raw in enumerate(opening, 1):
        post.send("bench", "feed", FrameArrived(1, number, raw, utc_now()))
    _settle(core)
    stop = threading.Event()
    syncing = threading.Thread(target=_sync, args=(recorder, stop))
    syncing.start()
    gc.collect()
    gc.freeze()
    sent = array("q", bytes(8 * len(timed)))
    begun = time.perf_counter()
    for place, (due, raw, _, _) in enumerate(timed):
        if (left := begun + due - time.perf_counter()) > 0:
            time.sleep(left)
        sent[place] = time.perf_counter_ns()
        post.send("bench", "feed", FrameArrived(1, len(opening) + 1 + place, raw, utc_now()))
    _settle(core)
    feed.stop(60.0)
    core.stop(60.0)
    stop.set()
    syncing.join()
    recorder.stop(60.0)
    gc.unfreeze()
    by_end, dropped = dict[int, float](), 0
    took, busy, times = list[float](), list[float](), list[float]()
    for begins, in_feed, (due, _, keys, counts) in zip(sent, spent[len(opening) + 1 :], timed, strict=True):
        if keys and counts:
            name, trade_id = keys[-1]
            busy.append((in_feed + core.spent[name][trade_id]) / 1e6)
            times.append(due)
        for name, trade_id in keys if counts else ():
            if ends := core.done[name][trade_id]:
                by_end[ends] = (ends - begins) / 1e6
                took.append(by_end[ends])
            else:
                dropped += 1
    ends_of_all = sorted({ends for done in core.done.values() for ends in done if ends})
    orders = []
    for _, at in journal.batches:
        place = bisect_left(ends_of_all, at)  # the input's end comes right after its events are handed over
        if place < len(ends_of_all) and ends_of_all[place] in by_end:
            orders.append(by_end[ends_of_all[place]])
    return Timed(took, orders, busy, times, dropped)


def _sync(recorder: Recorder, stop: threading.Event) -> None:
    """Write the recording as the journal has it written."""
    while not stop.wait(0.05):
        recorder.sync()


def _settle(core: TimedCore) -> None:
    """Wait until nothing waits any more."""
    quiet = 0
    while quiet < 20:
        time.sleep(0.01)
        quiet = quiet + 1 if core.waiting() == 0 else 0


def bare(timed: Timed) -> list[float]:
    """Return how many milliseconds after its time each frame is done by a thread that only spends what it takes."""
    took, begun = list[float](), time.perf_counter() - timed.due[0]
    for due, busy in zip(timed.due, timed.busy, strict=True):
        if (left := begun + due - time.perf_counter()) > 0:
            time.sleep(left)
        ends = time.thread_time() + busy / 1e3
        while time.thread_time() < ends:
            pass
        took.append((time.perf_counter() - begun - due) * 1e3)
    return took


def stamp(at: datetime) -> str:
    """Return a time as the exchange writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}Z"


CASES: dict[str, tuple[dict[str, Any], float]] = {
    "1,000/s over 50 products": ({"products": 50, "rate": 1_000, "per_frame": 1, "seconds": 20.0}, 2.0),
    "10,000/s over 50 products": ({"products": 50, "rate": 10_000, "per_frame": 10, "seconds": 10.0}, 5.0),
    "1,000/s at closes of 100": ({"products": 100, "rate": 1_000, "per_frame": 1, "seconds": 1.0, "closes": 10}, 5.0),
}
"""Case → how it is measured, and how many milliseconds 99 of 100 trades may take at most."""


def figures(only: str = "") -> Iterator[Figure]:
    """Yield the figures of every case, or of those whose name has `only` in it."""
    sys.setswitchinterval(0.0005)  # as the daemon does
    for name, (how, most) in CASES.items():
        if only not in name:
            continue
        timed = measure(**how)
        for share, limit in ((0.5, None), (0.99, most), (0.999, None)):
            yield Figure("ticks", f"{name}, p{share * 100:g}", quantile(timed.every, share), "ms", limit)
        if timed.orders:
            yield Figure("ticks", f"{name}, {len(timed.orders)} fills, p99", quantile(timed.orders, 0.99), "ms", most)
        alone = bare(timed)
        for share in (0.5, 0.99):
            yield Figure("ticks", f"{name}, processor alone, p{share * 100:g}", quantile(timed.busy, share), "ms")
            yield Figure("ticks", f"{name}, a bare thread, p{share * 100:g}", quantile(alone, share), "ms")
        yield Figure("ticks", f"{name}, trades dropped", timed.dropped, "", 0)


def main() -> None:
    """Measure and print; end with 1 if a figure is beyond its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench ticks", description="How long the tick path takes.")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    raise SystemExit(not tell(figures(wanted.only), wanted.json))


if __name__ == "__main__":
    main()
