"""Products and positions for the tests of money, with round numbers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.money.book import Position
from atlas.strat.setup import ContinuityReading

OPENED = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
"""A Wednesday."""


@pytest.fixture
def bip() -> Product:
    """0.01 BTC, tick 5, leverage 10 intraday, 4.1 overnight."""
    return built_in("BIP-20DEC30-CDE")


@pytest.fixture
def bitcoin() -> Product:
    """Spot."""
    return built_in("BTC-USD")


def open_position(**changes: Any) -> Position:
    """An open BIP position: long 10 from 68 000, stop 67 000, target 70 000, unless told otherwise."""
    reading = ContinuityReading("long", "open", ("1d", "4h"), ("1d", "4h"), (), (), 2)
    usual = Position(
        id="p1",
        symbol="BIP-20DEC30-CDE",
        timeframe="4h",
        setup="2D-1-2U",
        family="2-1",
        side="long",
        contract_size=D("0.01"),
        contracts=D(10),
        entry_contracts=D(10),
        entry_price=D(68000),
        entry_reference=D(68000),
        entry_time=OPENED,
        stop=D(67000),
        first_stop=D(67000),
        target=D(70000),
        invalidation=D(67500),
        entry_bar_end=OPENED + timedelta(hours=2),
        leverage=D(10),
        tier="intraday",
        margin=D(680),
        liquidation=D("64421.05263158"),
        worst=D(68000),
        best=D(68000),
        fees=D(0),
        detection=reading,
        at_trigger=reading,
        setup_time=OPENED - timedelta(hours=6),
        risk_at_entry=D(100),
    )
    return msgspec.structs.replace(usual, **changes)


@pytest.fixture
def position() -> Callable[..., Position]:
    """The factory of open positions."""
    return open_position
