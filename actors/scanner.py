"""The scanner of one product: bars on every timeframe, their types, the setups they give, and continuity.

Every trade goes into the forming bar of each timeframe. A bar closes at its product's first trade at or after its end,
else when market time is the grace past it (architecture.md, Time). At a close the setups of that timeframe are computed
afresh from the closed bars and replace all earlier ones (strat.md 2).

A hole (gap, reconnect, partial start) leaves the product unverified until candles from REST, taken after the hole
ended, have replaced what it touched. A break inside the filled stretch is `unseen`: missed, never traded late.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

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
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Bar, Tick
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import StratRules
from atlas.strat.continuity import FrameView, read
from atlas.strat.series import Series
from atlas.strat.setup import ContinuityReading, Setup, Side

JOIN_MARGIN = timedelta(seconds=2)
"""How far the trades replayed on subscription must reach back before the history's time for nothing to be lost between
them: the exchange caches its public candles for a second (coinbase.md 2)."""

SIDES: tuple[Side, Side] = ("long", "short")
SOONEST = 1e-6
"""A timer is due a microsecond from now at the soonest."""

RECENT = 4
"""Closed bars kept to be joined to a history that was taken a moment before they closed."""


class Frame(msgspec.Struct):
    """One timeframe: the closed bars' series, the forming bar, and where the closed bars end."""

    series: Series
    forming: FormingBar | None = None
    closed_until: datetime | None = None
    recent: list[Bar] = []
    setups: tuple[Setup, ...] = ()
    revision: int = 0


class ScannerState(msgspec.Struct):
    """`joined`: history and feed have met. `hole_until`: a history must be taken after it to count as a repair."""

    frames: dict[str, Frame] = {}
    joined: bool = False
    verified: bool = False
    as_of: datetime | None = None
    hole_open: bool = False
    hole_until: datetime | None = None
    last: Decimal | None = None


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
        closed: list[str] = []
        late = False
        at, price = tick.time, tick.price
        for timeframe, frame in self.state.frames.items():
            forming = frame.forming
            if forming is not None and forming.open_time <= at < forming.close_time:
                forming.add(price, tick.size if source == "feed" else Decimal(0))
                continue
            if frame.closed_until is not None and at < frame.closed_until:
                late = True
                continue
            if forming is not None:
                yield from self._close(timeframe, frame)
                closed.append(timeframe)
            yield self._open(timeframe, frame, tick, now)
        self.state.last = price
        if late and source == "feed":
            yield Send("journal", LateTrade(self.symbol, tick))
        for timeframe in closed:
            yield from self._replace(timeframe, now)

    def _open(self, timeframe: str, frame: Frame, tick: Tick, now: datetime) -> Effect:
        """Begin a forming bar with its first trade, and arm the timer that ends it without another."""
        frame.forming = FormingBar.from_trade(timeframe, tick.time, tick.price, tick.size)
        return self._timer(frame.forming, now)

    def _timer(self, forming: FormingBar, now: datetime) -> Effect:
        wait = (forming.close_time + self._grace - now).total_seconds()
        return After(max(SOONEST, wait), PeriodEnded(forming.timeframe, forming.close_time))

    def _period_ended(self, now: datetime, timeframe: str, end: datetime) -> Iterator[Effect]:
        frame = self.state.frames[timeframe]
        if frame.forming is not None and frame.forming.close_time == end:
            yield from self._close(timeframe, frame)
            yield from self._replace(timeframe, now)

    def _close(self, timeframe: str, frame: Frame) -> Iterator[Effect]:
        """Close the forming bar: type it, take the setups it gives, tell the journal."""
        assert frame.forming is not None
        bar = frame.forming.bar()
        frame.forming = None
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
            return FrameView(timeframe, None, None, None, None, high, low, known=prior is not None)
        return FrameView(timeframe, forming.open, forming.high, forming.low, forming.close, high, low)

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
                yield from self._take(bars, now)
        state.as_of = message.as_of
        if state.joined:
            yield from self._verified(now)

    def _take(self, bars: FrameBars, now: datetime) -> Iterator[Effect]:
        """Build one timeframe from REST's bars, joined to what the feed has brought since they were taken."""
        old = self.state.frames[bars.timeframe]
        closed, forming = _joined(bars, [*old.recent, *([old.forming.bar()] if old.forming else ())])
        if forming is not None and forming.close_time + self._grace <= now:
            closed.append(forming.bar())
            forming = None
        if not closed and forming is None:
            return
        frame = Frame(Series(self.symbol, bars.timeframe), forming, recent=closed[-RECENT:])
        frame.closed_until = closed[-1].close_time if closed else None
        frame.revision = old.revision + 1 if old.closed_until == frame.closed_until is not None else 0
        known = {bar.open_time: bar for bar in old.recent}
        for bar in closed:
            last = frame.series.close(bar, self._rules)
            frame.setups = last.setups
            new = old.closed_until is not None and bar.open_time >= old.closed_until
            if new or known.get(bar.open_time, bar) != bar:
                yield Send("journal", BarClosed(self.symbol, bar, last.type, True, 0 if new else 1))
        self.state.frames[bars.timeframe] = frame
        if forming is not None:
            yield self._timer(forming, now)
        if self.state.last is None:
            self.state.last = (forming or closed[-1]).close

    def _snapshot(self, now: datetime, message: Snapshot) -> Iterator[Effect]:
        """The subscription stands: meet the history at the start, end the hole after a reconnect."""
        state = self.state
        if state.joined:
            if state.hole_open:
                state.hole_open, state.hole_until = False, message.at
                yield Send("history", LoadHistory(self.symbol, "reconnected"))
            return
        state.joined = True
        if state.as_of is not None and (
            message.at <= state.as_of or (message.oldest is not None and message.oldest <= state.as_of - JOIN_MARGIN)
        ):
            yield from self._verified(now)
            return
        state.hole_until = message.at
        yield Send("entry_monitor", DataVerified(self.symbol, False))
        yield Send("history", LoadHistory(self.symbol, "partial start"))

    def _gap(self, now: datetime, message: Gap) -> Iterator[Effect]:
        self.state.verified = False
        self.state.hole_open, self.state.hole_until = message.reconnect, now
        yield Send("entry_monitor", DataVerified(self.symbol, False))
        if not message.reconnect:
            yield Send("history", LoadHistory(self.symbol, message.reason))

    def _verified(self, now: datetime) -> Iterator[Effect]:
        """Every stretch is seen or filled: hand out all setups, with the part of their entry bars nobody saw."""
        self.state.verified = True
        yield Send("entry_monitor", DataVerified(self.symbol, True))
        for timeframe in self.timeframes:
            yield from self._replace(timeframe, now, _unseen(self.state.frames[timeframe].forming))


def frames_needed(rules: StratRules) -> tuple[str, ...]:
    """Return the timeframes a scanner keeps, shortest first: those it detects on and those continuity looks at."""
    wanted = set(rules.timeframes)
    for timeframe in rules.timeframes:
        wanted.update(rules.continuity[timeframe][0])
    return tuple(timeframe for timeframe in TIMEFRAMES if timeframe in wanted)


def _joined(bars: FrameBars, seen: list[Bar]) -> tuple[list[Bar], FormingBar | None]:
    """Return closed bars and forming bar of REST, continued by the bars the feed has made since they were taken.

    A trade may be in both: high and low do not mind, the last seen close stands, the greater volume is nearer.
    """
    closed, forming = list(bars.closed), FormingBar.from_bar(bars.forming, bars.timeframe) if bars.forming else None
    until = closed[-1].close_time if closed else None
    for bar in seen:
        if forming is not None and bar.open_time == forming.open_time:
            forming.high, forming.low = max(forming.high, bar.high), min(forming.low, bar.low)
            forming.close, forming.volume = bar.close, max(forming.volume, bar.volume)
        elif bar.open_time >= (forming.close_time if forming is not None else until or bar.open_time):
            if forming is not None:
                closed.append(forming.bar())
            forming = FormingBar.from_bar(bar, bars.timeframe)
    return closed, forming


def _before(at: datetime, limit: datetime | None) -> bool:
    return limit is not None and at < limit


def _unseen(forming: FormingBar | None) -> Unseen | None:
    """The forming bar as the stretch that was not seen live; which side came first is told by the candle path."""
    if forming is None:
        return None
    return Unseen(forming.high, forming.low, "short" if forming.close >= forming.open else "long")
