"""The context a signal carries: every label of its setup bar, as stored and filtered (strat.md 1, Context labels)."""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.errors import InternalError
from atlas.rules import StratRules
from atlas.strat.bar_types import Color
from atlas.strat.labels import FiftyPercentState, Shape
from atlas.strat.series import Series
from atlas.strat.setup import Setup, Side


class Context(msgspec.Struct, frozen=True):
    """The labels of a setup bar, and the ladder beyond the first target of the side the signal is of.

    `failed_two` is under the setting `strat.failed`. `machine_gun` is the side that would run through the pivots,
    `lower_highs` and `higher_lows` how many comparisons in a row found one. `mother_…` are those of the mother bar the
    setup bar is inside of, None if of none. `fifty` is the 50 % rule at the bar's close, `first_side` the side of a 3
    that broke first; both may be unknown (`unknown`, None). `ladder` are prices, nearest first.
    """

    color: Color
    in_force: bool | None
    failed_two: bool | None
    shape: Shape | None
    machine_gun: Side | None
    lower_highs: int
    higher_lows: int
    mother_time: datetime | None
    mother_high: Decimal | None
    mother_low: Decimal | None
    fifty: FiftyPercentState | None
    first_side: Side | None
    ladder: tuple[Decimal, ...]


def context_of(series: Series, setup: Setup, rules: StratRules) -> Context:
    """Return the context of one of the setups that the series' last closed bar has given.

    Raises:
        InternalError: the setup is of another bar.
    """
    closed = series.closed
    if closed is None or (setup.timeframe, setup.setup_time) != (closed.bar.timeframe, closed.bar.open_time):
        raise InternalError(f"{setup.id} is not of the bar that closed last, whose context is known: report this")
    labels = closed.labels(rules.failed)
    mother = labels.mother
    return Context(
        color=labels.color,
        in_force=labels.in_force,
        failed_two=labels.failed_two,
        shape=labels.shape,
        machine_gun=labels.machine_gun,
        lower_highs=labels.lower_highs,
        higher_lows=labels.higher_lows,
        mother_time=None if mother is None else mother.open_time,
        mother_high=None if mother is None else mother.high,
        mother_low=None if mother is None else mother.low,
        fifty=labels.fifty,
        first_side=labels.first_side,
        ladder=series.ladder(setup.side, setup.target),
    )
