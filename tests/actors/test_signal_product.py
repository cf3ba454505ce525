"""Signals of one product, trades in another: translated by the ratio, judged, filled and left at its own prices."""

from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from actors.messages import (
    BarClosed,
    EntryTriggered,
    Filled,
    Judged,
    OrderAccepted,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Rejected,
    SetupsReplaced,
    decode,
    encode,
)
from atlas.market.products import built_in
from atlas.money.book import Position, SignalSource
from atlas.rules import Rules
from tests.actors.scene import BIP, INSIDE, REVERSAL, Scene, at, product, rules_with

BTC = "BTC-USD"
PAIR = (BTC, BIP)
TICK_OF_5 = built_in(BIP)
MIRRORED = tuple((120000 - o, 120000 - low, 120000 - high, 120000 - c) for o, high, low, c in REVERSAL)
"""Down then up: short below 58500, stop 61000, target 57000."""


def rules(**sizing: Any) -> Rules:
    return msgspec.structs.replace(rules_with(**sizing), signal_products={BIP: BTC})


def scene(*, rows: Any = REVERSAL, products: Any = None, **options: Any) -> Scene:
    """Both products with the same bars: setups of BTC-USD, trigger 61500, stop 59000, target 63000, opposite 59000."""
    return Scene(rows, rules(**options), symbols=PAIR, products=products or (product(BTC), TICK_OF_5))


def entered(price: float = 61600, traded: float = 61723.5, **options: Any) -> Scene:
    """The setup taken at `price` of BTC-USD, while BIP was last traded at `traded`."""
    made = scene(**options)
    made.trade(61000, at(1), symbol=BTC)
    made.trade(traded, at(2), symbol=BIP, bid=D(str(traded)) - 2, ask=D(str(traded)) + 2)
    made.trade(price, at(2, 30), symbol=BTC)
    return made


def opened(made: Scene) -> Position:
    return made.one(PositionOpened).position


def rejection(made: Scene) -> tuple[str, str]:
    found = made.one(Rejected)
    return found.gate, found.value


# ── the signal ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_58_setups_are_of_the_signal_product_and_the_bars_of_both_are_stored() -> None:
    made = scene()
    for minute in (58, 60):
        for symbol in PAIR:
            made.trade(61000, at(minute), symbol=symbol)
    assert [event.symbol for event in made.events(BarClosed)] == [BTC, BIP]
    assert [event.symbol for event in made.events(SetupsReplaced)] == [BTC, BTC]


def test_a_break_of_the_executed_product_alone_is_no_trigger() -> None:
    made = scene()
    made.trade(61000, at(1), symbol=BTC)
    made.trade(62000, at(2), symbol=BIP)
    assert not made.events(EntryTriggered)
    made.trade(61600, at(3), symbol=BTC)
    assert made.one(EntryTriggered).setup.symbol == BTC


# ── translation ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_59_levels_come_by_the_ratio_and_the_position_keeps_both() -> None:
    position = opened(entered())
    ratio = D("61723.5") / D(61600)
    assert position.symbol == BIP
    assert position.signal == SignalSource(
        symbol=BTC, price=D(61600), ratio=ratio, trigger=D(61500), stop=D(59000), target=D(63000),
        invalidation=D(59000), translated_trigger=D(61625),
    )  # fmt: skip
    assert ratio * 59000 == pytest.approx(D("59118.29"), abs=D("0.01"))
    # The stop away from the entry, the target towards it, the invalidation like the stop: all on BIP's tick of 5.
    assert (position.stop, position.target, position.invalidation) == (D(59115), D(63125), D(59115))
    assert (position.tick, position.contract_size) == (D(5), D("0.01"))


def test_lesson_59_the_entry_fills_at_the_executed_products_own_price() -> None:
    made = entered()
    fill = made.one(Filled).fill
    assert (fill.symbol, fill.reference, fill.price) == (BIP, D("61723.5"), D("61725.5"))
    assert opened(made).entry_reference == D("61723.5")
    judged = made.one(Judged)
    assert (judged.product, judged.reference, judged.ratio) == (BIP, D("61723.5"), D("61723.5") / D(61600))


def test_lesson_59_exits_look_at_the_executed_products_prices_only() -> None:
    made = entered()
    made.trade(50000, at(3), symbol=BTC)
    made.trade(70000, at(4), symbol=BTC)
    assert not made.events(PositionClosed)
    made.trade(59115, at(5), symbol=BIP)
    closed = made.one(PositionClosed).position
    assert (closed.exit_reason, closed.symbol) == ("stop", BIP)


def test_the_target_rests_translated_and_fills_strictly_through_it() -> None:
    made = entered()
    made.trade(63125, at(3), symbol=BIP)
    assert not made.events(PositionClosed)
    made.trade(63130, at(4), symbol=BIP)
    closed = made.one(PositionClosed).position
    assert (closed.exit_reason, closed.exit_price) == ("target", D(63125))


def test_invalidation_is_the_translated_opposite_extreme_broken_by_the_executed_product() -> None:
    made = scene(rows=INSIDE)
    made.trade(62005, at(2), symbol=BIP)
    made.trade(61850, at(2, 30), symbol=BTC)
    position = opened(made)
    assert position.invalidation == D(60150)  # 60000 × 62005 ÷ 61850 is 60150.36.
    made.trade(59900, at(3), symbol=BTC)
    made.trade(60150, at(4), symbol=BIP)
    assert not made.events(PositionClosed)
    made.trade(60145, at(5), symbol=BIP)
    assert made.one(PositionClosed).position.exit_reason == "invalidated"


def test_a_short_is_translated_the_other_way_round() -> None:
    made = scene(rows=MIRRORED)
    made.trade(58517, at(2), symbol=BIP)
    made.trade(58400, at(2, 30), symbol=BTC)
    position = opened(made)
    assert position.side == "short"
    assert position.signal is not None
    # × 58517 ÷ 58400: the stop 61000 is 61122.2, the target 57000 is 57114.2, the trigger 58500 is 58617.2.
    assert (position.stop, position.target) == (D(61125), D(57115))
    assert position.signal.translated_trigger == D(58615)


# ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("traded", "passes"), [(62832, True), (62832.5, False), (60368, True), (60367.5, False)])
def test_lesson_59_more_than_two_percent_apart_is_rejected(traded: float, passes: bool) -> None:
    made = entered(traded=traded)
    assert bool(made.events(PositionOpened)) is passes
    if not passes:
        assert rejection(made)[0] == "divergence"


def test_without_a_trade_of_the_executed_product_the_ratio_is_unknown_and_rejects() -> None:
    made = scene()
    made.trade(61600, at(1), symbol=BTC)
    assert rejection(made) == ("divergence", f"{BTC} to {BIP} is not known")


@pytest.mark.parametrize(("seconds", "opens"), [(60, True), (60.000001, False)])
def test_a_last_trade_older_than_a_minute_leaves_the_ratio_unknown(seconds: float, opens: bool) -> None:
    made = scene()
    made.trade(61700, at(1), symbol=BIP)
    made.trade(61600, at(1, seconds), symbol=BTC)
    assert bool(made.events(PositionOpened)) is opens
    if not opens:
        assert rejection(made)[0] == "divergence"


def test_the_executed_products_session_decides_not_the_signals() -> None:
    made = scene()
    made.run(ProductsListed((msgspec.structs.replace(TICK_OF_5, session_open=False),)))
    made.trade(61700, at(1), symbol=BIP)
    made.trade(61600, at(1, 30), symbol=BTC)
    assert rejection(made)[0] == "session_closed"


def test_a_short_signal_of_spot_is_traded_in_the_future() -> None:
    made = scene(rows=MIRRORED)
    made.trade(58500, at(1), symbol=BIP)
    made.trade(58400, at(1, 30), symbol=BTC)
    assert made.one(EntryTriggered).setup.side == "short"
    assert opened(made).symbol == BIP


def test_the_position_policy_counts_by_the_product_executed() -> None:
    """The hour closes as a 2U at 61600: `2D-2U-?`, short below 60900, while a position in BIP is open."""
    made = entered()
    made.trade(60900, at(30), symbol=BTC)
    made.trade(61600, at(59), symbol=BTC)
    made.trade(61600, at(60), symbol=BTC)
    made.trade(61600, at(60, 30), symbol=BIP)
    made.trade(60800, at(61), symbol=BTC)
    assert rejection(made) == ("position_policy", f"held: {opened(made).id}")


def test_orders_of_the_position_are_of_the_executed_product() -> None:
    made = entered()
    assert {event.order.symbol for event in made.events(OrderAccepted)} == {BIP}


def test_a_position_with_its_signal_survives_the_wire() -> None:
    event = entered().one(PositionOpened)
    assert decode(encode(event)) == event
