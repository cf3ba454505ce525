"""The scanner of one product: bars on every timeframe, their types, the setups they give, and continuity.

Every trade goes into the forming bar of each timeframe. A bar closes at its product's first trade at or after its end,
else when market time is the grace past it (architecture.md, Time). At a close the setups of that timeframe are computed
afresh from the closed bars and replace all earlier ones (strat.md 2).

A hole (gap, reconnect, partial start) leaves the product unverified until candles from REST, taken after the hole
ended, have replaced what it touched. A break inside the filled stretch is `unseen`: missed, never traded late.

A trade older than a closed bar is late on every timeframe: it changes nothing, so that a higher frame stays the exact
aggregate of the lower.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages import (
    BarClosed,
    ContinuityMeasured,
    DataVerified,
    FrameBars,
    Gap,
    History,
    HistoryFailed,
    LateTrade,
    LoadHistory,
    MeasureContinuity,
    Message,
    PeriodEnded,
    SetupsReplaced,
    Snapshot,
    Traded,
    Unseen,
)
from actors.runtime.behaviour import After, Behaviour, Effect, Send
from actors.scanner_frames import RECENT, Frame, ScannerState, joined, reached, unseen
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Tick
from atlas.market.timeframes import TIMEFRAMES, period
from atlas.rules import StratRules
from atlas.strat.continuity import FrameView, read
from atlas.strat.series import Series
from atlas.strat.setup import ContinuityReading, Side

JOIN_MARGIN = timedelta(seconds=2)
"""How far the trades replayed on subscription must reach back before the history's time for nothing to be lost between
them: the exchange caches its public candles for a second (coinbase.md 2)."""

SIDES: tuple[Side, Side] = ("long", "short")
SOONEST = 1e-6
"""A timer is due a microsecond from now at the soonest."""


class Scanner(Behaviour[ScannerState]):
    """See the module. `symbol` is the product, `rules` name the timeframes and how setups are made."""

    def __init__(self, symbol: str, rules: StratRules, state: ScannerState | None = None) -> None:
        self.symbol, self._rules = symbol, rules
        self.timeframes = frames_needed(rules)
        self.state = state or ScannerState(
            {timeframe: Frame(Series(symbol, timeframe)) for timeframe in self.timeframes}
        )
        self._grace = timedelta(seconds=rules.close_grace_seconds)

    def receive(self, now: datetime, message: Message) -> Iterable[Effect]:
        """Handle Traded, PeriodEnded, MeasureContinuity, History, Snapshot and Gap."""
        match message:
            case Traded(tick=tick, source=source):
                return self._traded(now, tick, source)
            case PeriodEnded(timeframe=timeframe, close_time=end):
                return self._period_ended(now, timeframe, end)
            case MeasureContinuity():
                reading = self._continuity(message.timeframe, message.side, message.price, now)
                return (Send("entry_monitor", ContinuityMeasured(message.setup_id, reading)),)
            case History():
                return self._history(now, message)
            case Snapshot():
                return self._snapshot(now, message)
            case Gap():
                return self._gap(now, message)
            case HistoryFailed():
                return ()
            case _:
                raise TypeError(f"scanner:{self.symbol} does not know {type(message).__name__}")

    # ── trades ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, now: datetime, tick: Tick, source: str) -> Iterator[Effect]:
        state, at, price = self.state, tick.time, tick.price
        if state.late_before is not None and at < state.late_before:
            yield Send("entry_monitor", LateTrade(self.symbol, tick))
            if source == "feed":
                yield Send("journal", LateTrade(self.symbol, tick))
            return
        if state.hole_ending and source == "feed":
            state.hole_ending, state.hole_until = False, max(state.hole_until or at, at)
        # What was replayed on subscription and printed before the history was taken, the history has counted.
        counted = source != "feed" and state.as_of is not None and at <= state.as_of
        size = Decimal(0) if counted else tick.size
        closed: list[str] = []
        for timeframe, frame in state.frames.items():
            forming = frame.forming
            if forming is not None and at < forming.close_time:
                forming.add(price, size)
                continue
            if forming is not None:
                yield from self._close(timeframe, frame)
                closed.append(timeframe)
            yield self._open(timeframe, frame, tick, size, now)
        state.last, state.last_at = price, at
        for timeframe in closed:
            yield from self._replace(timeframe, now)

    def _open(self, timeframe: str, frame: Frame, tick: Tick, size: Decimal, now: datetime) -> Effect:
        """Begin a forming bar with its first trade, and arm the timer that ends it without another."""
        frame.forming = FormingBar.from_trade(timeframe, tick.time, tick.price, size)
        self._late_before(frame.forming.open_time)
        return self._timer(frame.forming, now)

    def _late_before(self, at: datetime) -> None:
        self.state.late_before = max(self.state.late_before or at, at)

    def _timer(self, forming: FormingBar, now: datetime) -> Effect:
        wait = (forming.close_time + self._grace - now).total_seconds()
        return After(max(SOONEST, wait), PeriodEnded(forming.timeframe, forming.close_time))

    def _period_ended(self, now: datetime, timeframe: str, end: datetime) -> Iterator[Effect]:
        frame = self.state.frames[timeframe]
        if frame.forming is not None and frame.forming.close_time == end:
            yield from self._close(timeframe, frame)
            yield from self._replace(timeframe, now)

    def _close(self, timeframe: str, frame: Frame) -> Iterator[Effect]:
        """Close the forming bar: type it, take the setups it gives, tell the journal; a partial one is dropped."""
        assert frame.forming is not None
        bar = frame.forming.bar()
        frame.forming = None
        self._late_before(bar.close_time)
        if frame.whole_from is None or bar.open_time < frame.whole_from:
            frame.whole_from = bar.close_time
            return
        if not self.state.verified:
            frame.doubtful = [*frame.doubtful, bar.open_time][-RECENT:]
        frame.closed_until = bar.close_time
        frame.recent = [*frame.recent, bar][-RECENT:]
        frame.revision = 0
        closed = frame.series.close(bar, self._rules)
        frame.setups = closed.setups
        yield Send("journal", BarClosed(self.symbol, bar, closed.type, self.state.verified))

    def _replace(self, timeframe: str, now: datetime, unseen: Unseen | None = None) -> Iterator[Effect]:
        """Hand the entry monitor the setups in force on one timeframe; only detection timeframes have any."""
        if timeframe not in self._rules.timeframes or not self.state.joined:
            return
        frame = self.state.frames[timeframe]
        price = self.state.last
        if frame.closed_until is None or price is None:
            return
        message = SetupsReplaced(
            symbol=self.symbol,
            timeframe=timeframe,
            closed_at=frame.closed_until,
            setups=frame.setups,
            continuity={side: self._continuity(timeframe, side, price, now) for side in SIDES},
            verified=self.state.verified,
            unseen=unseen,
            revision=frame.revision,
        )
        yield Send("entry_monitor", message)
        yield Send("journal", message)

    def _continuity(self, timeframe: str, side: Side, price: Decimal, now: datetime) -> ContinuityReading:
        names, needed = self._rules.continuity[timeframe]
        views = [self._view(name, now) for name in names]
        return read(side, price, views, needed, self._rules.continuity_mode)

    def _view(self, timeframe: str, now: datetime) -> FrameView:
        """The frame's current period as continuity sees it; a period without a trade yet has no open."""
        frame = self.state.frames[timeframe]
        prior, forming = frame.recent[-1] if frame.recent else None, frame.forming
        high, low = (prior.high, prior.low) if prior else (None, None)
        if forming is None or forming.close_time <= now:
            known = reached(frame, period(timeframe, now)[0])
            return FrameView(timeframe, None, None, None, None, high, low, known)
        known = reached(frame, forming.open_time)
        return FrameView(timeframe, forming.open, forming.high, forming.low, forming.close, high, low, known)

    # ── history, gaps ───────────────────────────────────────────────────────────────────────────────────────────────

    def _history(self, now: datetime, message: History) -> Iterator[Effect]:
        """Take candles from REST: at the start as the bars before the feed, after a hole as its repair."""
        state = self.state
        if state.joined and (state.verified or state.hole_open or _before(message.as_of, state.hole_until)):
            if not state.verified and not state.hole_open:
                yield Send("history", LoadHistory(self.symbol, "the candles were older than the hole"))
            return
        for bars in message.frames:
            if bars.timeframe in state.frames:
                yield from self._take(bars, message.as_of, now)
        state.as_of = message.as_of
        if state.joined:
            yield from self._verified(now)

    def _take(self, bars: FrameBars, as_of: datetime, now: datetime) -> Iterator[Effect]:
        """Build one timeframe from REST's bars, joined to what the feed has brought since they were taken."""
        old = self.state.frames[bars.timeframe]
        opened, closes = period(bars.timeframe, as_of)
        old.whole_from = opened if bars.whole else old.whole_from or closes
        newer = self.state.last_at is not None and self.state.last_at > as_of
        seen = [*old.recent, *([old.forming.bar()] if old.forming else ())]
        closed, forming = joined(bars, seen, newer=newer)
        if forming is not None and forming.close_time + self._grace <= now:
            closed.append(forming.bar())
            forming = None
        if not closed and forming is None:
            return
        frame = Frame(Series(self.symbol, bars.timeframe), forming, recent=closed[-RECENT:])
        frame.whole_from, frame.repairs = old.whole_from, old.repairs + 1
        frame.closed_until = closed[-1].close_time if closed else None
        frame.revision = old.revision + 1 if old.closed_until == frame.closed_until is not None else 0
        known = {bar.open_time: bar for bar in old.recent}
        for bar in closed:
            last = frame.series.close(bar, self._rules)
            frame.setups = last.setups
            new = old.closed_until is not None and bar.open_time >= old.closed_until
            if new or bar.open_time in old.doubtful or known.get(bar.open_time, bar) != bar:
                yield Send("journal", BarClosed(self.symbol, bar, last.type, True, 0 if new else frame.repairs))
        self.state.frames[bars.timeframe] = frame
        self._late_before(forming.open_time if forming is not None else closed[-1].close_time)
        if forming is not None:
            yield self._timer(forming, now)
        if not newer:
            self.state.last = (forming or closed[-1]).close

    def _snapshot(self, now: datetime, message: Snapshot) -> Iterator[Effect]:
        """The subscription stands: meet the history at the start, end the hole after a reconnect."""
        state = self.state
        if state.joined:
            if state.hole_open:
                state.hole_open, state.hole_until = False, message.at
                yield Send("history", LoadHistory(self.symbol, "reconnected"))
            return
        state.joined, state.hole_open = True, False
        as_of, oldest = state.as_of, message.oldest
        if as_of is not None and not _before(as_of, state.hole_until):
            meets = message.at <= as_of or (oldest is not None and oldest <= as_of - JOIN_MARGIN)
            if meets:
                yield from self._verified(now)
                return
        state.hole_until = message.at
        yield Send("entry_monitor", DataVerified(self.symbol, False))
        yield Send("history", LoadHistory(self.symbol, "partial start"))

    def _gap(self, now: datetime, message: Gap) -> Iterator[Effect]:
        """Trust no bar it may have touched. One that comes while a hole is open ends no sooner than that hole."""
        state = self.state
        state.verified, state.hole_until = False, now
        state.hole_open = state.hole_open or message.reconnect
        state.hole_ending = not state.hole_open
        yield Send("entry_monitor", DataVerified(self.symbol, False))
        if not state.hole_open:
            yield Send("history", LoadHistory(self.symbol, message.reason))

    def _verified(self, now: datetime) -> Iterator[Effect]:
        """Every stretch is seen or filled: hand out all setups, with the part of their entry bars nobody saw."""
        self.state.verified, self.state.hole_ending = True, False
        yield Send("entry_monitor", DataVerified(self.symbol, True))
        for timeframe in self.timeframes:
            yield from self._replace(timeframe, now, unseen(self.state.frames[timeframe]))


def frames_needed(rules: StratRules) -> tuple[str, ...]:
    """Return the timeframes a scanner keeps, shortest first: those it detects on and those continuity looks at."""
    wanted = set(rules.timeframes)
    for timeframe in rules.timeframes:
        wanted.update(rules.continuity[timeframe][0])
    return tuple(timeframe for timeframe in TIMEFRAMES if timeframe in wanted)


def _before(at: datetime, limit: datetime | None) -> bool:
    return limit is not None and at < limit
