"""Entries that come later than their trigger are judged once more where they fill (lesson 90), and end as one thing."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.messages import (
    Depth,
    EntryTriggered,
    FeedUp,
    OrderCancelled,
    OrderRejected,
    PositionClosed,
    PositionOpened,
    Rejected,
)
from atlas.money.depth import Book, Level
from atlas.rules import ExitRules, FillRules, GateRules, Rules
from tests.actors.positions import D, closed, entered, gates
from tests.actors.scene import BIP, INSIDE, REVERSAL, Row, Scene, at, rules_with

OFF = ("magnitude", "reward_risk", "continuity", "fees")


def late(off: tuple[str, ...] = OFF, *, latency_ms: int = 1000, **rules: Any) -> Rules:
    """Rules under which an order takes a second to the market."""
    fills = FillRules(latency_ms=latency_ms)
    return msgspec.structs.replace(rules_with(gates=GateRules(off=off)), fills=fills, **rules)


def triggered(rows: tuple[Row, ...] = REVERSAL, price: float = 61600, rules: Rules | None = None) -> Scene:
    """A trigger five past noon, its entry on the way."""
    scene = Scene(rows, rules or late())
    scene.trade(61000, at(1))
    scene.trade(price, at(5))
    assert len(scene.kit.state("paper_broker").orders) == 1
    return scene


def ended(scene: Scene, gate: str) -> Rejected:
    """The trigger ended as this rejection alone, and nothing is left of its entry."""
    assert gates(scene) == [gate]
    assert len(scene.events(EntryTriggered)) == 1
    assert scene.events(PositionOpened) == []
    assert scene.kit.state("risk_monitor").entering == {}
    broker = scene.kit.state("paper_broker")
    assert (broker.orders, broker.holdings, broker.account.reserved) == ({}, {}, 0)
    assert scene.undisturbed
    return scene.one(Rejected)


# REVERSAL: long from above 61500, stop and the setup bar's low 59000, target 63000.


@pytest.mark.parametrize("price", [59000, 58000])
def test_lesson_90_a_late_entry_at_or_past_its_stop_is_no_trade(price: float) -> None:
    scene = triggered()
    scene.trade(price, at(5, 2))
    rejected = ended(scene, "price_past_stop")
    assert (rejected.value, rejected.threshold) == (str(D(price)), "above the stop 59000.0")


@pytest.mark.parametrize("price", [63000, 63500])
def test_lesson_90_a_late_entry_at_or_past_its_target_is_no_trade(price: float) -> None:
    scene = triggered()
    scene.trade(price, at(5, 2))
    assert ended(scene, "price_past_target").threshold == "below the target 63000.0"


@pytest.mark.parametrize(("price", "trades"), [(62330, True), (62340, False)])
def test_lesson_90_reward_and_risk_are_measured_again_where_a_late_entry_fills(price: float, trades: bool) -> None:
    """(63000 − 62333.3) ÷ (62333.3 − 59000) is a fifth."""
    rules = late(("magnitude", "continuity", "fees"))
    rules = msgspec.structs.replace(rules, gates=msgspec.structs.replace(rules.gates, min_reward_risk=D("0.2")))
    scene = triggered(rules=rules)
    scene.trade(price, at(5, 2))
    if trades:
        assert scene.one(PositionOpened).position.entry_reference == D(price)
    else:
        assert (ended(scene, "reward_risk").value, scene.one(Rejected).threshold) == ("0.1976", "≥ 0.2")


def test_reward_and_risk_of_a_late_entry_do_not_count_where_the_gate_is_off() -> None:
    scene = triggered()
    scene.trade(62990, at(5, 2))
    assert scene.one(PositionOpened).position.entry_reference == 62990


@pytest.mark.parametrize(
    ("price", "fill", "gate"),
    [(61900, 60000, None), (61900, 59999.5, "missed"), (61900, 59500, "price_past_stop"),
     (59900, 61800, None), (59900, 61800.5, "missed"), (59900, 62000, "price_past_stop"),
     (59900, 59500, "price_past_target")],
)  # fmt: skip
def test_a_late_entry_of_either_side_fills_between_its_levels_only(price: float, fill: float, gate: str | None) -> None:
    """INSIDE: the setup bar is 60000 to 61800; long with stop 59500, short with stop 62000 and target 59500."""
    scene = triggered(INSIDE, price)
    scene.trade(fill, at(5, 2), bid=D(str(fill)), ask=D(str(fill)))
    if gate is None:
        assert scene.one(PositionOpened).position.entry_price == D(str(fill))
    else:
        ended(scene, gate)


# ── the entry bar becomes a 3 meanwhile ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("price", "killer"), [(61900, 59900), (59900, 61900)])
def test_an_entry_whose_bar_becomes_a_3_before_it_is_filled_is_missed(price: float, killer: float) -> None:
    scene = triggered(INSIDE, price)
    scene.trade(killer, at(5, 0.5))
    rejected = ended(scene, "missed")
    assert (rejected.value, rejected.at) == (f"{killer}, before the entry was filled", at(5, 0.5))
    assert len(scene.events(OrderCancelled)) == 1
    for second in (2, 4):
        scene.trade(price, at(5, second))
    ended(scene, "missed")


@pytest.mark.parametrize(
    ("moment", "source"), [(at(5, 0.5), "feed"), (at(4), "snapshot")], ids=["at the level", "replayed from before"]
)
def test_what_does_not_make_the_bar_a_3_leaves_a_late_entry_alone(moment: Any, source: str) -> None:
    scene = triggered(INSIDE, 61900)
    scene.trade(60000 if source == "feed" else 59900, moment, source=source)
    scene.trade(61900, at(5, 2))
    assert len(scene.events(PositionOpened)) == 1
    assert gates(scene) == []


def test_a_trade_of_the_next_bar_does_not_make_the_entry_bar_a_3() -> None:
    scene = Scene(INSIDE, late(latency_ms=60_000))
    scene.trade(61000, at(1))
    scene.trade(61900, at(59, 30))
    scene.trade(59900, at(60))
    first = scene.events(Rejected)[0]
    assert (first.gate, first.value) == ("missed", "not filled before its entry bar ended")
    assert scene.events(PositionOpened) == []


# ── behind a flip ───────────────────────────────────────────────────────────────────────────────────────────────────


def held_up(opposite: float = 62500, target: float = 59000) -> Scene:
    """A flip whose exit finds no price: the short's entry, stop 63000, waits behind it."""
    scene = entered(rules=rules_with(position_policy="flip"))
    trigger = scene.one(EntryTriggered)
    assert trigger.at_trigger is not None
    short = msgspec.structs.replace(
        trigger.setup, id="short", side="short", stop=D(63000), target=D(target), opposite_level=Decimal(opposite)
    )
    reading = msgspec.structs.replace(trigger.at_trigger, side="short")
    scene.kit.state("paper_broker").feed_up = False
    scene.run(msgspec.structs.replace(trigger, setup=short, at_trigger=reading), to="risk_monitor")
    return scene


@pytest.mark.parametrize(
    ("price", "gate"), [(62600, "missed"), (63000, "price_past_stop"), (59500, "price_past_target")]
)
def test_an_entry_behind_a_flip_is_judged_where_it_fills(price: float, gate: str) -> None:
    scene = held_up(target=59500)
    scene.run(FeedUp(at(8)))
    scene.trade(price, at(9))
    assert closed(scene).exit_reason == ("target" if price > 63000 else "flip")
    assert [(event.setup_id, event.gate) for event in scene.events(Rejected)] == [("short", gate)]
    assert len(scene.events(PositionOpened)) == 1
    assert scene.kit.state("risk_monitor").entering == {}


def test_an_entry_behind_a_flip_whose_bar_becomes_a_3_is_missed_and_the_flip_goes_on() -> None:
    scene = held_up()
    scene.trade(62600, at(6), source="snapshot")
    assert [(event.setup_id, event.gate) for event in scene.events(Rejected)] == [("short", "missed")]
    assert scene.events(PositionClosed) == []
    scene.run(FeedUp(at(8)))
    scene.trade(61500, at(9))
    assert closed(scene).exit_reason == "flip"
    assert len(scene.events(PositionOpened)) == 1


def test_an_entry_behind_a_flip_whose_exit_is_refused_reserves_nothing() -> None:
    scene = held_up()
    (order,) = (order for order in scene.kit.state("paper_broker").orders.values() if order.purpose == "flip")
    scene.run(OrderRejected(order, at(6), "reduce_only", "7 contracts", "0 open"), to="risk_monitor")
    assert [(event.setup_id, event.gate) for event in scene.events(Rejected)] == [("short", "missed")]
    assert scene.one(Rejected).value == f"the broker refused to close {order.position_id}"
    assert scene.kit.state("risk_monitor").entering == {}


# ── at the stop ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_book_beyond_the_stop_makes_no_trade() -> None:
    """The trade is fine, but what there is to be bought lies below the stop: the book has run ahead."""
    rules = msgspec.structs.replace(rules_with(), fills=FillRules(model="depth"))
    scene = Scene(rules=rules)
    scene.trade(61000, at(1))
    scene.run(Depth(BIP, at(4), Book((Level(D(58900), D(100)),), (Level(D(59000), D(100)),))))
    scene.trade(61600, at(5))
    assert ended(scene, "price_past_stop").value.startswith("59000")


def test_a_late_entry_at_its_own_stop_leaves_the_risk_monitor_at_work() -> None:
    scene = triggered(rules=late(exits=ExitRules(break_even=D(1), trail_distance=D(1), scale_out=D("0.5"))))
    scene.trade(59000, at(5, 2), bid=D(59000), ask=D(59000))
    for second in (3, 4):
        scene.trade(59500, at(5, second))
    ended(scene, "price_past_stop")
