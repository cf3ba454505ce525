"""The scanner of one product: bars on every timeframe, their types, the setups they give, and continuity.

Every trade goes into the forming bar of each timeframe. A bar closes at its product's first trade at or after its end,
else when market time is the grace past it (architecture.md, Time). At a close the setups of that timeframe are computed
afresh from the closed bars and replace all earlier ones (strat.md 2).

Full timeframe continuity is watched besides (actors/scanner_full.py), unless `alerts.full_continuity` is off.

A hole (gap, reconnect, partial start) leaves the product unverified until candles from REST, taken after the hole
ended, have replaced what it touched. A break inside the filled stretch is `unseen`: missed, never traded late.
At each close the exchange's own candles are asked for; a bar they contradict is such a hole too.

A trade older than a closed bar is late on every timeframe: it changes nothing, so that a higher frame stays the exact
aggregate of the lower.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages import (
    BarClosed,
    ConfirmBars,
    ContinuityMeasured,
    DataVerified,
    ExchangeCandles,
    FrameBars,
    Gap,
    History,
    HistoryFailed,
    HoldDue,
    HoleFound,
    HoleRepaired,
    LateTrade,
    LoadHistory,
    MeasureContinuity,
    Message,
    PeriodEnded,
    ProductsListed,
    SetupsReplaced,
    Snapshot,
    Traded,
    Unseen,
)
from actors.runtime.behaviour import After, Behaviour, Effect, Send
from actors.scanner_calm import Calm, calm_of
from actors.scanner_candles import Finer, rebuilt
from actors.scanner_confirm import LOOKED_AT, held_against, revised
from actors.scanner_frames import RECENT, Detection, Frame, Remembered, ScannerState, first_state, unseen
from actors.scanner_full import held, look
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Tick
from atlas.market.sessions import overlaps_break
from atlas.market.stretch import Stretch, Turn
from atlas.market.timeframes import TIMEFRAMES, period
from atlas.rules import AlertRules, StratRules
from atlas.strat.context import context_of
from atlas.strat.continuity import FULL_FRAMES, FrameView, read, read_both
from atlas.strat.labels import FiftyPercentRule
from atlas.strat.series import ClosedBar
from atlas.strat.setup import ContinuityReading, Setup, Side

JOIN_MARGIN = timedelta(seconds=2)
"""How far the trades replayed on subscription must reach back before the history's time for nothing to be lost between
them: the exchange caches its public candles for a second (coinbase.md 2)."""

SIDES: tuple[Side, Side] = ("long", "short")
ALERTS = AlertRules()
SOONEST = 1e-6
"""A timer is due a microsecond from now at the soonest."""


class Scanner(Behaviour[ScannerState]):
    """See the module. `symbol` is the product, `rules` name the timeframes and how setups are made.

    `signals` False: bars only; the product is traded by another one's setups. Without a `state` it begins with what is
    `remembered` of the process before. `confirms`: closed bars are held against the exchange's own candles. `records`
    False: what only describes (labels, the 50 % rule, that there are no setups) is left out.
    """

    def __init__(
        self,
        symbol: str,
        rules: StratRules,
        state: ScannerState | None = None,
        *,
        signals: bool = True,
        alerts: AlertRules = ALERTS,
        remembered: Remembered | None = None,
        confirms: bool = True,
        records: bool = True,
    ) -> None:
        self._records = records
        self.symbol, self._rules, self._signals, self._confirms = symbol, rules, signals, confirms
        full = alerts.full_continuity and signals
        self.timeframes = frames_needed(rules, full=full)
        self.state = state or first_state(symbol, self.timeframes, full=full, remembered=remembered)
        self._grace = timedelta(seconds=rules.close_grace_seconds)
        self._hold = timedelta(seconds=alerts.full_continuity_hold_seconds)
        # No part of the state: it is filled in a replay of files alone, which ends where a behaviour raises.
        self._passed: dict[str, list[Stretch | Decimal]] = {}
        self._ended_by: datetime | None = None
        # No part of the state, which tells it; as of the last trade, if nothing else has been handled since.
        self._calm: Calm | None = None

    def receive(self, now: datetime, message: Message | Turn | Stretch) -> Iterable[Effect]:
        """Handle trades, candles, holes, ProductsListed, MeasureContinuity, PeriodEnded and HoldDue."""
        if isinstance(message, Traded):
            return self._traded(now, message.tick, message.source)
        self._calm = None
        match message:
            case Turn(before=before, tick=tick, until=until):
                if before is not None:
                    self._stretched(before)
                self._ended_by = until
                return self._traded(now, tick, "feed")
            case Stretch():
                self._stretched(message)
                return ()
            case PeriodEnded(timeframe=timeframe, close_time=end):
                return self._period_ended(now, timeframe, end)
            case MeasureContinuity():
                reading = self._continuity(message.timeframe, message.side, message.price, now)
                asked = self.state.frames[message.timeframe]
                if asked.path is not None:
                    self._settle(message.timeframe, asked.path)
                fifty = asked.fifty
                return (Send("entry_monitor", ContinuityMeasured(message.setup_id, reading, fifty)),)
            case History():
                return self._history(now, message)
            case Snapshot():
                return self._snapshot(now, message)
            case Gap():
                return self._gap(now, message)
            case ExchangeCandles():
                return self._held_against(now, message)
            case HistoryFailed():
                return ()
            case ProductsListed(products=(product,)):
                self.state.product = product
                return ()
            case HoldDue():
                full = self.state.full
                return () if full is None else held(full, self.symbol, now, self._hold)
            case _:
                raise TypeError(f"scanner:{self.symbol} does not know {type(message).__name__}")

    # ── trades ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, now: datetime, tick: Tick, source: str) -> Iterable[Effect]:
        """Take a trade. This runs for every one of them: what it causes, mostly nothing, is collected in a list."""
        state, at, price = self.state, tick.time, tick.price
        if state.late_before is not None and at < state.late_before:
            return self._late(tick, source)
        if state.hole_ending and source == "feed":
            state.hole_ending, state.hole_until = False, max(state.hole_until or at, at)
        # What was replayed on subscription and printed before the history was taken, the history has counted.
        counted = source != "feed" and state.as_of is not None and at <= state.as_of
        size = Decimal(0) if counted else tick.size
        if self._calm is not None and self._calm.holds(at, price):
            self._calm.take(price, size)
            state.last, state.last_at = price, at
            return ()
        moved, passed = price != state.last, self._passed
        effects, opened, closed = list[Effect](), False, list[str]()
        for timeframe, frame in state.frames.items():
            forming = frame.forming
            if forming is not None and at < forming.close_time:
                forming.add(price, size)
                if moved and (path := frame.path) is not None:
                    if passed and timeframe in passed:
                        passed[timeframe].append(price)
                    else:
                        path.trade(price)
                continue
            if forming is not None:
                effects.extend(self._close(timeframe, frame))
                closed.append(timeframe)
            frame.forming = self._open(timeframe, frame, tick, size)
            opened = True
            if not self._is_ended(frame.forming):
                effects.append(self._timer(frame.forming, now))
        state.last, state.last_at = price, at
        for timeframe in closed:
            effects.extend(self._replace(timeframe, now))
        full = state.full
        if full is not None and state.verified and (moved or opened):
            if opened:
                full.opened(self._views(FULL_FRAMES, now))
            if full.side_at(price) != full.side:
                effects.extend(look(full, self.symbol, at, price, self._hold))
        self._calm = calm_of(state, price) if self._ended_by is None and not passed else None
        return effects

    def _late(self, tick: Tick, source: str) -> Iterator[Effect]:
        """A trade older than a closed bar: for the entry monitor, which leaves it out, and for the record."""
        yield Send("entry_monitor", LateTrade(self.symbol, tick))
        if source == "feed":
            yield Send("journal", LateTrade(self.symbol, tick))

    def _stretched(self, message: Stretch) -> None:
        """Take many trades at once, of which none ends a bar."""
        state = self.state
        for timeframe, frame in state.frames.items():
            if frame.forming is not None:
                frame.forming.add_many(message.high, message.low, message.tick.price, message.volume)
            if frame.path is not None:
                self._passed.setdefault(timeframe, []).append(message)
        state.last, state.last_at = message.tick.price, message.tick.time

    def _settle(self, timeframe: str, path: FiftyPercentRule) -> None:
        """Lead the path of a bar through the stretches it has passed: only where somebody asks for it."""
        for one in self._passed.pop(timeframe, ()):
            if isinstance(one, Stretch):
                path.along(one.high, one.low, one.units, one.scale)
            else:
                path.trade(one)

    def _open(self, timeframe: str, frame: Frame, tick: Tick, size: Decimal) -> FormingBar:
        """Return a forming bar begun with its first trade; its path begins too."""
        forming = FormingBar.from_trade(timeframe, tick.time, tick.price, size)
        frame.began, frame.path = tick.time, frame.series.forming_path() if self._records else None
        self._passed.pop(timeframe, None)
        if frame.path is not None:
            frame.path.trade(tick.price)
        self._late_before(forming.open_time)
        return forming

    def _is_ended(self, forming: FormingBar) -> bool:
        """Whether it is known when a trade will end the forming bar, and that this is before its timer would."""
        ended = self._ended_by
        return ended is not None and forming.close_time <= ended <= forming.close_time + self._grace

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
        bar, path = frame.forming.bar(), frame.path
        frame.forming, frame.began, frame.path = None, None, None
        self._late_before(bar.close_time)
        if frame.whole_from is None or bar.open_time < frame.whole_from:
            frame.whole_from = bar.close_time
            return
        if not self.state.verified:
            frame.doubtful = [*frame.doubtful, bar.open_time][-RECENT:]
        frame.closed_until = bar.close_time
        frame.revision = 0
        verified = self.state.verified
        closed = frame.series.close(bar, self._rules, path if verified else None)
        if path is not None and (closed.setups or closed.type == "3"):
            self._settle(timeframe, path)
        frame.keep([*frame.recent, bar])
        yield self._told(closed, verified=verified)
        if self._confirms and verified:
            yield Send("history", ConfirmBars(self.symbol, tuple(frame.recent[-LOOKED_AT:])))

    def _told(self, closed: ClosedBar, *, verified: bool, revision: int = 0, repaired: bool = False) -> Effect:
        """Tell the journal of a closed bar, once for each revision."""
        bar, product = closed.bar, self.state.product
        first_side, in_break = None, False
        if self._records:
            first_side = closed.labels(self._rules.failed).first_side if closed.type == "3" else None
            in_break = product is not None and overlaps_break(product, bar.open_time, bar.close_time)
        told = BarClosed(self.symbol, bar, closed.type, verified, revision, first_side, in_break, repaired)
        return Send("journal", told)

    def _replace(self, timeframe: str, now: datetime, unseen: Unseen | None = None) -> Iterator[Effect]:
        """Hand the entry monitor the setups in force on one timeframe; only detection timeframes have any."""
        if timeframe not in self._rules.timeframes or not self.state.joined or not self._signals:
            return
        frame = self.state.frames[timeframe]
        price = self.state.last
        if frame.closed_until is None or price is None:
            return
        if not (self._records or frame.setups or frame.detected):
            return
        names, needed = self._rules.continuity[timeframe]
        both = read_both(price, self._views(names, now), needed, self._rules.continuity_mode)
        readings: dict[str, ContinuityReading] = dict(zip(SIDES, both, strict=True))
        frame.detected = {setup.id: self._detection(frame, setup, readings[setup.side]) for setup in frame.setups}
        told = {setup.side: frame.detected[setup.id] for setup in frame.setups}
        message = SetupsReplaced(
            symbol=self.symbol,
            timeframe=timeframe,
            closed_at=frame.closed_until,
            setups=frame.setups,
            continuity={**readings, **{side: one.reading for side, one in told.items()}},
            verified=self.state.verified,
            unseen=unseen,
            revision=frame.revision,
            contexts={side: one.context for side, one in told.items() if one.context is not None},
            bars=tuple(frame.behind),
        )
        yield Send("entry_monitor", message)
        yield Send("journal", message)

    def _detection(self, frame: Frame, setup: Setup, reading: ContinuityReading) -> Detection:
        """What the setup was told with first, else what is read now; the labels of a bar with a hole are read anew."""
        known, verified = frame.detected.get(setup.id), self.state.verified
        if known is not None and known.verified and known.context is not None:
            return known
        context = context_of(frame.series, setup, self._rules) if self._records else None
        return Detection(known.reading if known else reading, context, verified)

    def _continuity(self, timeframe: str, side: Side, price: Decimal, now: datetime) -> ContinuityReading:
        names, needed = self._rules.continuity[timeframe]
        return read(side, price, self._views(names, now), needed, self._rules.continuity_mode)

    def _views(self, timeframes: Iterable[str], now: datetime) -> list[FrameView]:
        return [self.state.frames[timeframe].view(now) for timeframe in timeframes]

    # ── history, gaps ───────────────────────────────────────────────────────────────────────────────────────────────

    def _history(self, now: datetime, message: History) -> Iterator[Effect]:
        """Take candles from REST: at the start as the bars before the feed, after a hole as its repair."""
        state = self.state
        if state.joined and (state.verified or state.hole_open or _before(message.as_of, state.hole_until)):
            if not state.verified and not state.hole_open:
                yield Send("history", LoadHistory(self.symbol, "the candles were older than the hole"))
            return
        finer = Finer(message)
        for bars in message.frames:
            if bars.timeframe in state.frames:
                yield from self._take(bars, finer, message.as_of, now)
        state.as_of = message.as_of
        if state.joined:
            yield from self._verified(now)

    def _take(self, bars: FrameBars, finer: Finer, as_of: datetime, now: datetime) -> Iterator[Effect]:
        """Build one timeframe from REST's bars, joined to what the feed has brought since they were taken."""
        old = self.state.frames[bars.timeframe]
        opened, closes = period(bars.timeframe, as_of)
        old.whole_from = opened if bars.whole else old.whole_from or closes
        newer = self.state.last_at is not None and self.state.last_at > as_of
        found = rebuilt(old, bars, finer, self._rules, over=now - self._grace, newer=newer)
        if found is None:
            return
        frame, told = found
        for closed, revision in told:
            yield self._told(closed, verified=True, revision=revision, repaired=True)
        self.state.frames[bars.timeframe] = frame
        for event in revised(frame, self.symbol, bars.timeframe, now):
            yield Send("journal", event)
        newest = frame.forming or frame.recent[-1]
        if frame.forming is not None:
            self._late_before(frame.forming.open_time)
            yield self._timer(frame.forming, now)
        else:
            self._late_before(newest.close_time)
        if not newer:
            self.state.last = newest.close

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
        for frame in state.frames.values():
            frame.path = None
        state.hole_open = state.hole_open or message.reconnect
        state.hole_ending = not state.hole_open
        yield Send("entry_monitor", DataVerified(self.symbol, False))
        if not state.hole:
            state.hole, state.holes = True, state.holes + 1
            yield Send("journal", HoleFound(self.symbol, now, message.since, message.reason, state.holes))
        if not state.hole_open:
            yield Send("history", LoadHistory(self.symbol, message.reason))

    def _held_against(self, now: datetime, message: ExchangeCandles) -> Iterator[Effect]:
        """Hold closed bars against the exchange's own candles: a contradicted one voids what was read from it."""
        state = self.state
        contradicted, told = held_against(state, self.symbol, now, message)
        yield from told
        if not contradicted:
            return
        state.verified = False
        yield Send("entry_monitor", DataVerified(self.symbol, False))
        for timeframe in contradicted:
            yield from self._replace(timeframe, now)
        if not state.hole_open:
            yield Send("history", LoadHistory(self.symbol, f"contradicted: {' '.join(contradicted)}"))

    def _verified(self, now: datetime) -> Iterator[Effect]:
        """Every stretch is seen or filled: hand out all setups, with the part of their entry bars nobody saw."""
        self.state.verified, self.state.hole_ending = True, False
        yield Send("entry_monitor", DataVerified(self.symbol, True))
        if self.state.hole:
            self.state.hole = False
            yield Send("journal", HoleRepaired(self.symbol, now, self.state.holes))
        for timeframe in self.timeframes:
            yield from self._replace(timeframe, now, unseen(self.state.frames[timeframe]))
        full, price = self.state.full, self.state.last
        if full is not None and price is not None:
            full.opened(self._views(FULL_FRAMES, now))
            yield from look(full, self.symbol, now, price, self._hold)


def frames_needed(rules: StratRules, *, full: bool = True) -> tuple[str, ...]:
    """Return the timeframes a scanner keeps, shortest first: those it detects on and those continuity looks at.

    `full`: those of full timeframe continuity too.
    """
    wanted = {*rules.timeframes, *(FULL_FRAMES if full else ())}
    for timeframe in rules.timeframes:
        wanted.update(rules.continuity[timeframe][0])
    return tuple(timeframe for timeframe in TIMEFRAMES if timeframe in wanted)


def _before(at: datetime, limit: datetime | None) -> bool:
    return limit is not None and at < limit
