"""Labels of the last of some bars, read from strat.md afresh over the whole list: the program's must equal them."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from atlas.market.bar import Bar
from atlas.strat.labels import Labels


def plain_type(prior: Bar, bar: Bar) -> str:
    up, down = bar.high > prior.high, bar.low < prior.low
    return "3" if up and down else "2U" if up else "2D" if down else "1"


def plain_labels(bars: Sequence[Bar], setting: str) -> Labels:
    """No path is known, so the side of a 3 that broke first is not, and of the 50 % rule what the bar alone tells."""
    bar = bars[-1]
    color = "green" if bar.close > bar.open else "red" if bar.close < bar.open else "neutral"
    failed = in_force = fifty = None
    if len(bars) > 1:
        prior = bars[-2]
        kind = plain_type(prior, bar)
        middle = (prior.high + prior.low) / 2
        bad = {"color": {"2U": "red", "2D": "green"}.get(kind) == color}
        bad["reclaim"] = (kind == "2U" and bar.close <= prior.high) or (kind == "2D" and bar.close >= prior.low)
        failed = bad[setting]
        upward = kind == "2U" or (kind == "3" and color == "green")
        downward = kind == "2D" or (kind == "3" and color == "red")
        in_force = (upward and bar.close > prior.high) or (downward and bar.close < prior.low)
        fifty = {"1": "invalid", "3": "complete"}.get(kind, "unknown")
        if (kind == "2U" and bar.low > middle) or (kind == "2D" and bar.high < middle):
            fifty = "standby"
        elif (kind == "2U" and bar.close <= middle) or (kind == "2D" and bar.close >= middle):
            fifty = "active"
    spread = bar.high - bar.low
    in_top = min(bar.open, bar.close) >= bar.high - Decimal("0.33") * spread
    in_bottom = max(bar.open, bar.close) <= bar.low + Decimal("0.33") * spread
    return Labels(
        color=color,
        in_force=in_force,
        failed_two=failed,
        shape=None if not spread else "hammer" if in_top else "shooter" if in_bottom else None,
        lower_highs=run([later.high < earlier.high for earlier, later in pairwise(bars)]),
        higher_lows=run([later.low > earlier.low for earlier, later in pairwise(bars)]),
        mother=plain_mother(bars),
        fifty=fifty,
        first_side=None,
    )


def run(held: Sequence[bool]) -> int:
    """How many at the end of the list held."""
    return next((i for i, one in enumerate(reversed(held)) if not one), len(held))


def plain_mother(bars: Sequence[Bar]) -> Bar | None:
    """The mother bar the last of the bars is inside of."""
    mother: Bar | None = None
    for earlier, later in pairwise(bars):
        if mother is not None and (later.high > mother.high or later.low < mother.low):
            mother = None
        if mother is None and plain_type(earlier, later) == "1":
            mother = earlier
    return mother


def plain_ladder(bars: Sequence[Bar], side: str, target: Decimal) -> tuple[Decimal, ...]:
    """Older extremes strictly beyond the target, each further than the last; the setup bar's own are none."""
    rungs: list[Decimal] = []
    for bar in reversed(bars[:-1]):
        extreme = bar.high if side == "long" else bar.low
        sign = 1 if side == "long" else -1
        if sign * extreme > max(sign * level for level in (target, *rungs)):
            rungs.append(extreme)
    return tuple(rungs)
