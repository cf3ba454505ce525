"""Context labels of strat.md 1: shown, stored with the signal, filterable. None creates a trade by itself.

All are read from recent closed bars, oldest first, the last being the bar spoken of. What lies before the first of them
is not known: a longer list can only find more.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, Literal

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.strat.bar_types import color, type_after
from atlas.strat.setup import Side

FAILED_TWO: Final = ("color", "reclaim")
"""The settings of what makes a 2 failed: its color, or a close back within the extreme it took."""

MACHINE_GUN: Final = 5
"""So many consecutive strictly lower highs, or higher lows, counted as comparisons, are a pivot machine gun."""

Shape = Literal["hammer", "shooter"]


class Labels(msgspec.Struct, frozen=True):
    """The context of one closed bar.

    `machine_gun` is the side that would run through the pivots: long after lower highs, short after higher lows.
    `mother` is the mother bar it is still inside of.
    """

    failed_two: bool
    shape: Shape | None
    machine_gun: Side | None
    mother: Bar | None


def labels_of(bars: Sequence[Bar], failed_setting: str = "color") -> Labels:
    """Return the labels of the last of `bars`, of which there is at least one."""
    return Labels(
        failed_two=len(bars) > 1 and is_failed_two(bars[-1], bars[-2], failed_setting),
        shape=shape(bars[-1]),
        machine_gun=machine_gun(bars),
        mother=mother_bar(bars),
    )


def is_failed_two(bar: Bar, prior: Bar, setting: str = "color") -> bool:
    """Return whether `bar` is a 2U that closes red or a 2D that closes green.

    Setting `reclaim` instead: a 2U with close <= prior high, a 2D with close >= prior low. A 3 or a 1 never is.

    Raises:
        ConfigurationError: another setting.
    """
    if setting not in FAILED_TWO:
        raise ConfigurationError(f"failed 2 = {setting!r}: use one of {' '.join(FAILED_TWO)}")
    kind = type_after(bar, prior)
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


def lower_highs(bars: Sequence[Bar]) -> int:
    """Return how many comparisons in a row, the last bar's first, found a strictly lower high."""
    return _run(later.high < earlier.high for later, earlier in pairwise(reversed(bars)))


def higher_lows(bars: Sequence[Bar]) -> int:
    """Return how many comparisons in a row, the last bar's first, found a strictly higher low."""
    return _run(later.low > earlier.low for later, earlier in pairwise(reversed(bars)))


def machine_gun(bars: Sequence[Bar]) -> Side | None:
    """Return the side of the pivot machine gun that ends with the last bar, None if there is none, or one each way."""
    down, up = lower_highs(bars) >= MACHINE_GUN, higher_lows(bars) >= MACHINE_GUN
    if down == up:
        return None
    return "long" if down else "short"


def mother_bar(bars: Sequence[Bar]) -> Bar | None:
    """Return the mother bar the last bar is inside of: the bar before the first 1 of a run of 1s.

    It stays until a bar goes strictly beyond one of its extremes; a run of 1s within it makes no other.
    """
    mother: Bar | None = None
    for earlier, later in pairwise(bars):
        if mother is not None and (later.high > mother.high or later.low < mother.low):
            mother = None
        if mother is None and type_after(later, earlier) == "1":
            mother = earlier
    return mother


def magnitude_ladder(bars: Sequence[Bar], side: Side, target: Decimal) -> tuple[Decimal, ...]:
    """Return the older extremes strictly beyond the first `target`, each further than the last, nearest first.

    `bars` end with the setup bar, whose own extremes are no rungs.
    """
    rungs: list[Decimal] = []
    furthest = target
    for bar in reversed(bars[:-1]):
        extreme = bar.high if side == "long" else bar.low
        if extreme > furthest if side == "long" else extreme < furthest:
            furthest = extreme
            rungs.append(extreme)
    return tuple(rungs)


def first_break(prior_high: Decimal, prior_low: Decimal, path: Iterable[tuple[Decimal, Decimal]]) -> Side | None:
    """Return which side of the previous bar broke first, long for its high; None if unknown or none did.

    `path` are (high, low) of what happened in order: of the bars of a lower frame, or each trade's price twice. If one
    of them takes both sides at once, the order is unknown.
    """
    for high, low in path:
        up, down = high > prior_high, low < prior_low
        if up or down:
            return None if up and down else "long" if up else "short"
    return None


class FiftyPercentRule(msgspec.Struct):
    """The 50 % rule of the forming bar: a side of the previous bar is taken, then its midpoint is touched.

    `state`: invalid (no side taken yet), standby (one taken), active (then the midpoint touched), complete (then the
    other side taken too: a 3). `side` is the way back: long after the low was taken.
    """

    prior_high: Decimal
    prior_low: Decimal
    side: Side | None = None
    state: Literal["invalid", "standby", "active", "complete"] = "invalid"

    @property
    def midpoint(self) -> Decimal:
        """The middle of the previous bar's range."""
        return (self.prior_high + self.prior_low) / 2

    def trade(self, price: Decimal) -> None:
        """Take the next trade."""
        if self.state == "invalid" and (price > self.prior_high or price < self.prior_low):
            self.side = "short" if price > self.prior_high else "long"
            self.state = "standby"
            return
        if self.side is None or self.state == "complete":
            return
        if self.side == "long":
            touched, taken = price >= self.midpoint, price > self.prior_high
        else:
            touched, taken = price <= self.midpoint, price < self.prior_low
        if taken:
            self.state = "complete"
        elif touched:
            self.state = "active"


def _run(comparisons: Iterable[bool]) -> int:
    count = 0
    for held in comparisons:
        if not held:
            break
        count += 1
    return count
