"""How candles from REST and trades from the feed become one series of bars."""

from datetime import datetime

import msgspec

from actors.messages import FrameBars, History
from actors.scanner_frames import Frame
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Bar
from atlas.market.timeframes import finer
from atlas.rules import StratRules
from atlas.strat.labels import FiftyPercentRule
from atlas.strat.series import ClosedBar, Series


def rebuilt(
    old: Frame, bars: FrameBars, history: "Finer", rules: StratRules, *, over: datetime, newer: bool
) -> tuple[Frame, list[tuple[ClosedBar, int]]] | None:
    """Return one timeframe built from REST's bars, joined to what the feed has brought since they were taken.

    Besides it the closed bars that the journal does not have so, each with its revision. A period that ended at or
    before `over` has closed. `newer`: the feed has brought trades since. None if there is no bar at all.
    """
    seen = [*old.recent, *([old.forming.bar()] if old.forming else ())]
    closed, forming = joined(bars, seen, newer=newer)
    if forming is not None and forming.close_time <= over:
        closed.append(forming.bar())
        forming = None
    if not closed and forming is None:
        return None
    frame = Frame(Series(old.series.symbol, bars.timeframe), forming)
    frame.whole_from, frame.repairs = old.whole_from, old.repairs + 1
    frame.detected, frame.stored_until, frame.doubt = old.detected, old.stored_until, old.doubt
    frame.closed_until = closed[-1].close_time if closed else None
    frame.revision = old.revision + 1 if old.closed_until == frame.closed_until is not None else 0
    known = {bar.open_time: bar for bar in old.recent}
    told_until = old.closed_until or old.stored_until
    told: list[tuple[ClosedBar, int]] = []
    for bar in closed:
        whole = bar.close_time <= history.as_of or not newer
        last = frame.series.close(bar, rules, history.path(frame.series, bar) if whole else None)
        if old.doubt is not None and bar.close_time == old.doubt.closed_at:
            frame.doubt = msgspec.structs.replace(old.doubt, after=last.setups)
        new = told_until is not None and bar.open_time >= told_until
        if new or bar.open_time in old.doubtful or known.get(bar.open_time, bar) != bar:
            told.append((last, 0 if new else frame.repairs))
    retold = {last.bar.open_time for last, _ in told}
    frame.confirmed = [opened for opened in old.confirmed if opened not in retold]
    frame.keep(closed)
    if forming is not None:
        if bars.forming is not None and bars.forming.open_time == forming.open_time:
            frame.began = history.began(bars.timeframe, forming.open_time, forming.close_time)
            frame.path = None if newer else history.path(frame.series, forming.bar())
        else:
            frame.began, frame.path = old.began, old.path
        frame.path = _fitting(frame.path, frame.series, forming)
    return frame, told


def _fitting(path: FiftyPercentRule | None, series: Series, forming: FormingBar) -> FiftyPercentRule | None:
    """Return the path of the forming bar if it is one against the last closed bar, else what the bar itself tells."""
    fresh = series.forming_path()
    if fresh is None:
        return None
    if path is not None and (path.prior_high, path.prior_low) == (fresh.prior_high, fresh.prior_low):
        return path
    fresh.through(forming.high, forming.low, forming.close)
    return fresh


def joined(bars: FrameBars, seen: list[Bar], *, newer: bool) -> tuple[list[Bar], FormingBar | None]:
    """Return closed bars and forming bar of REST, continued by the bars the feed has made since they were taken.

    A trade may be in both: high and low do not mind, and the greater volume is nearer. The last seen close stands, save
    that of the last bar if no trade of it is `newer` than the candles.
    """
    closed, forming = list(bars.closed), FormingBar.from_bar(bars.forming, bars.timeframe) if bars.forming else None
    until = closed[-1].close_time if closed else None
    for bar in seen:
        if forming is not None and bar.open_time == forming.open_time:
            forming.high, forming.low = max(forming.high, bar.high), min(forming.low, bar.low)
            forming.volume = max(forming.volume, bar.volume)
            if newer or bar is not seen[-1]:
                forming.close = bar.close
        elif bar.open_time >= (forming.close_time if forming is not None else until or bar.open_time):
            if forming is not None:
                closed.append(forming.bar())
            forming = FormingBar.from_bar(bar, bars.timeframe)
    return closed, forming


class Finer:
    """The bars of one history on all its timeframes, to look into those of the longer ones."""

    def __init__(self, history: History) -> None:
        self.as_of = history.as_of
        self._bars = {
            bars.timeframe: (*bars.closed, *([bars.forming] if bars.forming is not None else []))
            for bars in history.frames
        }

    def path(self, series: Series, bar: Bar) -> FiftyPercentRule | None:
        """Return how `bar`, the next of its series, went by the bars within it, of the finest timeframe that reaches
        back to its open; None if none does, or if candles within and without do not agree."""
        path = series.forming_path()
        for timeframe in reversed(finer(bar.timeframe)):
            within = self._within(timeframe, bar.open_time, bar.close_time)
            if path is not None and within:
                if max(one.high for one in within) != bar.high or min(one.low for one in within) != bar.low:
                    return None
                for one in within:
                    path.through(one.high, one.low, one.close)
                return path
        return None

    def began(self, timeframe: str, opened: datetime, closes: datetime) -> datetime:
        """Return when the first trade of a period printed, as exactly as the bars tell, and never later."""
        within = (self._within(shorter, opened, closes) for shorter in finer(timeframe))
        return max((bars[0].open_time for bars in within if bars), default=opened)

    def _within(self, timeframe: str, opened: datetime, closes: datetime) -> tuple[Bar, ...]:
        """Return the bars that opened in [opened, closes); none if the history begins later."""
        bars = self._bars.get(timeframe, ())
        if not bars or bars[0].open_time > opened:
            return ()
        return tuple(bar for bar in bars if opened <= bar.open_time < closes)
