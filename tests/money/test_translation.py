"""A signal's levels where another product is traded: times the ratio, on its tick."""

from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from atlas.market.product import Product
from atlas.money.book import SignalSource
from atlas.money.translation import invalidation, signal_source
from atlas.strat.setup import Setup, Side

RATIO = D("1.001")


def setup(**changes: Any) -> Setup:
    """A 2-1 on BTC-USD: trigger 68 000, stop 67 000, target 70 000, opposite side of the inside bar 67 500."""
    usual = Setup(
        id="BTC-USD:4h:20260304T0800Z:2D-1-?:long",
        symbol="BTC-USD",
        timeframe="4h",
        name="2D-1-?",
        family="2-1",
        side="long",
        setup_time=datetime(2026, 3, 4, 8, tzinfo=UTC),
        valid_from=datetime(2026, 3, 4, 12, tzinfo=UTC),
        valid_until=datetime(2026, 3, 4, 16, tzinfo=UTC),
        trigger=D(68000),
        stop=D(67000),
        target=D(70000),
        opposite_level=D(67500),
        two_sided=True,
        measured=False,
    )
    return msgspec.structs.replace(usual, **changes)


@pytest.mark.parametrize(("side", "level"), [("long", 67565), ("short", 67570)])
def test_a_translated_invalidation_is_rounded_away_from_the_entry(bip: Product, side: Side, level: int) -> None:
    assert invalidation(setup(side=side), bip, RATIO) == level  # 67 567.5 on a tick of 5


def test_the_invalidation_of_a_signal_on_the_product_itself_is_the_raw_level(bip: Product) -> None:
    assert invalidation(setup(symbol=bip.id, opposite_level=D("67501.23")), bip, None) == D("67501.23")


@pytest.mark.parametrize(("side", "trigger"), [("long", 68070), ("short", 68065)])
def test_a_position_keeps_the_raw_levels_and_the_trigger_as_it_came_here(
    bip: Product, side: Side, trigger: int
) -> None:
    assert signal_source(setup(side=side), D("68000.01"), bip, RATIO) == SignalSource(
        symbol="BTC-USD",
        price=D("68000.01"),
        ratio=RATIO,
        trigger=D(68000),
        stop=D(67000),
        target=D(70000),
        invalidation=D(67500),
        translated_trigger=D(trigger),  # 68 068 on a tick of 5, never easier to reach
    )


def test_a_position_in_the_signals_own_product_keeps_no_source(bip: Product) -> None:
    assert signal_source(setup(symbol=bip.id), D(68005), bip, None) is None
