"""Five days of March 2020 through the core in virtual time, from the shared candles; nothing of them is kept here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.messages import EventBatch, FeedUp, FrameBars, History, MarketTime, ProductsListed, Snapshot, Trades
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.virtual import VirtualCore
from actors.scanner import frames_needed
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar, Tick
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.path import candle_path, point_time
from atlas.market.products import built_in
from atlas.rules import GateRules, Rules, SizingRules, StratRules
from tests.actors.scene import BIP

FROM = datetime(2020, 3, 9, tzinfo=UTC)
UNTIL = datetime(2020, 3, 13, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TIMEFRAMES = ("15m", "1h", "4h", "1d")
RECENT = 100
"""Closed bars of each timeframe that the core is given before the first trade."""


def rules(*off: str, **sizing: Any) -> Rules:
    """The rules of such a run: four timeframes, and these gates switched off."""
    return Rules(
        strat=StratRules(timeframes=TIMEFRAMES),
        gates=GateRules(off=off),
        sizing=msgspec.structs.replace(SizingRules(), **sizing),
    )


class March:
    """The file, and the minutes of it that traded: zero volume is no trade, an open outside the range is clamped."""

    def __init__(self, shared: Path) -> None:
        self._file: CandleFile = read_candles(shared / "data" / "ohlcv" / "bitmex_XBTUSD-PERP_1m_2020.csv.gz")
        self._before = list(self._minutes(datetime(2020, 1, 1, tzinfo=UTC), FROM))

    def _minutes(self, start: datetime, end: datetime) -> Iterator[Bar]:
        file = self._file.rows(int(start.timestamp()), int(end.timestamp()))
        columns = (file.times, file.open, file.high, file.low, file.close, file.volume)
        for time, opened, high, low, close, volume in zip(*(column.tolist() for column in columns), strict=True):
            if volume:
                at = datetime.fromtimestamp(time, UTC)
                units = (min(max(opened, low), high), high, low, close)
                yield Bar("1m", at, at + MINUTE, *(file.price(unit) for unit in units), Decimal(volume))

    def trades(self) -> Iterator[Tick]:
        """The trades of the four days: each minute's path, with the spread one tick wide."""
        number, tick = 0, self._file.tick
        for bar in self._minutes(FROM, UNTIL):
            for point, price in enumerate(candle_path(bar.open, bar.high, bar.low, bar.close)):
                number += 1
                yield Tick(number, point_time(bar.open_time, MINUTE, point), price, Decimal(1), price - tick, price)

    def play(self, played_by: Rules) -> list[Any]:
        """The events of the four days, in order; raises AssertionError if a behaviour raised or a message was lost."""
        return [event for batch in self.batches(played_by) for event in batch.events]

    def batches(self, played_by: Rules) -> list[EventBatch]:
        """The same, input by input, as the journal is told them."""
        journal, supervisor, post = Sink(), Sink(), Post()
        for name, sink in ((JOURNAL, journal), (SUPERVISOR, supervisor), ("history", Sink()), ("rest_prices", Sink())):
            post.bind(name, sink)
        core = VirtualCore(route, post)
        for role in core_roles(Decider(played_by, (BIP,), "1")):
            core.add(role)
        core.begin()
        core.run(MarketTime(FROM))
        core.run(ProductsListed((built_in(BIP, tick=self._file.tick),)))
        core.run(self._history(played_by))
        core.run(FeedUp(FROM))
        core.run(Snapshot(BIP, FROM, None))
        for tick in self.trades():
            core.run(Trades(BIP, (tick,)))
        core.run(MarketTime(UNTIL + timedelta(seconds=5)))
        assert not supervisor.messages
        assert core.failed is None
        assert all(isinstance(message, EventBatch) for message in journal.messages)
        return journal.messages

    def _history(self, played_by: Rules) -> History:
        frames = []
        for timeframe in frames_needed(played_by.strat):
            # The year began on a Wednesday: its first week is partial.
            whole = timeframe != "1w"
            closed, forming = aggregate(self._before, timeframe, starts_whole=whole, complete_until=FROM)
            frames.append(FrameBars(timeframe, tuple(closed[-RECENT:]), forming))
        return History(BIP, FROM, tuple(frames))
