"""The table of setups (strat.md 2) and the pure function that reads it."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType
from atlas.strat.naming import setup_id, unresolved
from atlas.strat.setup import FAMILIES, Setup, Side

MEASURED_MOVE: Final = Decimal("1.5")
"""A measured target lies this many times the risk beyond the trigger, strat.md 2."""

OUTSIDE_MOVE: Final = Decimal("0.015")
"""The `percent` target of `3-?`: this share of the trigger beyond it, strat.md 2."""

STOPS: Final = ("structure", "setup_bar")
OUTSIDE_TARGETS: Final = ("nearer", "risk", "percent")


class Row(msgspec.Struct, frozen=True):
    """One row of the table.

    `before` are the types allowed of the bar that comes before: C2, or the bar before the whole run where C1 is a 1.
    `stop` (setting `structure`) is at the opposite extreme of that bar (`before`) or of C1 (`setup_bar`). `target` is
    the extreme of that bar (`before`), or the rule of `3-?` (`outside`). `named` says whether that bar is in the name.
    """

    family: str
    before: tuple[BarType | None, ...]
    setup_bar: BarType
    sides: tuple[Side, ...]
    stop: Literal["before", "setup_bar"]
    target: Literal["before", "outside"]
    named: bool = True


TABLE: Final = (
    Row("3-1", ("3",), "1", ("long", "short"), "before", "before"),
    Row("2-1", ("2U", "2D"), "1", ("long", "short"), "before", "before"),
    Row("2-2", ("2U", "2D"), "2D", ("long",), "setup_bar", "before"),
    Row("2-2", ("2U", "2D"), "2U", ("short",), "setup_bar", "before"),
    Row("3-2-2", ("3",), "2D", ("long",), "setup_bar", "before"),
    Row("3-2-2", ("3",), "2U", ("short",), "setup_bar", "before"),
    Row("3-2", (None, "1", "2U", "2D", "3"), "3", ("long", "short"), "setup_bar", "outside", named=False),
    Row("rev-strat", ("1",), "2D", ("long",), "setup_bar", "before"),
    Row("rev-strat", ("1",), "2U", ("short",), "setup_bar", "before"),
)

_ROWS: Final[dict[tuple[BarType | None, BarType], Row]] = {
    (before, row.setup_bar): row for row in TABLE for before in row.before
}


def setups_at(
    symbol: str,
    c1: Bar,
    c1_type: BarType | None,
    before: Bar | None,
    before_type: BarType | None,
    inside: int,
    rules: StratRules,
) -> tuple[Setup, ...]:
    """Return every setup, traded or not, that the closed bar `c1` allows during the period after it, long first.

    `before` is the bar before `c1`; where `c1` ends a run of `inside` 1s (at least one), the bar before that run.
    `rules` have passed `validate`. Levels are raw. A side without positive risk is not emitted; the other then stands
    alone, one-sided.
    """
    row = _ROWS.get((before_type, c1_type)) if c1_type is not None else None
    if row is None or before is None:
        return ()
    name = unresolved(before_type if row.named else None, row.setup_bar, inside)
    levels = {side: _levels(row, side, c1, before, rules) for side in row.sides}
    emitted = {side: found for side, found in levels.items() if found is not None}
    return tuple(
        Setup(
            id=setup_id(symbol, c1.timeframe, c1.open_time, name, side),
            symbol=symbol,
            timeframe=c1.timeframe,
            name=name,
            family=row.family,
            side=side,
            setup_time=c1.open_time,
            valid_from=c1.close_time,
            valid_until=period(c1.timeframe, c1.close_time)[1],
            trigger=found.trigger,
            stop=found.stop,
            target=found.target,
            opposite_level=c1.low if side == "long" else c1.high,
            two_sided=len(emitted) == 2,
            measured=found.measured,
        )
        for side, found in emitted.items()
    )


def continuation(c1: BarType | None, c2: BarType | None, c3: BarType | None) -> str | None:
    """Return the continuation the last three types make (`2U-2U`, `3-2D-2D` …), None if none.

    A signal for holding, never an entry (lesson 28).
    """
    if c1 != c2 or c1 not in ("2U", "2D"):
        return None
    return f"3-{c2}-{c1}" if c3 == "3" else f"{c2}-{c1}"


def validate(rules: StratRules) -> None:
    """Check the settings that shape setups: stop, the target of `3-?`, families.

    Raises:
        ConfigurationError: one is not among the allowed; the message names it and them.
    """
    if rules.stop not in STOPS:
        raise ConfigurationError(f"stop = {rules.stop!r}: use one of {' '.join(STOPS)}")
    if rules.outside_target not in OUTSIDE_TARGETS:
        raise ConfigurationError(f"outside_target = {rules.outside_target!r}: use one of {' '.join(OUTSIDE_TARGETS)}")
    for family in rules.families:
        if family not in FAMILIES:
            raise ConfigurationError(f"unknown family {family!r}: use some of {' '.join(FAMILIES)}")


class _Levels(msgspec.Struct, frozen=True):
    trigger: Decimal
    stop: Decimal
    target: Decimal
    measured: bool


def _levels(row: Row, side: Side, c1: Bar, before: Bar, rules: StratRules) -> _Levels | None:
    """Return one side's levels, with stop < trigger < target (mirrored for shorts); None without positive risk."""
    stop_bar = before if row.stop == "before" and rules.stop == "structure" else c1
    long = side == "long"
    trigger = c1.high if long else c1.low
    stop = stop_bar.low if long else stop_bar.high
    risk = trigger - stop if long else stop - trigger
    if risk <= 0:
        return None
    reach = MEASURED_MOVE * risk
    target = _outside_target(trigger, reach, side, rules) if row.target == "outside" else _far_extreme(before, side)
    measured = target <= trigger if long else target >= trigger
    if measured:
        target = _beyond(trigger, reach, side)
    return _Levels(trigger, stop, target, measured)


def _far_extreme(bar: Bar, side: Side) -> Decimal:
    return bar.high if side == "long" else bar.low


def _beyond(trigger: Decimal, distance: Decimal, side: Side) -> Decimal:
    return trigger + distance if side == "long" else trigger - distance


def _outside_target(trigger: Decimal, reach: Decimal, side: Side, rules: StratRules) -> Decimal:
    """Return the target of `3-?`: 1.5 × risk (`reach`), 1.5 % of the trigger, or the nearer of the two."""
    percent = OUTSIDE_MOVE * trigger
    distance = {"risk": reach, "percent": percent, "nearer": min(reach, percent)}[rules.outside_target]
    return _beyond(trigger, distance, side)
