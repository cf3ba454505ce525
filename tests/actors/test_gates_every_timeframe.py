"""Each gate can pass and can fail, on every timeframe; and of two that fail the earlier names the rejection."""

from decimal import ROUND_FLOOR, Decimal
from functools import cache
from itertools import combinations

import msgspec
import pytest

from actors.messages import EntryTriggered, OrderAccepted, PositionOpened, Rejected
from atlas.money.entry import Approval, EntryContext, Rejection
from atlas.risk import SWITCHABLE, judge
from atlas.rules import CONTINUITY_FRAMES
from tests.actors.gate_cases import BREAKERS, BROKEN, BY_THRESHOLD, TIMEFRAMES, context, triggered

D = Decimal
ENTRY = D(BROKEN) + D("0.25")
"""The fill: half of the spread of one tick worse than the trade."""
COSTS = D("0.0007") * D("0.01") * (ENTRY + D(59000) - D("0.25")) + 2 * D("0.15") + D("0.01") * D("0.25")
"""Of one contract of 0.01 BTC: both taker fees, and the slippage of the exit at the stop."""
FULL = (D(10000) * D("0.02") / (D("0.01") * (ENTRY - 59000) + COSTS)).to_integral_value(ROUND_FLOOR)
"""2 % of the equity over what one contract loses from the fill to the stop at 59000, costs included."""


@cache
def usual(timeframe: str) -> EntryContext:
    """The entry of a timeframe that nothing speaks against."""
    return context(timeframe)


# ── one setup per timeframe ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_setup_trades_at_full_size_with_perfect_continuity(timeframe: str) -> None:
    """Default rules, every gate on, through the whole core."""
    scene = triggered(timeframe)
    position = scene.one(PositionOpened).position
    (entry,) = (event.order for event in scene.events(OrderAccepted) if event.order.purpose == "entry")
    frames, _ = CONTINUITY_FRAMES[timeframe]
    assert (position.timeframe, position.at_trigger.frames, position.at_trigger.agree) == (timeframe, frames, frames)
    assert position.entry_contracts == entry.contracts == FULL == 7
    assert scene.events(Rejected) == []


@pytest.mark.parametrize(
    ("timeframe", "against"),
    [(name, against) for name in TIMEFRAMES for against in range(1, len(CONTINUITY_FRAMES[name][0]))],
)
def test_with_the_minimum_it_trades_half_size_and_below_that_not_at_all(timeframe: str, against: int) -> None:
    scene = triggered(timeframe, against)
    frames, needed = CONTINUITY_FRAMES[timeframe]
    score = f"{len(frames) - against}/{len(frames)}"
    reading = scene.one(EntryTriggered).at_trigger
    assert reading is not None
    assert reading.score == score
    if len(frames) - against >= needed:
        assert scene.one(PositionOpened).position.entry_contracts == 3
    else:
        assert (scene.one(Rejected).gate, scene.one(Rejected).value) == ("continuity", score)
        assert scene.events(PositionOpened) == []


# ── each gate ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_every_gate_passes_on_the_timeframe(timeframe: str) -> None:
    verdict = judge(usual(timeframe))
    assert [(check.gate, check.outcome) for check in verdict.checks] == [(gate, "passed") for gate in BREAKERS]
    assert isinstance(verdict.outcome, Approval)
    assert (verdict.outcome.multiplier, verdict.outcome.contracts) == (1, FULL)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("gate", BREAKERS)
def test_exactly_this_gate_rejects_on_the_timeframe(gate: str, timeframe: str) -> None:
    verdict = judge(BREAKERS[gate](usual(timeframe)))
    assert isinstance(verdict.outcome, Rejection)
    assert verdict.outcome.gate == gate
    assert [check.outcome for check in verdict.checks] == ["passed"] * list(BREAKERS).index(gate) + ["failed"]
    assert verdict.outcome.value
    assert verdict.outcome.threshold


# ── their order ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("first", "second"), list(combinations(BREAKERS, 2)))
def test_of_any_two_failing_gates_the_earlier_names_the_rejection(first: str, second: str) -> None:
    given = usual("4h")
    both = BY_THRESHOLD[first](BY_THRESHOLD[second](given))
    verdict = judge(both)
    assert isinstance(verdict.outcome, Rejection)
    assert verdict.outcome.gate == first
    if first in SWITCHABLE:
        off = msgspec.structs.replace(both.rules.gates, off=(first,))
        without = judge(msgspec.structs.replace(both, rules=msgspec.structs.replace(both.rules, gates=off)))
        assert isinstance(without.outcome, Rejection)
        assert without.outcome.gate == second, "the later of the two does not fail here"
