"""Why a setup is one: the row of the table of strat.md 2 that it came by, in words."""

from atlas.money.readable import price
from atlas.rules import StratRules
from atlas.strat.setup import Setup
from atlas.strat.setups import MEASURED_MOVE, OUTSIDE_MOVE, TABLE, Row


def reasons(setup: Setup, rules: StratRules) -> tuple[str, ...]:
    """Return what made the setup, and where its trigger, stop and target come from, a sentence each."""
    row = next(row for row in TABLE if row.family == setup.family and setup.side in row.sides)
    before, run = _before(setup)
    beyond, behind = ("high", "low") if setup.side == "long" else ("low", "high")
    broken = "above" if setup.side == "long" else "below"
    from_bar = "C1" if row.stop == "setup_bar" or rules.stop == "setup_bar" else before
    return (
        f"Family {setup.family} of strat.md 2: {_needs(setup, run)}.",
        _sides(setup),
        f"Trigger: a trade {broken} the {beyond} of C1, {price(setup.trigger)}.",
        f"Stop: the {behind} of {from_bar}, {price(setup.stop)} (strat.stop = {rules.stop}).",
        f"Target: {_target(setup, row, rules, before, beyond)}, {price(setup.target)}.",
    )


def _types(setup: Setup) -> list[str]:
    """Return the bars of the unresolved name: `2D-1-?` → 2D, 1."""
    return setup.name.split("-")[:-1]


def _before(setup: Setup) -> tuple[str, int]:
    """Return what the bar before is called, and how many 1s in a row the setup ends with."""
    types = _types(setup)
    run = len(types) - 1 if types[-1] == "1" else 0
    return ("C2" if run < 2 else f"the {types[0]} before the run of 1s"), run


def _needs(setup: Setup, run: int) -> str:
    types = _types(setup)
    if run > 1:
        return f"{run} 1s after a {types[0]}, C1 the last of them"
    if len(types) == 1:
        return f"C1 is a {types[0]}"
    return f"C2 is a {types[0]}, C1 a {types[1]}"


def _sides(setup: Setup) -> str:
    if setup.two_sided:
        return "It has two sides: the first to break uses up the setup."
    first = "low" if setup.side == "long" else "high"
    level = price(setup.opposite_level)
    return f"It is {setup.side} only: if the {first} of C1, {level}, breaks first, the setup is dead."


def _target(setup: Setup, row: Row, rules: StratRules, before: str, beyond: str) -> str:
    risk = f"{MEASURED_MOVE} × the risk beyond the trigger"
    if row.target == "outside":
        share = f"{OUTSIDE_MOVE * 100:f}".rstrip("0").rstrip(".")
        percent = f"{share} % of the trigger beyond it"
        words = {"nearer": f"the smaller of {risk} and {percent}", "risk": risk, "percent": percent}
        return words[rules.outside_target]
    if setup.measured:
        return f"measured, {risk}, for the {beyond} of {before} is not beyond it"
    return f"the {beyond} of {before}"
