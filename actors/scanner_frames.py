"""What a scanner keeps of each timeframe, and how candles from REST and trades from the feed become one series."""

from datetime import datetime
from decimal import Decimal

import msgspec

from actors.messages import FrameBars, Unseen
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Bar
from atlas.strat.series import Series
from atlas.strat.setup import Setup

RECENT = 4
"""Closed bars kept to be joined to a history that was taken a moment before they closed."""


class Frame(msgspec.Struct):
    """One timeframe: the closed bars' series, the forming bar, and where the closed bars end.

    A period that opened before `whole_from` is not known from its open on; None: as long as no history has come.
    `doubtful` are the opens of bars that closed while the product was unverified. `repairs` counts the histories taken.
    """

    series: Series
    forming: FormingBar | None = None
    closed_until: datetime | None = None
    recent: list[Bar] = []
    setups: tuple[Setup, ...] = ()
    revision: int = 0
    whole_from: datetime | None = None
    doubtful: list[datetime] = []
    repairs: int = 0


class ScannerState(msgspec.Struct):
    """`joined`: history and feed have met. `late_before`: a trade stamped earlier is older than a closed bar.

    `last` is the price of the last trade and `last_at` when the feed brought one.
    `hole_open`: the hole lasts until the next Snapshot. `hole_until`: a history must be taken after it to count as a
    repair; `hole_ending`: the next trade of the feed moves it, because what was lost came before that trade.
    """

    frames: dict[str, Frame] = {}
    joined: bool = False
    verified: bool = False
    as_of: datetime | None = None
    hole_open: bool = False
    hole_until: datetime | None = None
    hole_ending: bool = False
    late_before: datetime | None = None
    last: Decimal | None = None
    last_at: datetime | None = None


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


def reached(frame: Frame, opened: datetime) -> bool:
    """Whether the data reach back to a period's open."""
    return frame.whole_from is not None and frame.whole_from <= opened


def unseen(frame: Frame) -> Unseen | None:
    """The entry bar as the stretch that was not seen live; which side came first is told by the candle path.

    A forming bar after a period without trades is no entry bar: the setups lapsed with that period.
    """
    forming = frame.forming
    if forming is None or forming.open_time != frame.closed_until:
        return None
    return Unseen(forming.high, forming.low, "short" if forming.close >= forming.open else "long")
