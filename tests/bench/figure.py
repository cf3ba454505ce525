"""What is measured: one figure a line, with the most or the least it may be, as a table or as JSON."""

import json
import sys
from collections.abc import Iterable, Sequence

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One figure. `most` and `least` are what it may be; None where it is told for information only."""

    part: str
    what: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def good(self) -> bool:
        """Whether it is what it may be."""
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def asked(self) -> bool:
        """Whether there is anything it may be; else it is told for information only."""
        return self.most is not None or self.least is not None

    @property
    def wanted(self) -> str:
        """What it may be, in words."""
        if self.most is not None:
            return f"at most {shown(self.most)}"
        return "" if self.least is None else f"at least {shown(self.least)}"


def tell(figures: Iterable[Figure], as_json: bool) -> bool:
    """Print figures as they come; return whether all are good."""
    told: list[Figure] = []
    for figure in figures:
        told.append(figure)
        if not as_json:
            print(line(figure), flush=True)
    if as_json:
        rows = [{name: getattr(each, name) for name in each.__struct_fields__} | {"good": each.good} for each in told]
        json.dump(rows, sys.stdout, indent=2)
        print()
    else:
        asked = [figure for figure in told if figure.asked]
        print(f"{sum(figure.good for figure in asked)} of {len(asked)} met, {len(told) - len(asked)} for information")
    return all(figure.good for figure in told)


def line(figure: Figure) -> str:
    """Return a figure as one line of the table."""
    verdict = "" if not figure.asked else "  met" if figure.good else "  MISSED"
    value = f"{shown(figure.value):>12} {figure.unit:12}"
    return f"{figure.part:9} {figure.what:44} {value} {figure.wanted}{verdict}".rstrip()


def shown(value: float) -> str:
    """Return a number with as many decimals as it can use."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 or value == int(value) else f"{value:.3g}" if size < 1 else f"{value:,.2f}"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
