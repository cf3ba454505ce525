"""The invariants of architecture.md with every optional exit, a leverage window and the policy flip switched on."""

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import (
    AccountOpened,
    EntryTriggered,
    Filled,
    FundingPaid,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Rejected,
    Remargined,
    encode,
)
from actors.route import route
from actors.runtime.kit import Kit
from atlas.money.book import Position
from atlas.money.ledger import balance
from atlas.rules import ExitRules, MarginRules, Rules
from tests.actors import random_market
from tests.actors.random_market import BEFORE, markets
from tests.actors.scene import Scene

SMALL = msgspec.structs.replace(
    random_market.RULES,
    exits=ExitRules(
        scale_out=Decimal("0.5"), break_even=Decimal("0.6"), trail_after=Decimal("0.3"),
        trail_distance=Decimal("0.4"), max_bars=3,
    ),
    margin=MarginRules(window="long_window"),
    sizing=msgspec.structs.replace(
        random_market.RULES.sizing, position_policy="flip", risk_share=Decimal("0.05"),
        max_total_risk=Decimal("0.9"), daily_loss=Decimal("0.5"),
    ),
)  # fmt: skip
LARGE = msgspec.structs.replace(SMALL, sizing=msgspec.structs.replace(SMALL.sizing, mode="leverage"))
"""Positions that fit overnight margin, and positions that never do."""
SIZES = st.sampled_from((SMALL, LARGE))
CORE = ("paper_broker", "risk_monitor", "entry_monitor")
some = settings(max_examples=25, deadline=None)


def played(market: list[Any], rules: Rules, kit: Kit | None = None) -> Scene:
    scene = Scene(rules=rules, closed=BEFORE, kit=kit)
    for message in market:
        scene.run(message)
    return scene


def told(scene: Scene) -> list[Position]:
    """Every state of every position the journal was told, in order."""
    kinds = (PositionOpened, PositionChanged, PositionClosed)
    return [event.position for batch in scene.kit.batches for event in batch.events if isinstance(event, kinds)]


@some
@given(markets(hours=4), SIZES)
def test_money_adds_up_after_every_input(market: list[Any], rules: Rules) -> None:
    scene = Scene(rules=rules, closed=BEFORE)
    for message in market:
        scene.run(message)
        broker, risk = scene.kit.state("paper_broker"), scene.kit.state("risk_monitor")
        assert risk.account == broker.account
        assert broker.account.reserved == sum((h.margin for h in broker.holdings.values()), Decimal(0))
        positions = {id_: managed.position for id_, managed in risk.positions.items()}
        assert {id_: (p.contracts, p.margin, p.leverage, p.liquidation) for id_, p in positions.items()} == {
            id_: (h.contracts, h.margin, h.leverage, h.liquidation) for id_, h in broker.holdings.items()
        }
        for order in broker.orders.values():
            assert 0 < order.contracts <= positions[order.position_id].contracts
            if order.purpose == "stop":
                assert order.price == positions[order.position_id].stop
    moved = [*scene.events(AccountOpened), *scene.events(Filled), *scene.events(FundingPaid)]
    legs = [leg for event in (*moved, *scene.events(Remargined)) for leg in event.legs]
    assert sum((leg.amount for leg in legs), Decimal(0)) == 0
    assert balance(legs, "cash") == broker.account.cash
    assert balance(legs, "margin_reserved") == broker.account.reserved
    last = {position.id: position for position in told(scene)}
    assert broker.account.cash == 10000 + sum((position.net for position in last.values()), Decimal(0))
    assert scene.undisturbed


@some
@given(markets(hours=4), SIZES)
def test_every_trigger_ends_once_and_the_broker_refuses_nothing(market: list[Any], rules: Rules) -> None:
    """What the gates let through is never refused: the two count the same money."""
    scene = played(market, rules)
    triggered = Counter(event.setup.id for event in scene.events(EntryTriggered))
    ended = Counter(event.position.id for event in scene.events(PositionOpened))
    assert triggered == ended + Counter(event.setup_id for event in scene.events(Rejected))
    assert scene.events(OrderRejected) == []
    assert scene.kit.state("risk_monitor").entering == {}


@some
@given(markets(hours=4), SIZES)
def test_stops_move_in_favour_only_and_contracts_only_shrink(market: list[Any], rules: Rules) -> None:
    before: dict[str, Position] = {}
    for position in told(played(market, rules)):
        was = before.get(position.id)
        if was is not None:
            assert position.stop >= was.stop if position.side == "long" else position.stop <= was.stop
            assert 0 <= position.contracts <= was.contracts
            assert position.first_stop == was.first_stop
        before[position.id] = position


@settings(max_examples=40, deadline=None)
@given(markets(hours=4), st.sampled_from(CORE), st.integers(1, 150), st.sampled_from(["before", "after"]))
def test_a_crash_at_any_message_gives_the_same_batches(
    market: list[Any], name: str, message: int, moment: Any
) -> None:
    kit = Kit(Scene.roles(SMALL), route, outside=["history", "rest_prices"])
    kit.crash_at(name, message, moment=moment)
    disturbed, undisturbed = played(market, SMALL, kit), played(market, SMALL)
    assert [encode(b) for b in disturbed.kit.batches] == [encode(b) for b in undisturbed.kit.batches]


def test_random_markets_reach_what_the_invariants_speak_of() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(markets(hours=8, least=90, most=160, but=("drop", "gap", "halt", "lost")))
    def look(market: list[Any]) -> None:
        for rules in (SMALL, LARGE):
            scene = played(market, rules)
            seen.update(type(event).__name__ for batch in scene.kit.batches for event in batch.events)
            seen.update(event.fill.purpose for event in scene.events(Filled))

    look()
    wanted = {"OrderMoved", "Remargined", "scale_out", "stop", "target", "flip", "max_bars", "deadline", "flatten"}
    assert wanted - set(seen) == set(), seen
