"""How often values fall where: equal bins between two bounds, and one open one on each side."""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal
from typing import TypedDict


class Bin(TypedDict):
    """How many values are at least `low` and below `high`; null is without bound."""

    low: str | None
    high: str | None
    count: int


class Histogram:
    """Bins from the lowest up: one below `low`, those of width `step` up to `high`, one from there on."""

    def __init__(self, low: str, high: str, step: str) -> None:
        self._low, self._step = Decimal(low), Decimal(step)
        self._inner = int((Decimal(high) - self._low) / self._step)
        self._counts = [0] * (self._inner + 2)

    def add(self, values: Iterable[Decimal]) -> None:
        """Count the values."""
        for value in values:
            place = int(((value - self._low) / self._step).to_integral_value(ROUND_FLOOR)) + 1
            self._counts[min(max(place, 0), self._inner + 1)] += 1

    def bins(self) -> list[Bin]:
        """Return what was counted."""
        edges = [f"{(self._low + place * self._step).normalize():f}" for place in range(self._inner + 1)]
        return [
            {"low": low, "high": high, "count": count}
            for low, high, count in zip([None, *edges], [*edges, None], self._counts, strict=True)
        ]
