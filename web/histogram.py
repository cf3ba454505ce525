"""How often values fall where: equal bins between two bounds, and one open one on each side."""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal
from typing import TypedDict


class Bin(TypedDict):
    """How many values are at least `low` and below `high`; null is without bound."""

    low: str | None
    high: str | None
    count: int


def bins(values: Iterable[Decimal], low: Decimal, high: Decimal, step: Decimal) -> list[Bin]:
    """Return the bins from the lowest up: one below `low`, those of width `step` up to `high`, one from there on."""
    inner = int((high - low) / step)
    counts = [0] * (inner + 2)
    for value in values:
        place = int(((value - low) / step).to_integral_value(ROUND_FLOOR)) + 1
        counts[min(max(place, 0), inner + 1)] += 1
    edges = [None, *(f"{(low + place * step).normalize():f}" for place in range(inner + 1)), None]
    return [{"low": edges[place], "high": edges[place + 1], "count": count} for place, count in enumerate(counts)]
