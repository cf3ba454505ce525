"""Small text drawings of bars and the setups they give, and the worked examples docs/strat.md shows.

A bar is drawn as traders do on paper: a line from low to high, a tick to the left at the open and to the right at the
close. Levels are those of the setups the bars really give, so a drawing is true as long as the program is.

    python -m atlas.strat.drawing < docs/strat.md    # the document, its drawings made afresh
"""

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.rules import StratRules
from atlas.strat.bar_types import type_after
from atlas.strat.series import ClosedBar, Series
from atlas.strat.setup import Setup

Row = tuple[int, int, int, int]
"""Open, high, low, close."""

BEFORE: Final[Row] = (15, 18, 12, 14)
"""The bar without a type that the others are measured from."""

EXAMPLES: Final[Mapping[str, tuple[Row, ...]]] = {
    "bar types": (BEFORE, (14, 17, 13, 16), (15, 20, 14, 19), (18, 19, 11, 12), (13, 21, 10, 20)),
    "3-1-?": (BEFORE, (13, 20, 10, 18), (17, 18, 13, 14)),
    "2U-1-?": (BEFORE, (15, 21, 13, 20), (19, 20, 15, 17)),
    "2D-1-?": (BEFORE, (14, 16, 9, 10), (11, 15, 11, 14)),
    "2D-1-1-?": (BEFORE, (14, 17, 8, 10), (11, 16, 10, 14), (14, 15, 11, 12)),
    "2U-2D-?": (BEFORE, (15, 21, 13, 20), (18, 19, 11, 12)),
    "2D-2D-?": (BEFORE, (14, 17, 10, 11), (11, 14, 8, 9)),
    "2D-2U-?": (BEFORE, (14, 16, 9, 10), (11, 18, 11, 17)),
    "3-2D-?": (BEFORE, (13, 20, 11, 13), (14, 16, 9, 10)),
    "3-?": ((197, 199, 196, 198), (197, 200, 195, 199)),
    "1-2D-?": (BEFORE, (14, 17, 13, 15), (15, 16, 11, 12)),
    "1-2D-? measured": (BEFORE, (14, 16, 13, 15), (15, 16, 12, 13)),
}
"""Named by the setup the last bar gives, if that is what it shows; prices are whole numbers, a row each."""

_DRAWING = re.compile(r"(?<=<!-- drawing: )(?P<name>[^>]+?)(?P<between> -->\n```text\n).*?(?=^```$)", re.S | re.M)


def example(name: str, rules: StratRules | None = None) -> tuple[ClosedBar, ...]:
    """Return what follows from each bar of the example, oldest first.

    Raises:
        KeyError: there is no such example.
    """
    series, found = Series("EXAMPLE", "1h"), []
    opened, closes = period("1h", datetime(2026, 1, 5, tzinfo=UTC))
    for row in EXAMPLES[name]:
        first, high, low, last = map(Decimal, row)
        bar = Bar("1h", opened, closes, first, high, low, last, Decimal(1))
        found.append(series.close(bar, rules or StratRules()))
        opened, closes = period("1h", closes)
    return tuple(found)


def drawing(bars: Sequence[Bar], setups: Sequence[Setup]) -> str:
    """Return the bars, a row for each whole price, their types below, and the levels of `setups` to the right.

    Levels between two rows are drawn in the nearer one, the upper if in the middle; what is written is exact.
    """
    levels = [level for setup in setups for level in _levels(setup)]
    prices = [_row(price) for bar in bars for price in (bar.high, bar.low)] + [_row(price) for price, _ in levels]
    lines = [_line(row, bars, levels) for row in range(max(prices), min(prices) - 1, -1)]
    pairs = zip(bars, (None, *bars[:-1]), strict=True)
    types = "".join(f" {type_after(bar, prior) or '·':<4}" for bar, prior in pairs)
    return "\n".join([*lines, types.rstrip()]) + "\n"


def filled(document: str) -> str:
    """Return the document with each drawing, a text block below `<!-- drawing: NAME -->`, made afresh.

    Raises:
        KeyError: a drawing names no example.
    """

    def drawn(match: re.Match[str]) -> str:
        closed = example(match["name"])
        setups = closed[-1].setups if "-?" in match["name"] else ()
        return match["name"] + match["between"] + drawing([each.bar for each in closed], setups)

    return _DRAWING.sub(drawn, document)


def _levels(setup: Setup) -> tuple[tuple[Decimal, str], ...]:
    measured = ", measured" if setup.measured else ""
    return (
        (setup.trigger, f"{setup.side} trigger"),
        (setup.stop, f"{setup.side} stop"),
        (setup.target, f"{setup.side} target{measured}"),
    )


def _row(price: Decimal) -> int:
    return int((price + Decimal("0.5")) // 1)


def _line(row: int, bars: Sequence[Bar], levels: Sequence[tuple[Decimal, str]]) -> str:
    line = "".join(_cell(row, bar) + "  " for bar in bars)
    here: dict[Decimal, list[str]] = {}
    for price, said in levels:
        if _row(price) == row:
            here.setdefault(price, []).append(said)
    if here:
        words = "; ".join(f"{price.normalize():f} {', '.join(said)}" for price, said in here.items())
        line += "╌╌╌╌ " + words
    return line.rstrip()


def _cell(row: int, bar: Bar) -> str:
    """Return three characters of one bar in one row."""
    opened, closed = row == _row(bar.open), row == _row(bar.close)
    left, right = "─" if opened else " ", "─" if closed else " "
    if not _row(bar.low) <= row <= _row(bar.high):
        return f"{left} {right}"
    return left + {(0, 0): "│", (1, 0): "┤", (0, 1): "├", (1, 1): "┼"}[opened, closed] + right


if __name__ == "__main__":
    sys.stdout.write(filled(sys.stdin.read()))
