"""What a bar is against the bar before it: 1 inside, 2U and 2D directional, 3 outside (strat.md 1)."""

from decimal import Decimal
from typing import Literal

from atlas.market.bar import Bar

BarType = Literal["1", "2U", "2D", "3"]
Color = Literal["green", "red", "neutral"]


def bar_type(high: Decimal, low: Decimal, prior_high: Decimal, prior_low: Decimal) -> BarType:
    """Return the type of a bar, closed or forming, against the bar immediately before it in the same series.

    Highs and lows only, strict inequalities: an equal high or low is not a break.
    """
    if high > prior_high:
        return "3" if low < prior_low else "2U"
    return "2D" if low < prior_low else "1"


def type_after(bar: Bar, prior: Bar | None) -> BarType | None:
    """Return the type of `bar` after `prior`; None for the first bar of a series, which has no type."""
    return None if prior is None else bar_type(bar.high, bar.low, prior.high, prior.low)


def color(opened: Decimal, close: Decimal) -> Color:
    """Return green for a close above the open, red below, else neutral."""
    if close > opened:
        return "green"
    return "red" if close < opened else "neutral"


def in_force(bar: Bar, prior: Bar | None) -> bool | None:
    """Return whether the bar closed beyond the extreme it took; None without a type.

    A 3 counts by its color: green beyond the prior high, red beyond the prior low. A 1 is not in force, nor is a close
    equal to the extreme.
    """
    if prior is None:
        return None
    kind = bar_type(bar.high, bar.low, prior.high, prior.low)
    if kind == "1":
        return False
    if kind == "3":
        shade = color(bar.open, bar.close)
        upward, downward = shade == "green", shade == "red"
    else:
        upward, downward = kind == "2U", kind == "2D"
    return (upward and bar.close > prior.high) or (downward and bar.close < prior.low)
