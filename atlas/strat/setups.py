"""The table of setups (strat.md 2) and the pure function that reads it."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.market.timeframes import period_end
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType
from atlas.strat.naming import setup_id, stamp, unresolved
from atlas.strat.setup import FAMILIES, Setup, Side

MEASURED_MOVE: Final = Decimal("1.5")
"""A measured target lies this many times the risk beyond the trigger, strat.md 2."""

OUTSIDE_MOVE: Final = Decimal("0.015")
"""The `percent` target of `3-?`: this share of the trigger beyond it, strat.md 2."""

STOPS: Final = ("structure", "setup_bar")
OUTSIDE_TARGETS: Final = ("nearer", "risk", "percent")
INSIDE: Final = ("any", "strict")


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
    if row is None or before is None or row.family not in rules.detected:
        return ()
    if inside and rules.inside == "strict" and not is_alone(c1, before, inside):
        return ()
    name = unresolved(before_type if row.named else None, row.setup_bar, inside)
    stamped, valid_until = stamp(c1.open_time), period_end(c1.timeframe, c1.close_time)
    emitted = []
    for side in row.sides:  # loops: comprehensions would make a cell of every variable at every close
        levels = _levels(row, side, c1, before, rules)
        if levels is not None:
            emitted.append((side, levels))
    setups = []
    for side, (trigger, stop, target, measured) in emitted:
        setup = Setup(
            setup_id(symbol, c1.timeframe, stamped, name, side),
            symbol,
            c1.timeframe,
            name,
            row.family,
            side,
            c1.open_time,
            c1.close_time,
            valid_until,
            trigger,
            stop,
            target,
            opposite_level=c1.low if side == "long" else c1.high,
            two_sided=len(emitted) == 2,
            measured=measured,
        )
        setups.append(setup)
    return tuple(setups)


def is_alone(c1: Bar, before: Bar, inside: int) -> bool:
    """Return whether a 1 is the only one and strictly inside the bar before it: what `inside` = strict asks for."""
    return inside == 1 and c1.high < before.high and c1.low > before.low


def continuation(c1: BarType | None, c2: BarType | None, c3: BarType | None) -> str | None:
    """Return the continuation the last three types make (`2U-2U`, `3-2D-2D` …), None if none.

    A signal for holding, never an entry (lesson 28).
    """
    if c1 != c2 or c1 not in ("2U", "2D"):
        return None
    return f"3-{c2}-{c1}" if c3 == "3" else f"{c2}-{c1}"


def validate(rules: StratRules) -> None:
    """Check the settings that shape setups: stop, the target of `3-?`, which 1s, families.

    Raises:
        ConfigurationError: one is not among the allowed; the message names it and them.
    """
    if rules.stop not in STOPS:
        raise ConfigurationError(f"stop = {rules.stop!r}: use one of {' '.join(STOPS)}")
    if rules.outside_target not in OUTSIDE_TARGETS:
        raise ConfigurationError(f"outside_target = {rules.outside_target!r}: use one of {' '.join(OUTSIDE_TARGETS)}")
    if rules.inside not in INSIDE:
        raise ConfigurationError(f"inside = {rules.inside!r}: use one of {' '.join(INSIDE)}")
    for family in (*rules.families, *rules.detected):
        if family not in FAMILIES:
            raise ConfigurationError(f"unknown family {family!r}: use some of {' '.join(FAMILIES)}")


def _levels(
    row: Row, side: Side, c1: Bar, before: Bar, rules: StratRules
) -> tuple[Decimal, Decimal, Decimal, bool] | None:
    """Return one side's trigger, stop and target, and whether that is measured; None without positive risk.

    Always stop < trigger < target, mirrored for shorts.
    """
    long = side == "long"
    stop_bar = before if row.stop == "before" and rules.stop == "structure" else c1
    trigger, stop = (c1.high, stop_bar.low) if long else (c1.low, stop_bar.high)
    if stop >= trigger if long else stop <= trigger:
        return None
    target = before.high if long else before.low
    if row.target == "outside":
        target = _outside_target(trigger, stop, rules)
    if target > trigger if long else target < trigger:
        return trigger, stop, target, False
    return trigger, stop, trigger + MEASURED_MOVE * (trigger - stop), True


def _outside_target(trigger: Decimal, stop: Decimal, rules: StratRules) -> Decimal:
    """Return the target of `3-?`: 1.5 × risk, 1.5 % of the trigger, or the nearer of the two, beyond the trigger."""
    reach = MEASURED_MOVE * (trigger - stop)  # below 0 for a short
    if rules.outside_target == "risk":
        return trigger + reach
    percent = OUTSIDE_MOVE * trigger
    if rules.outside_target == "nearer":
        percent = min(percent, abs(reach))
    return trigger + percent if reach > 0 else trigger - percent
