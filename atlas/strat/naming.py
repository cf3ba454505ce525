"""The names of setups and the ids of their sides (strat.md 2)."""

from datetime import datetime
from functools import cache

from atlas.errors import InternalError
from atlas.strat.setup import Side

UNRESOLVED = "-?"
_BREAK = {"long": "2U", "short": "2D"}


def unresolved(before: str | None, setup_bar: str, inside: int) -> str:
    """Return a setup's name until it breaks: `2U-2D-?`, `3-?`, and with all its 1s written `2D-1-1-?`.

    `before` is the type of the bar before the setup bar, of the bar before the whole run if the setup bar ends a run
    of `inside` 1s, and None where the table names none.
    """
    run = ["1"] * inside if setup_bar == "1" else [setup_bar]
    return "-".join([before, *run] if before is not None else run) + UNRESOLVED


@cache
def resolved(name: str, side: Side) -> str:
    """Return the name after the break: `2D-1-?` broken upward is `2D-1-2U`, downward `2D-1-2D`.

    Raises:
        InternalError: the name has been resolved already.
    """
    if not name.endswith(UNRESOLVED):
        raise InternalError(f"{name!r} is not the name of an unresolved setup, which ends in {UNRESOLVED}: report this")
    return f"{name.removesuffix(UNRESOLVED)}-{_BREAK[side]}"


def stamp(setup_time: datetime) -> str:
    """Return the setup bar's open time as ids have it. Field by field: strftime takes three times as long."""
    at = setup_time
    return f"{at.year:04}{_two(at.month)}{_two(at.day)}T{_two(at.hour)}{_two(at.minute)}Z"


@cache
def _two(number: int) -> str:
    """Return two digits; remembered, for formatting takes three times as long."""
    return f"{number:02}"


def setup_id(symbol: str, timeframe: str, stamped: str, name: str, side: Side) -> str:
    """Return the id of one side of a setup, unique within an account.

    Made of the symbol, the timeframe, the `stamp` of the setup bar's open time, the unresolved name and the side, it
    never changes, also when the name resolves; never a clock, never a random number.
    """
    return f"{symbol}:{timeframe}:{stamped}:{name}:{side}"
