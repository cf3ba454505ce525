"""The core over past market data in virtual time: `atlas replay --data`. No thread, no clock, no network, no database.

It begins as a daemon does that starts at the first instant: the products listed, the bars before from the file, the
feed up. Then every trade is an input of its own, in the order of time, those of one instant in the order of products.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

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
from actors.past_walks import walked
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.virtual import VirtualCore
from actors.scanner import frames_needed
from atlas.errors import InternalError, UsageError
from atlas.market.bar import Tick
from atlas.market.candle_file import CandleFile
from atlas.market.funding_file import FundingFile
from atlas.market.guess import Guess
from atlas.market.past import PastFile, bars_before, check_timeframe, past_trades, span
from atlas.market.path import GUESSED, PathRules
from atlas.market.product import Product
from atlas.market.tape import Tape

RECENT = 100
"""Closed bars of each timeframe that a scanner is given before the first trade."""


class Past(msgspec.Struct, frozen=True):
    """A product, the file its trades are taken from, and its past funding rates; without them its own rate counts."""

    product: Product
    file: PastFile
    funding: FundingFile | None = None


class PastMarket:
    """Files played between two instants, by default from the first row of the earliest to the end of the latest."""

    def __init__(
        self,
        decider: Decider,
        played: Sequence[Past],
        start: datetime | None = None,
        end: datetime | None = None,
        path: PathRules = GUESSED,
        *,
        plain: bool = False,
        records: bool = True,
    ) -> None:
        """`plain`: every trade is an input of its own, also where nothing happens; the events are the same.

        `records` False leaves out of the events what decides nothing: labels, the 50 % rule, empty lists of setups.

        Raises UsageError if the stretch is empty or nothing of a file lies in it, DataError if a timeframe is no whole
        multiple of a file's step.
        """
        self._timeframes = frames_needed(decider.rules.strat, full=decider.rules.alerts.full_continuity)
        for past in played:
            for timeframe in self._timeframes:
                check_timeframe(past.file, timeframe)
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
        self._path, self._records = path, records
        trades = any(not isinstance(past.file, CandleFile) for past in played)
        # What a product is executed at depends on another's last trade, whatever that reaches.
        self._plain = plain or trades or bool(decider.rules.signal_products)

    def events(self) -> Iterator[EventBatch]:
        """Play it all; yield what each input causes. Raises DataError, and InternalError if a behaviour raised."""
        journal, supervisor = Sink(), Sink()
        post = Post(otherwise=_Nowhere())
        post.bind(JOURNAL, journal)
        post.bind(SUPERVISOR, supervisor)
        core = VirtualCore(route, post)
        try:
            rates = {past.product.id: past.funding for past in self._played if past.funding is not None}
            for role in core_roles(self._decider, confirms=False, records=self._records, rates=rates):
                core.add(replace(role, kept=False))
            core.begin()
            for message in self.inputs() if self._plain else self._fast_inputs(core):
                core.run(message)
                _check(core, supervisor.messages)
                yield from (batch for batch in journal.messages if isinstance(batch, EventBatch))
                journal.messages.clear()
        finally:
            core.close()

    def inputs(self) -> Iterator[Any]:
        """Yield the inputs of a core that plays it trade by trade, in order."""
        yield from self._beginning()
        yield from heapq.merge(*(self._trades(past) for past in self._played), key=_time)
        yield self._ending()

    def _fast_inputs(self, core: VirtualCore) -> Iterator[Any]:
        """Yield the inputs as the core takes them: what nobody acts on as stretches (`actors.past_walk`)."""
        yield from self._beginning()
        yield from walked(core, self._decider.rules, [
            (past.product.id, Tape(past.file, self.start, self.end, self._path))
            for past in self._played if isinstance(past.file, CandleFile)
        ], self._path)  # fmt: skip
        yield self._ending()

    def _beginning(self) -> Iterator[Any]:
        yield MarketTime(self.start)
        yield ProductsListed(tuple(past.product for past in self._played))
        for past in self._played:
            yield History(past.product.id, self.start, self._frames(past))
        yield FeedUp(self.start)
        for past in self._played:
            yield Snapshot(past.product.id, self.start, None)

    def _ending(self) -> MarketTime:
        return MarketTime(self.end + timedelta(seconds=self._decider.rules.strat.close_grace_seconds))

    def _frames(self, past: Past) -> tuple[FrameBars, ...]:
        return tuple(
            FrameBars(bars.timeframe, tuple(bars.closed[-RECENT:]), bars.forming, bars.whole)
            for bars in bars_before(past.file, self._timeframes, self.start)
        )

    def _trades(self, past: Past) -> Iterator[Trades]:
        for tick, guess in self._points(past):
            yield Trades(past.product.id, (tick,), guess=guess)

    def _points(self, past: Past) -> Iterator[tuple[Tick, Guess | None]]:
        if not isinstance(past.file, CandleFile):
            yield from ((tick, None) for tick in past_trades(past.file, self.start, self.end))
            return
        increment = past.product.tick if self._path.through else None
        yield from Tape(past.file, self.start, self.end, self._path).ticks(increment)


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
