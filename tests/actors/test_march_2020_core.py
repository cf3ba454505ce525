"""The behaviours over five days of March 2020, against plain loops over the same trades.

What each trigger would have come to is found without them: which of stop, invalidation and target the trades reach
first. The core's exits must be those; and of all triggers exactly one could end `invalidated` (short, 10 March 19:00).
"""

from collections import Counter
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


def test_the_same_run_twice_gives_the_same_events(march: March, played: dict[str, list[Any]]) -> None:
    again: Rules = rules("magnitude", "fees", "daily_loss", "position_policy")
    assert march.play(again) == played["free"]
