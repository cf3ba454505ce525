"""One symbol's closed bars on one timeframe, typed and labelled as they close, in constant time and space."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from atlas.errors import InternalError
from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType, Color, bar_type, color, in_force
from atlas.strat.labels import FiftyPercentRule, Labels, failed_two, ladder, shape
from atlas.strat.setup import Setup, Side
from atlas.strat.setups import continuation, setups_at

PEAKS: Final = 32
"""So many older extremes are kept on each side for magnitude ladders: each further than all since, nearest last."""


class ClosedBar(msgspec.Struct, frozen=True):
    """A bar that closed, and all that follows from it.

    `prior` is the bar before it, None for the first of a series, which has no `type`. `setups` live during the next
    period and replace all earlier ones of the symbol and timeframe. `continuation` is a signal for holding. `path` is
    how the bar went, where that was seen, and is fed no more. What `prior` and the bar tell by themselves is worked out
    when asked for.
    """

    bar: Bar
    prior: Bar | None
    type: BarType | None
    prior_type: BarType | None
    setups: tuple[Setup, ...]
    continuation: str | None
    lower_highs: int
    higher_lows: int
    mother: Bar | None
    path: FiftyPercentRule | None

    @property
    def color(self) -> Color:
        """Green, red or neutral."""
        return color(self.bar.open, self.bar.close)

    @property
    def in_force(self) -> bool | None:
        """Whether it closed beyond the extreme it took; None for the first bar of a series."""
        return in_force(self.bar, self.prior)

    def labels(self, failed_setting: str = "color") -> Labels:
        """Return all its labels. Raises ConfigurationError for an unknown setting of the failed 2."""
        path = self.path
        if path is None and self.prior is not None:
            path = FiftyPercentRule(self.prior.high, self.prior.low)
            path.through(self.bar.high, self.bar.low, self.bar.close)
        return Labels(
            color=self.color,
            in_force=self.in_force,
            failed_two=failed_two(self.bar, self.prior, failed_setting),
            shape=shape(self.bar),
            lower_highs=self.lower_highs,
            higher_lows=self.higher_lows,
            mother=self.mother,
            fifty=None if path is None else path.state,
            first_side=path.first_side if path is not None and self.type == "3" else None,
        )


class Series(msgspec.Struct):
    """What is remembered of the closed bars: enough for the next bar's type, labels and setups, and no more.

    `before` is the bar before the last closed one or, where that ends a run of `inside` 1s, the bar before that run.
    `highs` and `lows` are the PEAKS nearest extremes a ladder may stand on. Survives encoding by msgspec.
    """

    symbol: str
    timeframe: str
    closed: ClosedBar | None = None
    before: Bar | None = None
    before_type: BarType | None = None
    inside: int = 0
    highs: list[Decimal] = []
    lows: list[Decimal] = []

    @classmethod
    def from_bars(cls, symbol: str, timeframe: str, bars: Iterable[Bar], rules: StratRules) -> "Series":
        """Return the series after closing `bars`, oldest first."""
        series = cls(symbol, timeframe)
        for bar in bars:
            series.close(bar, rules)
        return series

    @property
    def last(self) -> Bar | None:
        """The bar that closed last."""
        return None if self.closed is None else self.closed.bar

    @property
    def types(self) -> tuple[BarType | None, BarType | None]:
        """The types of the last two bars, newest first."""
        return (None, None) if self.closed is None else (self.closed.type, self.closed.prior_type)

    def close(self, bar: Bar, rules: StratRules, path: FiftyPercentRule | None = None) -> ClosedBar:
        """Take the next closed bar and return what follows from it.

        A hole before it is no matter: bars across it are neighbours. `path` is how it went by its ticks or the bars of
        a lower frame, begun with `forming_path` and seen from its first trade on; None if it was not seen.

        Raises:
            InternalError: the bar is of another timeframe, or does not come after the last one.
        """
        closed = self.closed
        if bar.timeframe != self.timeframe or (closed is not None and bar.open_time < closed.bar.close_time):
            raise InternalError(
                f"{self.symbol} {self.timeframe}: the {bar.timeframe} bar at {bar.open_time:%Y-%m-%d %H:%M} does not "
                f"follow {'nothing' if closed is None else f'the one at {closed.bar.open_time:%Y-%m-%d %H:%M}'}: "
                "report this"
            )
        if closed is None:
            self.closed = ClosedBar(bar, None, None, None, (), None, 0, 0, None, path)
            self.highs, self.lows = [bar.high], [bar.low]
            return self.closed
        prior, prior_type = closed.bar, closed.type
        high, low = bar.high, bar.low
        kind = bar_type(high, low, prior.high, prior.low)
        mother = closed.mother
        if kind == "1":
            self.inside += 1
            if prior_type != "1":
                self.inside, self.before, self.before_type = 1, prior, prior_type
            mother = mother or prior
            held = None
        else:
            self.inside, self.before, self.before_type = 0, prior, prior_type
            if mother is not None and (high > mother.high or low < mother.low):
                mother = None
            held = continuation(kind, prior_type, closed.prior_type)
        lower_high, higher_low = high < prior.high, low > prior.low
        self._remember(high, low, lower_high, higher_low)
        self.closed = ClosedBar(
            bar,
            prior,
            kind,
            prior_type,
            setups_at(self.symbol, bar, kind, self.before, self.before_type, self.inside, rules),
            held,
            closed.lower_highs + 1 if lower_high else 0,
            closed.higher_lows + 1 if higher_low else 0,
            mother,
            path,
        )
        return self.closed

    def forming_type(self, high: Decimal, low: Decimal) -> BarType | None:
        """Return the type of the bar now forming after the last closed one; None if there is none to compare with."""
        last = self.last
        return None if last is None else bar_type(high, low, last.high, last.low)

    def forming_path(self) -> FiftyPercentRule | None:
        """Return the path of the bar that forms next, not begun yet; None if there is no closed one before it."""
        last = self.last
        return None if last is None else FiftyPercentRule(last.high, last.low)

    def ladder(self, side: Side, target: Decimal) -> tuple[Decimal, ...]:
        """Return the magnitude ladder beyond the first `target`, nearest first, as far as PEAKS reach."""
        return ladder(reversed(self.highs if side == "long" else self.lows), side, target)

    def _remember(self, high: Decimal, low: Decimal, lower_high: bool, higher_low: bool) -> None:
        """Keep the extremes that are further than all that came after them."""
        highs, lows = self.highs, self.lows
        if not lower_high:
            while highs and highs[-1] <= high:
                highs.pop()
        if not higher_low:
            while lows and lows[-1] >= low:
                lows.pop()
        highs.append(high)
        lows.append(low)
        if len(highs) > PEAKS:
            del highs[0]
        if len(lows) > PEAKS:
            del lows[0]
