"""The faults of line, frames and REST that the soak lets the local exchange make (docs/faults.md).

None of them changes what was traded: such a market could not be compared with an undisturbed one. So no `clock_jump`,
`empty_quotes`, `withhold`, `paused`, `delisted` and `revised_candle` here: their own tests are below tests/faults.
"""

from random import Random

from atlas.exchange.local import Fault

ON_THE_LINE = ("silence", "stall", "reset", "close", "hang_up", "gap", "duplicate", "reorder", "huge",
               "unknown_channel", "unknown_fields", "fractions")  # fmt: skip
ON_THE_WAY_BACK = ("refuse_connection", "refuse_subscription", "authentication_failure", "rest_error", "rest_nonsense",
                   "rest_reset", "rest_timeout")  # fmt: skip
"""Those that need somebody who comes back: the line is reset with them."""


def drawn(kind: str, chance: Random, speed: float) -> list[Fault]:
    """Return the faults of a kind, as often and as long as chance has it; `speed` is exchange seconds a second."""
    lasts = chance.uniform(1, 15) * speed
    count = chance.randint(1, 3)
    match kind:
        case "silence" | "stall" | "unknown_fields":
            faults = [Fault(kind=kind, lasts=lasts)]
        case "fractions":
            faults = [Fault(kind=kind, lasts=lasts, digits=chance.choice((0, 3, 9)))]
        case "close":
            faults = [Fault(kind=kind, code=chance.choice((1000, 1001)))]
        case "gap" | "duplicate" | "reorder" | "unknown_channel":
            faults = [Fault(kind=kind, count=count)]
        case "reset" | "hang_up" | "huge":
            faults = [Fault(kind=kind)]
        case "refuse_subscription":
            faults = [Fault(kind=kind, how=chance.choice(("no_ack", "error")), count=count, lasts=lasts)]
        case "rest_error":
            status = chance.choice((429, 500, 503))
            faults = [Fault(kind=kind, status=status, body=chance.choice(("json", "html")), count=count, lasts=lasts)]
        case "rest_timeout":
            faults = [Fault(kind=kind, lasts=lasts)]
        case _:
            faults = [Fault(kind=kind, count=count, lasts=lasts)]
    return [*faults, Fault(kind="reset")] if kind in ON_THE_WAY_BACK else faults
