"""One setup per timeframe that every gate lets through, found by the core itself, and what makes each gate fail.

A *breaker* takes an entry that nothing speaks against and changes only what one gate looks at, relative to what is
there, so that breakers can be put one after another.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages import EntryTriggered, PositionOpened
from atlas.market.timeframes import period
from atlas.money.book import Position
from atlas.money.entry import EntryContext
from atlas.rules import CONTINUITY_FRAMES, Rules, StratRules
from atlas.strat.setup import ContinuityReading
from tests.actors.scene import NOON, REVERSAL, FrameBars, Scene, at, bars, forming, product

TIMEFRAMES = tuple(CONTINUITY_FRAMES)
"""15m 1h 4h 1d 1w: every timeframe that setups can be detected on by default."""
FRIDAY_BREAK = datetime(2026, 3, 6, 22, 30, tzinfo=UTC)
"""Half past five on a Friday afternoon in New York."""
BROKEN = 61600
"""The trade beyond the trigger of REVERSAL, 61500."""
RISEN = (60000, 61000, 60000, 60900)
"""A period that opened below the price of the break: it agrees with long."""
FALLEN = (62000, 62100, 60000, 60900)
"""One that opened above."""

D = Decimal
Breaker = Callable[[EntryContext], EntryContext]
_with = msgspec.structs.replace


def rules(timeframe: str) -> Rules:
    """The default rules, detecting on one timeframe."""
    return Rules(strat=StratRules(timeframes=(timeframe,)))


def triggered(timeframe: str, against: int = 0) -> Scene:
    """A core that REVERSAL broke in; so many of the other frames that continuity looks at had opened above."""
    frames = CONTINUITY_FRAMES[timeframe][0]
    fallen = [frame for frame in frames if frame != timeframe][:against]
    told = {name: FrameBars(name, (), forming(FALLEN if name in fallen else RISEN, NOON, name)) for name in frames}
    told[timeframe] = FrameBars(timeframe, bars(REVERSAL, until=period(timeframe, NOON)[0], timeframe=timeframe), None)
    scene = Scene(rules=rules(timeframe), frames=tuple(told.values()))
    scene.trade(61000, at(1))
    scene.trade(BROKEN, at(2))
    return scene


def context(timeframe: str) -> EntryContext:
    """What the gates were asked when the setup of that timeframe broke: an account of 10 000 USD with nothing open."""
    trigger = triggered(timeframe).one(EntryTriggered)
    return EntryContext(
        setup=trigger.setup,
        name=trigger.name,
        at=trigger.tick.time,
        reference=trigger.tick.price,
        bid=trigger.tick.bid,
        ask=trigger.tick.ask,
        product=product(),
        rules=rules(timeframe),
        verified=trigger.verified,
        missed=trigger.missed,
        already_triggered=False,
        halts={},
        continuity=trigger.at_trigger,
        equity=D(10000),
        available=D(10000),
        day_start_equity=D(10000),
        daily_loss_hit=False,
    )


def held(given: EntryContext, **changes: Any) -> Position:
    """An open position: the one that the setup became, of another product and with next to nothing at risk."""
    position = triggered(given.setup.timeframe).one(PositionOpened).position
    return _with(position, **({"id": "held", "symbol": "other", "contracts": D("0.001")} | changes))


def _also_open(given: EntryContext, *positions: Position) -> EntryContext:
    return _with(given, positions=(*given.positions, *positions))


def _level(given: EntryContext, **levels: Decimal) -> EntryContext:
    return _with(given, setup=_with(given.setup, **levels))


def _gates(given: EntryContext, **changes: Any) -> EntryContext:
    return _with(given, rules=_with(given.rules, gates=_with(given.rules.gates, **changes)))


def _disagreeing(given: EntryContext) -> EntryContext:
    """One frame less than needed agrees."""
    reading = given.continuity
    assert reading is not None
    few: ContinuityReading = _with(
        reading, agree=reading.frames[: reading.needed - 1], disagree=reading.frames[reading.needed - 1 :]
    )
    return _with(given, continuity=few)


BREAKERS: dict[str, Breaker] = {
    "halted": lambda given: _with(given, halts={**given.halts, "person": "lunch"}),
    "session_closed": lambda given: _with(given, at=FRIDAY_BREAK),
    "data_unverified": lambda given: _with(given, verified=False),
    "already_triggered": lambda given: _with(given, already_triggered=True),
    "missed": lambda given: _with(given, missed=True),
    "not_traded": lambda given: _with(given, rules=_with(given.rules, mode="signals")),
    "divergence": lambda given: _with(given, setup=_with(given.setup, symbol="BTC-USD"), ratio=None),
    "price_past_stop": lambda given: _level(given, stop=given.reference + 5000),
    "price_past_target": lambda given: _level(given, target=given.reference - 10),
    "magnitude": lambda given: _level(given, target=given.reference + 200),
    "reward_risk": lambda given: _level(given, target=given.reference + 1000),
    "continuity": _disagreeing,
    "position_policy": lambda given: _also_open(given, held(given, symbol=given.product.id)),
    "max_open_positions": lambda given: _also_open(given, *(held(given, id=f"held {n}") for n in range(5))),
    "total_risk": lambda given: _also_open(given, held(given, contracts=D(25))),
    "daily_loss": lambda given: _with(given, daily_loss_hit=True),
    "size_zero": lambda given: _with(given, equity=D(1000)),
    "fees": lambda given: _gates(given, max_fee_share=D("0.0001")),
    "margin": lambda given: _with(given, available=D(100)),
}
"""Gate → what makes it fail, in the order of strat.md 5."""
BY_THRESHOLD: dict[str, Breaker] = BREAKERS | {
    "magnitude": lambda given: _gates(given, min_magnitude=D("0.05")),
    "reward_risk": lambda given: _gates(given, min_reward_risk=D(1)),
}
"""The same, where a target near enough for one gate would make others fail too."""
