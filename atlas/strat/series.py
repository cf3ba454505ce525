"""One symbol's closed bars on one timeframe, typed as they close, in constant time and space."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from atlas.errors import InternalError
from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType, Color, bar_type, color, in_force, type_after
from atlas.strat.setup import Setup
from atlas.strat.setups import continuation, setups_at


class ClosedBar(msgspec.Struct, frozen=True):
    """A bar that closed, and all that follows from it.

    `type` and `in_force` are None for the first bar of a series. `setups` live during the next period and replace all
    earlier ones of the symbol and timeframe. `continuation` is a signal for holding.
    """

    bar: Bar
    type: BarType | None
    color: Color
    in_force: bool | None
    setups: tuple[Setup, ...]
    continuation: str | None


class Series(msgspec.Struct):
    """What is remembered of the closed bars: enough for the next bar's type and setups, and no more.

    `last` is the bar that closed last. `before` is the bar before it or, where it ends a run of `inside` 1s, the bar
    before that run. `types` are those of the last three bars, newest first. Survives encoding by msgspec.
    """

    symbol: str
    timeframe: str
    last: Bar | None = None
    before: Bar | None = None
    before_type: BarType | None = None
    inside: int = 0
    types: tuple[BarType | None, BarType | None, BarType | None] = (None, None, None)

    @classmethod
    def from_bars(cls, symbol: str, timeframe: str, bars: Iterable[Bar], rules: StratRules) -> "Series":
        """Return the series after closing `bars`, oldest first."""
        series = cls(symbol, timeframe)
        for bar in bars:
            series.close(bar, rules)
        return series

    def close(self, bar: Bar, rules: StratRules) -> ClosedBar:
        """Take the next closed bar and return what follows from it.

        A hole before it is no matter: bars across it are neighbours.

        Raises:
            InternalError: the bar is of another timeframe, or does not come after the last one.
        """
        last, last_type = self.last, self.types[0]
        if bar.timeframe != self.timeframe or (last is not None and bar.open_time < last.close_time):
            raise InternalError(
                f"{self.symbol} {self.timeframe}: the {bar.timeframe} bar at {bar.open_time:%Y-%m-%d %H:%M} does not "
                f"follow {'nothing' if last is None else f'the one at {last.open_time:%Y-%m-%d %H:%M}'}: report this"
            )
        kind = type_after(bar, last)
        if kind == "1" and last_type == "1":
            self.inside += 1
        else:
            self.inside = 1 if kind == "1" else 0
            self.before, self.before_type = last, last_type
        self.last = bar
        self.types = (kind, last_type, self.types[1])
        return ClosedBar(
            bar,
            kind,
            color(bar.open, bar.close),
            in_force(bar, last),
            setups_at(self.symbol, bar, kind, self.before, self.before_type, self.inside, rules),
            continuation(*self.types),
        )

    def forming_type(self, high: Decimal, low: Decimal) -> BarType | None:
        """Return the type of the bar now forming after the last closed one; None if there is none to compare with."""
        return None if self.last is None else bar_type(high, low, self.last.high, self.last.low)
