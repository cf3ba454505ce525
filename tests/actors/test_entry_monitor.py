"""The entry monitor: which trade triggers which setup, once for ever, and what becomes of the others."""

from decimal import Decimal

import msgspec
import pytest

from actors.entry_monitor import EntryMonitor, EntryState
from actors.messages import (
    ContinuityMeasured,
    EntryTriggered,
    Halt,
    Invalidated,
    MarketTime,
    MeasureContinuity,
    PositionOpened,
    Rejected,
    Retired,
    SetupsReplaced,
    Traded,
)
from actors.roles import CoreStates
from atlas.market.bar import Tick
from atlas.rules import Rules, StratRules
from atlas.strat.setup import ContinuityReading
from tests.actors.scene import BIP, INSIDE, NOON, REVERSAL, Row, Scene, at, bars, product, rules_with

FOUR = Rules(strat=StratRules(timeframes=("1h", "4h"), continuity={"1h": (("1h",), 1), "4h": (("4h",), 1)}))


def triggers(scene: Scene) -> list[EntryTriggered]:
    return scene.events(EntryTriggered)


# ── the trigger ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("price", "broken"), [(61499.5, False), (61500, False), (61500.5, True)])
def test_a_trigger_is_a_price_strictly_beyond_the_level(price: float, broken: bool) -> None:
    scene = Scene(REVERSAL)
    scene.trade(61000, at(1))
    scene.trade(price, at(2))
    assert [trigger.tick.price for trigger in triggers(scene)] == ([Decimal(str(price))] if broken else [])


def test_lesson_12_it_is_stamped_by_the_trade_that_does_it() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61000, at(1))
    tick = scene.trade(61600, at(2, 0.25))
    assert scene.one(EntryTriggered).tick == tick
    assert scene.one(PositionOpened).position.entry_time == at(2, 0.25)


def test_a_gap_is_entered_at_the_first_price_beyond_and_moves_no_level() -> None:
    scene = Scene(REVERSAL, rules_with())
    scene.trade(61000, at(1))
    scene.trade(62200, at(2))
    position = scene.one(PositionOpened).position
    assert position.entry_reference == Decimal(62200)
    assert (position.stop, position.target) == (Decimal(59000), Decimal(63000))


def test_the_first_trade_of_the_period_may_be_the_break() -> None:
    scene = Scene(INSIDE)
    scene.trade(61900, NOON)
    assert triggers(scene)[0].tick.time == NOON


def test_lesson_33_a_setup_without_a_break_is_no_order() -> None:
    scene = Scene(REVERSAL)
    for minute in range(1, 59):
        scene.trade(60000 + 25 * minute, at(minute))
    assert triggers(scene) == []


def test_each_setup_triggers_once() -> None:
    scene = Scene(REVERSAL)
    for minute in range(1, 30):
        scene.trade(61000 if minute % 2 else 61600, at(minute))
    assert len(triggers(scene)) == 1


@pytest.mark.parametrize(("prices", "first", "sibling"), [((61900, 59900), "long", "short"),
                                                          ((59900, 61900), "short", "long")])  # fmt: skip
def test_lesson_26_the_first_side_to_break_uses_up_a_two_sided_setup(
    prices: tuple[float, float], first: str, sibling: str
) -> None:
    scene = Scene(INSIDE)
    for minute, price in enumerate((61000, *prices)):
        scene.trade(price, at(minute))
    assert [trigger.setup.side for trigger in triggers(scene)] == [first]
    gone = scene.one(Invalidated)
    assert (gone.reason, gone.setup_id.split(":")[-1]) == ("sibling_triggered", sibling)


def test_lesson_25_the_name_resolves_with_the_break_and_the_id_stays() -> None:
    scene = Scene(INSIDE)
    scene.trade(61000, at(1))
    scene.trade(59900, at(2))
    trigger = scene.one(EntryTriggered)
    assert (trigger.name, trigger.setup.name) == ("2U-1-2D", "2U-1-?")
    assert trigger.setup.id == f"{BIP}:1h:20260304T1100Z:2U-1-?:short"
    assert (trigger.setup.stop, trigger.setup.target) == (Decimal(62000), Decimal(59500))


def test_a_rejected_side_uses_up_the_other_as_well() -> None:
    scene = Scene(INSIDE)
    scene.run(Halt("person", "lunch"))
    scene.trade(61000, at(1))
    scene.trade(61900, at(2))
    scene.trade(59900, at(3))
    assert [event.gate for event in scene.events(Rejected)] == ["halted"]
    assert len(triggers(scene)) == 1


def test_lesson_27_the_opposite_break_first_kills_a_one_sided_setup() -> None:
    scene = Scene(REVERSAL)
    scene.trade(60000, at(1))
    scene.trade(58999.5, at(2))
    scene.trade(61600, at(3))
    assert scene.one(Invalidated).reason == "opposite_broke"
    assert triggers(scene) == []


def test_an_equal_opposite_extreme_kills_nothing() -> None:
    scene = Scene(REVERSAL)
    scene.trade(60000, at(1))
    scene.trade(59000, at(2))
    scene.trade(61600, at(3))
    assert scene.events(Invalidated) == []
    assert len(triggers(scene)) == 1


# ── how long a setup lives ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_trade_after_a_bars_end_is_never_tested_against_the_setups_of_the_bar_before_it() -> None:
    """Invariant 2: the very trade that closes the bar is beyond the old trigger, and not beyond the new one."""
    scene = Scene(REVERSAL)
    scene.bar((60000, 61400, 59800, 61000), at(0))
    scene.trade(61450, at(60))
    scene.trade(61501, at(61))
    assert [trigger.setup.setup_time for trigger in triggers(scene)] == [NOON]


def test_setups_lapse_with_an_entry_period_without_trades() -> None:
    scene = Scene(REVERSAL)
    scene.run(MarketTime(at(61)))
    scene.trade(61600, at(62))
    assert triggers(scene) == []


@pytest.mark.parametrize(("seconds", "broken"), [(3599.999999, True), (3600, False)])
def test_the_end_of_the_entry_bar_is_exclusive(seconds: float, broken: bool) -> None:
    scene = Scene(REVERSAL)
    scene.trade(61600, at(0, seconds))
    assert bool(triggers(scene)) == broken


def test_lesson_34_a_setup_is_revoked_at_the_close_that_changes_the_structure() -> None:
    scene = Scene(REVERSAL)
    scene.bar((60000, 61400, 58500, 59000), at(0))  # Low 58500 first kills it; a 2D, so a new reversal stands.
    scene.trade(59000, at(60))
    scene.trade(61450, at(61))
    assert [(trigger.setup.name, trigger.setup.trigger) for trigger in triggers(scene)] == [("2D-2D-?", Decimal(61400))]


# ── order, readings ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_breaks_by_one_trade_go_longest_timeframe_first_then_by_id() -> None:
    scene = Scene(rules=FOUR, symbols=(BIP,), closed={"1h": bars(REVERSAL), "4h": bars(REVERSAL, timeframe="4h")})
    scene.trade(61000, at(1))
    scene.trade(61600, at(2))
    assert [trigger.setup.timeframe for trigger in triggers(scene)] == ["4h", "1h"]
    assert [type(event).__name__ for event in scene.kit.batches[-1].events][-1] == "OrderAccepted"
    assert scene.one(PositionOpened).position.timeframe == "4h"
    assert scene.one(Rejected).gate == "position_policy"


def test_a_trigger_carries_the_rules_and_the_version() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61600, at(1))
    assert (scene.one(EntryTriggered).rules, scene.one(EntryTriggered).version) == (scene.rules.fingerprint(), "1")


def test_lesson_50_an_unanswered_reading_is_none_and_rejects_the_entry() -> None:
    scene = Scene(REVERSAL)
    scene.kit.crash_at(f"scanner:{BIP}", lambda message: isinstance(message, MeasureContinuity), times=2)
    scene.trade(61000, at(1))
    scene.trade(61600, at(2))
    assert triggers(scene) == []
    scene.trade(61600, at(3))
    trigger = scene.one(EntryTriggered)
    assert (trigger.at_trigger, trigger.tick.time) == (None, at(2))
    assert (scene.one(Rejected).gate, scene.one(Rejected).value) == ("continuity", "could not be computed")


def test_an_answer_that_comes_after_all_is_for_nobody() -> None:
    monitor = EntryMonitor("rules", "1")
    assert list(monitor.receive(NOON, ContinuityMeasured("gone", None))) == []


def test_lesson_93_a_crashing_scanner_retires_its_own_symbol_only() -> None:
    other = "ETP-20DEC30-CDE"
    same_size = (product(BIP), product(other, contract_size=product(BIP).contract_size))
    scene = Scene(REVERSAL, symbols=(BIP, other), products=same_size)
    scene.kit.crash_at(f"scanner:{BIP}", lambda message: isinstance(message, Traded), times=20)
    scene.trade(61000, at(1))
    scene.trade(61000, at(2))
    assert [retired.name for retired in scene.sent("journal", Retired)] == [f"scanner:{BIP}"]
    scene.trade(61000, at(3), symbol=other)
    scene.trade(61600, at(4), symbol=other)
    scene.trade(61600, at(5))
    scene.trade(61600, at(6))
    assert [(event.symbol, event.gate) for event in scene.events(Rejected)] == [(BIP, "continuity")]
    assert scene.one(PositionOpened).position.symbol == other


# ── once, for ever ──────────────────────────────────────────────────────────────────────────────────────────────────


def handed_out(rows: tuple[Row, ...]) -> SetupsReplaced:
    return Scene(rows).one(SetupsReplaced)


def test_setups_handed_out_again_do_not_wait_again() -> None:
    replaced = handed_out(INSIDE)
    monitor = EntryMonitor("rules", "1")
    list(monitor.receive(NOON, replaced))
    list(monitor.receive(at(1), Traded(BIP, Tick(1, at(1), Decimal(61900), Decimal(1)))))
    list(monitor.receive(at(2), replaced))
    assert monitor.state.waiting[BIP]["1h"] == []
    again = list(monitor.receive(at(3), Traded(BIP, Tick(2, at(3), Decimal(59000), Decimal(1)))))
    assert [type(effect.message) for effect in again if hasattr(effect, "message")] == [EntryTriggered, EntryTriggered]
    assert not monitor.state.measuring


def test_a_setup_whose_reading_is_still_awaited_does_not_wait_again() -> None:
    replaced = handed_out(REVERSAL)
    monitor = EntryMonitor("rules", "1")
    list(monitor.receive(NOON, replaced))
    list(monitor.receive(at(1), Traded(BIP, Tick(1, at(1), Decimal(61600), Decimal(1)))))
    monitor.state.used.clear()
    list(monitor.receive(at(1), replaced))
    assert monitor.state.waiting[BIP]["1h"] == []


def test_lesson_30_what_was_used_before_a_restart_is_never_traded_again() -> None:
    setup = handed_out(REVERSAL).setups[0]
    scene = Scene(REVERSAL, states=CoreStates(entry=EntryState(used={setup.id: setup.valid_until})))
    scene.trade(61000, at(1))
    scene.trade(61600, at(2))
    assert triggers(scene) == []


def test_used_setups_are_forgotten_when_their_entry_bar_is_over() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61600, at(1))
    scene.trade(61000, at(60))
    assert scene.kit.state("entry_monitor").used == {}


def test_a_reading_for_the_other_side_rejects_the_entry() -> None:
    played = Scene(REVERSAL)
    played.trade(61600, at(1))
    wrong = ContinuityReading("short", "open", ("1h",), ("1h",), (), (), 1)
    scene = Scene(REVERSAL)
    scene.run(msgspec.structs.replace(played.one(EntryTriggered), at_trigger=wrong), to="risk_monitor")
    assert (scene.one(Rejected).gate, scene.one(Rejected).value) == ("continuity", "measured for short")
