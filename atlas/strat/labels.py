"""Context labels of strat.md 1: shown, stored with the signal, filterable. None creates a trade by itself.

What needs more of the past than the bar before is counted by `atlas.strat.series` as bars close.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.strat.bar_types import Color, bar_type, color
from atlas.strat.setup import Side, opposite

FAILED_TWO: Final = ("color", "reclaim")
"""The settings of what makes a 2 failed: its color, or a close back within the extreme it took."""

MACHINE_GUN: Final = 5
"""So many consecutive strictly lower highs, or higher lows, counted as comparisons, are a pivot machine gun."""

Shape = Literal["hammer", "shooter"]


FiftyPercentState = Literal["invalid", "standby", "active", "complete", "unknown"]


class Labels(msgspec.Struct, frozen=True):
    """The context of one closed bar; `in_force`, `failed_two` and `fifty` are None for the first of a series.

    `lower_highs` and `higher_lows` count comparisons in a row that ended with this bar. `mother` is the mother bar it
    is inside of. `fifty` is the 50 % rule at its close. `first_side` is the side of a 3 that broke first, long for the
    high, None where unknown.
    """

    color: Color
    in_force: bool | None
    failed_two: bool | None
    shape: Shape | None
    lower_highs: int
    higher_lows: int
    mother: Bar | None
    fifty: FiftyPercentState | None
    first_side: Side | None

    @property
    def machine_gun(self) -> Side | None:
        """The side that would run through the pivots: long after lower highs, short after higher lows.

        None if there are too few of either, or enough of both.
        """
        down, up = self.lower_highs >= MACHINE_GUN, self.higher_lows >= MACHINE_GUN
        if down == up:
            return None
        return "long" if down else "short"


def failed_two(bar: Bar, prior: Bar | None, setting: str = "color") -> bool | None:
    """Return whether `bar` is a 2U that closes red or a 2D that closes green; None without a bar before it.

    Setting `reclaim` instead: a 2U with close <= prior high, a 2D with close >= prior low. A 3 or a 1 never is.

    Raises:
        ConfigurationError: another setting.
    """
    if setting not in FAILED_TWO:
        raise ConfigurationError(f"failed 2 = {setting!r}: use one of {' '.join(FAILED_TWO)}")
    if prior is None:
        return None
    kind = bar_type(bar.high, bar.low, prior.high, prior.low)
    if kind == "2U":
        return color(bar.open, bar.close) == "red" if setting == "color" else bar.close <= prior.high
    if kind == "2D":
        return color(bar.open, bar.close) == "green" if setting == "color" else bar.close >= prior.low
    return False


def shape(bar: Bar) -> Shape | None:
    """Return hammer for open and close both in the top 33 % of the range, shooter for the bottom, exactly."""
    spread = bar.high - bar.low
    if spread <= 0:
        return None
    if 100 * (bar.high - min(bar.open, bar.close)) <= 33 * spread:
        return "hammer"
    return "shooter" if 100 * (max(bar.open, bar.close) - bar.low) <= 33 * spread else None


def ladder(extremes: Iterable[Decimal], side: Side, target: Decimal) -> tuple[Decimal, ...]:
    """Return those of `extremes`, newest first, that are strictly beyond `target` and each further than the last.

    The setup bar's own extreme is its trigger, short of the target, and so no rung.
    """
    rungs: list[Decimal] = []
    furthest = target
    for extreme in extremes:
        if extreme > furthest if side == "long" else extreme < furthest:
            furthest = extreme
            rungs.append(extreme)
    return tuple(rungs)


_FAR = Decimal("Infinity")


class FiftyPercentRule(msgspec.Struct):
    """The 50 % rule of a forming bar: a side of the previous bar is taken, then its midpoint is touched.

    `state`: invalid (no side taken yet), standby (one taken), active (then the midpoint touched), complete (then the
    other side taken too: a 3), unknown (one taken, and what was seen does not tell whether the midpoint was touched
    before or after). `side` is the way back: long after the low was taken; None if the order is unknown.
    """

    prior_high: Decimal
    prior_low: Decimal
    side: Side | None = None
    state: FiftyPercentState = "invalid"

    @property
    def midpoint(self) -> Decimal:
        """The middle of the previous bar's range."""
        return (self.prior_high + self.prior_low) / 2

    @property
    def first_side(self) -> Side | None:
        """The side of the previous bar that broke first, long for its high; None if unknown or none did."""
        return None if self.side is None else opposite(self.side)

    @property
    def unmoved(self) -> tuple[Decimal, Decimal]:
        """Two prices: a trade strictly between them does not change the state."""
        if self.state == "complete":
            return -_FAR, _FAR
        if self.state == "invalid":
            return self.prior_low, self.prior_high
        if self.side == "short":
            return (self.prior_low if self.state == "active" else self.midpoint), _FAR
        return -_FAR, (self.prior_high if self.state == "active" else self.midpoint)

    def trade(self, price: Decimal) -> None:
        """Take the next trade."""
        self.through(price, price, price)

    def along(self, highest: Decimal, lowest: Decimal, units: NDArray[np.int64], scale: int) -> None:
        """Take many trades in their order, prices counted in 10 ** -scale, which holds the levels exactly.

        Searches the next trade that changes the state, at most three, and takes only those. `highest` and `lowest` are
        those of them all.
        """
        if not self._concerned(highest, lowest):
            return
        high, low = int(self.prior_high.scaleb(scale)), int(self.prior_low.scaleb(scale))
        begins = 0
        while self.state != "complete" and begins < len(units):
            left = units[begins:]
            if self.state == "invalid":
                moves = (left > high) | (left < low)
            elif self.side == "short":
                moves = left < low if self.state == "active" else 2 * left <= high + low
            else:
                moves = left > high if self.state == "active" else 2 * left >= high + low
            place = int(moves.argmax())
            if not moves[place]:
                return
            self.trade(Decimal(int(left[place])).scaleb(-scale))
            begins += place + 1

    def _concerned(self, highest: Decimal, lowest: Decimal) -> bool:
        """Whether trades with these extremes change the state."""
        if self.state == "invalid":
            return highest > self.prior_high or lowest < self.prior_low
        if self.state == "active":
            return lowest < self.prior_low if self.side == "short" else highest > self.prior_high
        return self.state != "complete" and (
            lowest <= self.midpoint if self.side == "short" else highest >= self.midpoint
        )

    def through(self, high: Decimal, low: Decimal, close: Decimal) -> None:
        """Take what came next, seen only as a bar: one of a lower frame, or the whole bar itself."""
        if self.state == "complete":
            return
        up, down = high > self.prior_high, low < self.prior_low
        if self.state == "invalid":
            self._take(up, down, high, low, close)
        elif down if self.side == "short" else up:
            self.state = "complete"
        elif low <= self.midpoint if self.side == "short" else high >= self.midpoint:
            self.state = "active"

    def _take(self, up: bool, down: bool, high: Decimal, low: Decimal, close: Decimal) -> None:
        if up and down:
            self.state = "complete"
        elif up:
            self.side = "short"
            self.state = "standby" if low > self.midpoint else "active" if close <= self.midpoint else "unknown"
        elif down:
            self.side = "long"
            self.state = "standby" if high < self.midpoint else "active" if close >= self.midpoint else "unknown"
