"""The behaviours over four days of March 2020, against plain loops over the same trades.

What each trigger would have come to is found without them: which of stop, invalidation and target the trades reach
first. The core's exits must be those; and of all triggers exactly one could end `invalidated` (short, 10 March 19:00).
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.messages import EntryTriggered, PositionClosed, PositionOpened, Rejected
from atlas.market.bar import Tick
from atlas.money.book import Position
from atlas.rules import Rules
from atlas.strat.setup import TRADED_BY_DEFAULT
from tests.actors.march_2020 import March, rules
from tests.actors.scene import BIP

pytestmark = [pytest.mark.shared, pytest.mark.timeout(300)]

TRIGGERS = {"15m": 152, "1h": 44, "4h": 7, "1d": 1}
"""Of the families traded by default: what the brute force of tests/strat finds too."""
INVALIDATED = f"{BIP}:15m:20200310T1845Z:2U-1-?:short"
DAILY = rules("magnitude", "reward_risk", "continuity", "fees")
FREE = rules("magnitude", "fees", "daily_loss", "position_policy")


@pytest.fixture(scope="module")
def march(shared: Path) -> March:
    return March(shared)


@pytest.fixture(scope="module")
def played(march: March) -> dict[str, list[Any]]:
    return {"default": march.play(rules()), "daily": march.play(DAILY), "free": march.play(FREE)}


def of(events: list[Any], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def first_exit(position: Position, trades: list[Tick]) -> tuple[str, Any] | None:
    """The first of stop, invalidated and target that the trades after the entry reach, without liquidation."""
    sign = 1 if position.side == "long" else -1
    for tick in trades:
        if tick.time <= position.entry_time:
            continue
        if sign * (tick.price - position.stop) <= 0:
            return "stop", tick.time
        if tick.time < position.entry_bar_end and sign * (tick.price - position.invalidation) < 0:
            return "invalidated", tick.time
        if sign * (tick.price - position.target) > 0:
            return "target", tick.time
    return None


@pytest.mark.parametrize("run", ["default", "daily", "free"])
def test_the_core_finds_every_trigger_whatever_the_gates(played: dict[str, list[Any]], run: str) -> None:
    triggers = [event.setup for event in of(played[run], EntryTriggered)]
    traded = [setup for setup in triggers if setup.family in TRADED_BY_DEFAULT]
    assert Counter(setup.timeframe for setup in traded) == TRIGGERS
    assert len({setup.id for setup in triggers}) == len(triggers)


@pytest.mark.parametrize("run", ["default", "daily", "free"])
def test_triggers_are_trades_and_rejections(played: dict[str, list[Any]], run: str) -> None:
    events = played[run]
    ended = [event.position.id for event in of(events, PositionOpened)]
    ended += [event.setup_id for event in of(events, Rejected)]
    assert sorted(ended) == sorted(event.setup.id for event in of(events, EntryTriggered))


@pytest.mark.parametrize("run", ["default", "daily", "free"])
def test_every_exit_is_the_first_that_the_trades_reach(march: March, played: dict[str, list[Any]], run: str) -> None:
    trades = list(march.trades())
    closed = [event.position for event in of(played[run], PositionClosed)]
    assert closed
    for position in closed:
        assert (position.exit_reason, position.exit_time) == first_exit(position, trades), position.id


def test_with_the_default_gates_almost_nothing_is_worth_its_costs(played: dict[str, list[Any]]) -> None:
    gates = Counter(event.gate for event in of(played["default"], Rejected))
    assert len(of(played["default"], PositionOpened)) == 1
    assert (gates["magnitude"], gates["price_past_target"]) == (102, 38)


def test_the_daily_loss_ends_two_of_the_days(played: dict[str, list[Any]]) -> None:
    """Ten March and eleven March lose 5 %; what triggers afterwards on those days is rejected."""
    rejected = [event for event in of(played["daily"], Rejected) if event.gate == "daily_loss"]
    assert {event.at.day for event in rejected} == {10, 11}
    assert Counter(event.position.exit_reason for event in of(played["daily"], PositionClosed)) == {
        "target": 19, "stop": 10
    }  # fmt: skip


def test_free_of_limits_stop_target_and_invalidated_exits_are_among_the_trades(played: dict[str, list[Any]]) -> None:
    closed = [event.position for event in of(played["free"], PositionClosed)]
    assert Counter(position.exit_reason for position in closed) == {"target": 24, "stop": 17, "invalidated": 1}
    assert [position.id for position in closed if position.exit_reason == "invalidated"] == [INVALIDATED]


def test_the_one_trade_that_could_be_invalidated_cannot_be_entered_with_one_position_per_product(march: March) -> None:
    """docs/decisions.md: with every limit off, what is open when, whatever one position would have kept out."""
    limits = ("daily_loss", "position_policy", "max_open_positions", "total_risk")
    every = march.play(rules("magnitude", "reward_risk", "continuity", "fees", *limits, risk_share=Decimal("0.002")))
    gates = {event.gate for event in of(every, Rejected)}
    assert gates == {"price_past_target", "not_traded"}, "no other gate stands between trigger and trade"
    entered = {event.position.id: event.position for event in of(every, PositionClosed)}
    assert [id_ for id_, position in entered.items() if position.exit_reason == "invalidated"] == [INVALIDATED]
    before = entered[f"{BIP}:15m:20200310T1545Z:2D-1-?:short"]
    earlier = [position for position in entered.values() if position.entry_time < before.entry_time]
    assert all(position.exit_time < before.entry_time for position in earlier if position.exit_time), "it is let in"
    assert before.exit_time is not None
    assert before.entry_time < entered[INVALIDATED].entry_time < before.exit_time


def test_the_same_run_twice_gives_the_same_events(march: March, played: dict[str, list[Any]]) -> None:
    again: Rules = rules("magnitude", "fees", "daily_loss", "position_policy")
    assert march.play(again) == played["free"]
