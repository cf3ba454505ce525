"""The core over past market data in virtual time: `atlas replay --data`. No thread, no clock, no network, no database.

It begins as a daemon does that starts at the first instant: the products listed, the bars before from the file, the
feed up. Then every trade is an input of its own, in the order of time, those of one instant in the order of products.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count, repeat
from typing import Any

import msgspec

from actors.messages import (
    Crashed,
    EventBatch,
    FeedUp,
    FrameBars,
    History,
    MarketTime,
    ProductsListed,
    Snapshot,
    Trades,
)
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.virtual import VirtualCore
from actors.scanner import frames_needed
from atlas.errors import InternalError, UsageError
from atlas.market.bar import Tick
from atlas.market.candle_file import CandleFile
from atlas.market.guess import Guess, guesses
from atlas.market.past import PastFile, bars_before, past_candles, past_trades, span, walked
from atlas.market.path import POINTS
from atlas.market.product import Product

RECENT = 100
"""Closed bars of each timeframe that a scanner is given before the first trade."""


class Past(msgspec.Struct, frozen=True):
    """A product and the file its trades are taken from."""

    product: Product
    file: PastFile


class PastMarket:
    """Files played between two instants, by default from the first row of the earliest to the end of the latest."""

    def __init__(
        self,
        decider: Decider,
        played: Sequence[Past],
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        always_high_first: bool = False,
        trust_path: bool = False,
    ) -> None:
        """`trust_path`: the path of a candle is how it traded, not a guess, so nothing is ever ambiguous (strat.md 6).

        Raises UsageError if the stretch is empty or nothing of a file lies in it.
        """
        spans = [span(past.file) for past in played]
        self.start = start or min(begins for begins, _ in spans)
        self.end = end or max(ends for _, ends in spans)
        if self.start >= self.end:
            raise UsageError(f"--from {self.start:%Y-%m-%d %H:%M} is not before --to {self.end:%Y-%m-%d %H:%M}")
        for past, (begins, ends) in zip(played, spans, strict=True):
            if begins >= self.end or ends <= self.start:
                raise UsageError(
                    f"nothing in {past.file.path} lies between {self.start:%Y-%m-%d %H:%M} and "
                    f"{self.end:%Y-%m-%d %H:%M}: it runs from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M}"
                )
        self._decider = decider
        self._played = tuple(played)
        self._high_first, self._trusted = always_high_first, trust_path

    def events(self) -> Iterator[EventBatch]:
        """Play it all; yield what each input causes. Raises DataError, and InternalError if a behaviour raised."""
        journal, supervisor = Sink(), Sink()
        post = Post(otherwise=_Nowhere())
        post.bind(JOURNAL, journal)
        post.bind(SUPERVISOR, supervisor)
        core = VirtualCore(route, post)
        try:
            for role in core_roles(self._decider):
                core.add(role)
            core.begin()
            for message in self._inputs():
                core.run(message)
                _check(core, supervisor.messages)
                yield from (batch for batch in journal.messages if isinstance(batch, EventBatch))
                journal.messages.clear()
        finally:
            core.close()

    def _inputs(self) -> Iterator[Any]:
        yield MarketTime(self.start)
        yield ProductsListed(tuple(past.product for past in self._played))
        for past in self._played:
            yield History(past.product.id, self.start, self._frames(past))
        yield FeedUp(self.start)
        for past in self._played:
            yield Snapshot(past.product.id, self.start, None)
        yield from heapq.merge(*(self._trades(past) for past in self._played), key=_time)
        yield MarketTime(self.end + timedelta(seconds=self._decider.rules.strat.close_grace_seconds))

    def _frames(self, past: Past) -> tuple[FrameBars, ...]:
        return tuple(
            FrameBars(bars.timeframe, tuple(bars.closed[-RECENT:]), bars.forming, bars.whole)
            for bars in bars_before(past.file, frames_needed(self._decider.rules.strat), self.start)
        )

    def _trades(self, past: Past) -> Iterator[Trades]:
        for tick, guess in self._points(past.file):
            yield Trades(past.product.id, (tick,), guess=guess)

    def _points(self, file: PastFile) -> Iterator[tuple[Tick, Guess | None]]:
        if not isinstance(file, CandleFile):
            yield from ((tick, None) for tick in past_trades(file, self.start, self.end))
            return
        numbers = count(1, POINTS)
        for candle, number in zip(past_candles(file, self.start, self.end), numbers, strict=False):
            ticks = walked(candle, number, always_high_first=self._high_first)
            left = repeat(None, POINTS) if self._trusted else guesses(ticks, candle.close_time)
            yield from zip(ticks, left, strict=True)


class _Nowhere:
    """The outside: history and alerter are not there, and what goes to them is forgotten."""

    def tell(self, message: Any) -> None:
        """Forget the message."""


def _time(trades: Trades) -> datetime:
    return trades.ticks[0].time


def _check(core: VirtualCore, reports: list[Any]) -> None:
    """A replay in which a behaviour raised is no result."""
    if core.failed is not None or reports:
        crash = next((report for report in reports if isinstance(report, Crashed)), None)
        told = f"{crash.error}\n{crash.traceback}" if crash is not None else core.failed or repr(reports[0])
        raise InternalError(f"the replay failed at input {core.number}: {told}")
