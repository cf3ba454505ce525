"""What becomes of a trigger: a trade, or one rejection that names the first gate that failed."""

from typing import Any

import msgspec
import pytest

from actors.messages import (
    Depth,
    EntryTriggered,
    Filled,
    Halt,
    MarketTime,
    OrderRejected,
    PositionOpened,
    ProductsListed,
    Rejected,
)
from actors.risk_monitor import RiskState
from actors.roles import CoreStates
from atlas.money.depth import Book, Level
from atlas.rules import FillRules, GateRules, MarginRules, Rules
from tests.actors.positions import ETP, FOUR, ON_FOUR, D, closed, entered, gates
from tests.actors.scene import BIP, HOURLY, REVERSAL, Row, Scene, at, product, rules_with

# ── triggers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_trigger_that_passes_every_gate_is_a_trade_with_stop_and_target_beside_it() -> None:
    scene = entered(rules=Rules(strat=HOURLY))
    position = scene.one(PositionOpened).position
    assert (position.id, position.setup) == (f"{BIP}:1h:20260304T1100Z:2U-2D-?:long", "2U-2D-2U")
    assert (position.stop, position.target, position.invalidation) == (D(59000), D(63000), D(59000))
    orders = scene.kit.state("paper_broker").orders
    assert {(order.purpose, order.kind, order.price) for order in orders.values()} == {
        ("stop", "stop", D(59000)), ("target", "limit", D(63000))
    }  # fmt: skip
    assert scene.events(Rejected) == []


def _missed(scene: Scene) -> None:
    scene.trade(61600, at(5), source="snapshot")


def _beyond(price: float) -> Any:
    return lambda scene: scene.trade(price, at(5))


def _halted(scene: Scene) -> None:
    scene.run(Halt("disk", "96 % full"))
    scene.trade(61600, at(5))


def _closed(scene: Scene) -> None:
    scene.run(ProductsListed((product(session_open=False),)))
    scene.trade(61600, at(5))


NEAR: tuple[Row, ...] = ((60000, 61650, 59400, 61000), (61000, 61700, 59500, 61000), (61000, 61500, 59000, 59500))
"""Like REVERSAL, with its target 61700 near: 0.16 % from the trade that triggers it."""
PLAIN = Rules(strat=HOURLY)

GATES: list[tuple[str, Any, tuple[Row, ...], Rules]] = [
    ("halted", _halted, REVERSAL, PLAIN),
    ("session_closed", _closed, REVERSAL, PLAIN),
    ("missed", _missed, REVERSAL, PLAIN),
    ("not_traded", _beyond(61600), REVERSAL, Rules(strat=HOURLY, mode="signals")),
    ("not_traded", _beyond(61600), REVERSAL, Rules(strat=msgspec.structs.replace(HOURLY, families=("3-1",)))),
    ("price_past_target", _beyond(63000), REVERSAL, PLAIN),
    ("magnitude", _beyond(61600), NEAR, PLAIN),
    ("reward_risk", _beyond(62400), REVERSAL, PLAIN),
    ("total_risk", _beyond(61600), REVERSAL, rules_with(max_total_risk=D("0.001"))),
    ("max_open_positions", _beyond(61600), REVERSAL, rules_with(max_open_positions=0)),
    ("size_zero", _beyond(61600), REVERSAL, rules_with(risk_share=D("0.0001"))),
    ("fees", _beyond(62900), REVERSAL, Rules(strat=HOURLY, gates=GateRules(off=("magnitude", "reward_risk")))),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "play", "rows", "rules"), GATES)
def test_a_trigger_that_fails_a_gate_is_one_rejection_that_names_it(
    gate: str, play: Any, rows: tuple[Row, ...], rules: Rules
) -> None:
    scene = Scene(rows, rules)
    scene.trade(61000, at(1))
    play(scene)
    assert len(scene.events(EntryTriggered)) == 1
    assert gates(scene) == [gate]
    assert scene.events(PositionOpened) == []
    assert scene.one(Rejected).value
    assert scene.one(Rejected).threshold


def test_a_break_by_the_first_trade_of_the_period_agrees_with_neither_side() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61600, at(5))
    assert gates(scene) == ["continuity"]
    assert (scene.one(Rejected).value, scene.one(Rejected).threshold) == ("0/1", "≥ 1/1")


def test_a_product_that_is_not_listed_is_not_traded() -> None:
    scene = Scene(symbols=(BIP,), products=(product(ETP),))
    scene.run(entered().one(EntryTriggered), to="risk_monitor")
    assert (gates(scene), scene.one(Rejected).value) == (["session_closed"], "not listed by the exchange")


def test_the_same_trigger_twice_is_one_trade() -> None:
    scene = entered()
    scene.run(scene.one(EntryTriggered), to="risk_monitor")
    assert gates(scene) == ["already_triggered"]


def test_the_same_trigger_after_its_trade_is_one_trade_and_reserves_nothing() -> None:
    scene = entered()
    scene.trade(58900, at(6))
    before = closed(scene)
    scene.run(scene.one(EntryTriggered), to="risk_monitor")
    assert gates(scene) == ["already_triggered"]
    assert scene.kit.state("risk_monitor").entering == {}
    assert closed(scene) == before
    assert scene.kit.state("risk_monitor").account.reserved == 0


def test_the_same_trigger_after_its_rejection_is_one_rejection() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61600, at(5))
    scene.run(scene.one(EntryTriggered), to="risk_monitor")
    assert gates(scene) == ["continuity", "already_triggered"]
    assert [event.repeats for event in scene.events(Rejected)] == [False, True]


def test_the_same_trigger_while_entries_are_halted_is_no_rejection_of_its_trade() -> None:
    """The gate `halted` comes first, and its rejection would count: triggers = trades + rejections would be lost."""
    scene = entered()
    scene.run(Halt("disk", "96 % full"))
    scene.run(scene.one(EntryTriggered), to="risk_monitor")
    assert gates(scene) == ["already_triggered"]
    assert scene.one(Rejected).repeats


def test_an_entry_whose_order_is_finished_reserves_nothing() -> None:
    """The risk monitor knows nothing of the trade any more; the broker does, and says so."""
    scene = entered()
    scene.trade(58900, at(6))
    scene.kit.state("risk_monitor").decided.clear()
    scene.run(scene.one(EntryTriggered), to="risk_monitor")
    assert gates(scene) == ["already_triggered"]
    assert scene.kit.state("risk_monitor").entering == {}
    assert [event.fill.purpose for event in scene.events(Filled)] == ["entry", "stop"]
    assert scene.events(OrderRejected) == []


def test_what_has_triggered_is_remembered_until_its_entry_bar_is_over() -> None:
    scene = entered()
    assert list(scene.kit.state("risk_monitor").decided.values()) == [at(60)]
    first = scene.one(EntryTriggered)
    later = msgspec.structs.replace(first.setup, id="later", valid_until=at(120))
    scene.run(MarketTime(at(61)))
    scene.run(msgspec.structs.replace(first, setup=later), to="risk_monitor")
    assert scene.kit.state("risk_monitor").decided == {"later": at(120)}


def test_the_risk_of_an_entry_filled_in_part_is_that_of_the_contracts_filled() -> None:
    rules = msgspec.structs.replace(rules_with(), fills=FillRules(model="depth"))
    scene = Scene(rules=rules)
    scene.trade(61000, at(1))
    scene.run(Depth(BIP, at(4), Book((Level(D(61599), D(100)),), (Level(D(61600), D(3)),))))
    scene.trade(61600, at(5))
    position = scene.one(PositionOpened).position
    assert (position.contracts, position.risk_at_entry) == (3, 3 * (61600 - 59000) * D("0.01"))


@pytest.mark.parametrize(("mode", "contracts"), [("risk", 2), ("leverage", 16)])
def test_lesson_75_a_thousand_dollars_at_ten_times_opens_a_full_size_position_in_both_modes(
    mode: str, contracts: int
) -> None:
    """Noon is intraday in the long window; a contract is 616.0025 USD at the fill.

    Risk: ⌊20 ÷ (7.0025 to the stop + 1.16 of costs)⌋ = 2. Leverage: ⌊1000 ÷ (61.60025 of margin + 0.5812 of fee +
    0.0025 of slippage)⌋ = 16.
    """
    narrow: tuple[Row, ...] = (
        (60000, 62000, 60950, 61000), (61000, 63000, 61000, 62000), (61000, 61500, 60900, 61000)
    )  # fmt: skip
    rules = rules_with(mode=mode, max_total_risk=D("0.2"))
    account = msgspec.structs.replace(rules.account, starting_equity=D(1000))
    rules = msgspec.structs.replace(rules, account=account, margin=MarginRules(window="long_window"))
    position = entered(narrow, rules).one(PositionOpened).position
    assert (position.leverage, position.contracts) == (10, contracts)
    assert position.at_trigger.full


def test_two_triggers_of_one_trade_share_the_margin_and_the_limits() -> None:
    """Each alone would be sized by all there is: together they never take more than there is."""
    rules = rules_with(strat=FOUR, position_policy="unlimited", risk_share=D("0.9"), max_total_risk=D(10))
    scene = Scene(rules=rules, closed=ON_FOUR)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert len(scene.events(EntryTriggered)) == 2
    opened = [event.position for event in scene.events(PositionOpened)]
    assert [position.timeframe for position in opened] == ["4h"]
    assert gates(scene) == ["margin"]
    assert scene.events(OrderRejected) == []


def test_two_triggers_of_one_trade_are_counted_together_for_the_total_risk() -> None:
    rules = rules_with(strat=FOUR, position_policy="unlimited", max_total_risk=D("0.03"))
    scene = Scene(rules=rules, closed=ON_FOUR)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert gates(scene) == ["total_risk"]


def test_lesson_70_one_position_per_product_unless_the_policy_says_otherwise() -> None:
    for policy, trades in {"one_per_product": 1, "one_per_timeframe": 2, "unlimited": 2}.items():
        scene = Scene(rules=rules_with(strat=FOUR, position_policy=policy), closed=ON_FOUR)
        scene.trade(61000, at(1))
        scene.trade(61600, at(5))
        assert len(scene.events(PositionOpened)) == trades, policy
        assert gates(scene) == ["position_policy"] * (2 - trades), policy


def test_the_policy_flip_closes_the_opposite_position_at_the_trade_that_opens_the_other() -> None:
    scene = entered(rules=rules_with(position_policy="flip"))
    scene.bar((61500, 62100, 61300, 62000), at(60))
    scene.trade(62000, at(120))
    setup = scene.kit.state("entry_monitor").waiting[BIP]["1h"][-1].setup
    assert setup.side == "short"
    scene.trade(61200, at(121))
    assert (closed(scene).exit_time, closed(scene).side) == (at(121), "long")
    assert [event.position.side for event in scene.events(PositionOpened)] == ["long", "short"]
    assert scene.undisturbed


def test_a_trigger_left_undecided_by_an_earlier_process_is_rejected_at_the_start() -> None:
    trigger = entered().one(EntryTriggered)
    scene = Scene(states=CoreStates(risk=RiskState(undecided=[trigger])))
    assert gates(scene) == ["halted"]
    assert scene.one(Rejected).setup_id == trigger.setup.id
