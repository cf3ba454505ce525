"""Random bars that often tie, as rows of whole numbers, and as columns."""

import numpy as np
from hypothesis import strategies as st

from atlas.rules import StratRules
from atlas.strat.vectors import Prices

Rows = list[tuple[int, int, int, int]]


@st.composite
def bars_with_ties(draw: st.DrawFn) -> Rows:
    """Bars that often share extremes, lie in one another for long, and open or close outside the range at times."""
    found: Rows = []
    high, low = draw(st.integers(1000, 1020)), draw(st.integers(980, 1000))
    for _ in range(draw(st.integers(1, 30))):
        match draw(st.sampled_from(["step", "inside", "any"])):
            case "step":
                high, low = high + draw(st.sampled_from([-1, 0, 1])), low + draw(st.sampled_from([-1, 0, 1]))
            case "inside":
                high, low = high - draw(st.integers(0, 1)), low + draw(st.integers(0, 1))
            case _:
                high, low = draw(st.integers(995, 1010)), draw(st.integers(985, 1005))
        high, low = max(high, low), min(high, low)
        opened, close = draw(st.integers(low - 2, high + 2)), draw(st.integers(low - 2, high + 2))
        found.append((opened, high, low, close))
    return found


KINDS = st.sampled_from([np.int64, np.float64])
RULES = st.builds(
    StratRules,
    stop=st.sampled_from(["structure", "setup_bar"]),
    outside_target=st.sampled_from(["nearer", "risk", "percent"]),
)


def columns(rows: Rows, kind: type[np.int64] | type[np.float64]) -> list[Prices]:
    """Return open, high, low and close as arrays of their own."""
    return [np.array(column, dtype=kind) for column in zip(*rows, strict=True)]
