"""What a scanner keeps of each timeframe, and how continuity sees it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from actors.messages import Unseen
from actors.scanner_full import FullWatch
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Bar
from atlas.market.product import Product
from atlas.market.timeframes import period
from atlas.strat.context import Context
from atlas.strat.continuity import FrameView
from atlas.strat.labels import FiftyPercentRule, FiftyPercentState
from atlas.strat.series import Series
from atlas.strat.setup import ContinuityReading, Setup

RECENT = 4
"""Closed bars kept at least, to be joined to a history that was taken a moment before they closed."""


class Detection(msgspec.Struct, frozen=True):
    """What a setup was told with first. The reading stands when its bar is derived again, labels if `verified`."""

    reading: ContinuityReading
    context: Context | None
    verified: bool


class Doubt(msgspec.Struct, frozen=True):
    """A bar is contradicted: the setups read at that close `before`, and `after` the bar was replaced."""

    closed_at: datetime
    before: tuple[Setup, ...]
    after: tuple[Setup, ...] = ()


class Frame(msgspec.Struct):
    """One timeframe: the closed bars' series, the forming bar, and where the closed bars end.

    A period that opened before `whole_from` is not known from its open on; None: as long as no history has come.
    `doubtful` are the opens of bars that closed while the product was unverified, or were contradicted; `doubt` is what
    the latter may change. `confirmed` are the opens of bars the exchange says the same of. `repairs` counts the
    histories taken. `began` is when the forming bar's first trade printed, as exactly as known and never later; `path`
    is how it has gone against the bar before it, None where a stretch of it was not seen. `detected` holds by setup id
    what was told of the setups in force. Bars up to `stored_until` were told before the process started; None: no run
    was before.
    """

    series: Series
    forming: FormingBar | None = None
    closed_until: datetime | None = None
    recent: list[Bar] = []
    revision: int = 0
    whole_from: datetime | None = None
    doubtful: list[datetime] = []
    repairs: int = 0
    began: datetime | None = None
    path: FiftyPercentRule | None = None
    detected: dict[str, Detection] = {}
    stored_until: datetime | None = None
    confirmed: list[datetime] = []
    doubt: Doubt | None = None

    @property
    def setups(self) -> tuple[Setup, ...]:
        """The setups of the bar that closed last."""
        return () if self.series.closed is None else self.series.closed.setups

    @property
    def behind(self) -> list[Bar]:
        """The closed bars its setups were read from: those the name tells, and the one before that types the first."""
        count = self._behind()
        return self.recent[-count:] if count else []

    def _behind(self) -> int:
        return max([setup.name.count("-") + 1 for setup in self.setups], default=0)

    def keep(self, closed: list[Bar]) -> None:
        """Keep the newest of the closed bars, whose last is in the series: the setups' own, however many, and a few."""
        self.recent = closed[-max(RECENT, self._behind()) :]

    @property
    def fifty(self) -> FiftyPercentState | None:
        """The 50 % rule of the forming bar now; None where there is none, or no bar before it."""
        if self.forming is None or self.series.last is None:
            return None
        return "unknown" if self.path is None else self.path.state

    def view(self, now: datetime) -> FrameView:
        """Return the current period as continuity sees it; one without a trade yet has no open."""
        prior, forming = self.recent[-1] if self.recent else None, self.forming
        high, low = (prior.high, prior.low) if prior else (None, None)
        name = self.series.timeframe
        if forming is None or forming.close_time <= now:
            return FrameView(name, None, None, None, None, high, low, self._reached(period(name, now)[0]))
        opened = forming.open_time
        known, began = self.whole_from is not None and self.whole_from <= opened, self.began or opened
        return FrameView(name, forming.open, forming.high, forming.low, forming.close, high, low, known, opened, began)

    def _reached(self, opened: datetime) -> bool:
        """Whether the data reach back to a period's open."""
        return self.whole_from is not None and self.whole_from <= opened

class ScannerState(msgspec.Struct):
    """`joined`: history and feed have met. `late_before`: a trade stamped earlier is older than a closed bar.

    `last` is the price of the last trade and `last_at` when the feed brought one.
    `hole_open`: the hole lasts until the next Snapshot. `hole_until`: a history must be taken after it to count as a
    repair; `hole_ending`: the next trade of the feed moves it, because what was lost came before that trade.
    `full` is None where full continuity is not watched. `product` is as last listed. `hole`: one was told, or nothing
    has been whole yet; `holes` counts them.
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
    full: FullWatch | None = None
    product: Product | None = None
    hole: bool = True
    holes: int = 0


class Remembered(msgspec.Struct, frozen=True):
    """What a scanner knows of the process before it: by timeframe what was told of setups, and where its bars end."""

    detected: dict[str, dict[str, Detection]] = {}
    stored_until: dict[str, datetime] = {}
    full: FullWatch | None = None


def first_state(
    symbol: str, timeframes: Iterable[str], *, full: bool, remembered: Remembered | None = None
) -> ScannerState:
    """Return what a scanner begins with: no bar yet, and what is remembered."""
    known = remembered or Remembered()
    frames = {
        name: Frame(
            Series(symbol, name),
            detected=dict(known.detected.get(name, {})),
            stored_until=known.stored_until.get(name),
        )
        for name in timeframes
    }
    return ScannerState(frames, full=(known.full or FullWatch()) if full else None)


def unseen(frame: Frame) -> Unseen | None:
    """The entry bar as the stretch that was not seen live; which side came first is told by its path, as far as that is
    known, else by the candle path.

    A forming bar after a period without trades is no entry bar: the setups lapsed with that period.
    """
    forming = frame.forming
    if forming is None or forming.open_time != frame.closed_until:
        return None
    known = None if frame.path is None else frame.path.first_side
    return Unseen(forming.high, forming.low, known or ("short" if forming.close >= forming.open else "long"))
