"""Bars from rows of open, high, low, close, as the worked cases write them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from atlas.market.bar import Bar
from atlas.market.timeframes import period

Row = Sequence[float | Decimal]
BarsOf = Callable[..., list[Bar]]


def bars_of(rows: Sequence[Row], timeframe: str = "1h") -> list[Bar]:
    """Consecutive bars of `timeframe` from 2026-01-01 on, one a row."""
    found = []
    opened, closes = period(timeframe, datetime(2026, 1, 1, tzinfo=UTC))
    for row in rows:
        found.append(Bar(timeframe, opened, closes, *(Decimal(str(price)) for price in row), Decimal(1)))
        opened, closes = period(timeframe, closes)
    return found


@pytest.fixture(scope="session", name="bars_of")
def _bars_of() -> BarsOf:
    return bars_of
