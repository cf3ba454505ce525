"""A lively account for the audit's tests: a seeded market through the real core, every optional exit switched on."""

import random
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from actors.messages import Depth, EventBatch, Flatten, Halt, MarketTime, Resume
from atlas.money.depth import Book, Level
from atlas.rules import ExitRules, GateRules, Rules, SizingRules, StratRules
from db.batch import batch_of
from db.writer import Writer
from tests.actors.random_market import BEFORE
from tests.actors.scene import BIP, NOON, Scene, at

D = Decimal
LIVELY = Rules(
    strat=StratRules(timeframes=("15m", "1h"), continuity={"15m": (("1h", "15m"), 1), "1h": (("1h",), 1)}),
    gates=GateRules(off=("magnitude", "fees", "reward_risk")),
    sizing=SizingRules(daily_loss=D("0.03"), position_policy="one_per_timeframe"),
    exits=ExitRules(scale_out=D("0.5"), break_even=D("0.5"), trail_after=D("0.7"), trail_distance=D("0.5"), max_bars=3),
)


def lively(
    rules: Rules = LIVELY, *, seed: int = 7, steps: int = 1500, flattened: bool = True
) -> list[EventBatch]:
    """What the journal was told: some days of a random walk, halted and resumed once, flattened at the end if asked."""
    chance, scene, price = random.Random(seed), Scene(rules=rules, closed=BEFORE), 60500.0
    for step in range(steps):
        price += chance.choice((-350, -120, -60, -15, -5, 5, 15, 60, 120, 350))
        if rules.fills.model == "depth":
            scene.run(Depth(BIP, at(2 * step), thin_book(price, chance.randint(2, 9))))
        scene.trade(price, at(2 * step))
        if step == steps // 2:
            scene.run(Halt("person", "lunch", 1))
        if step == steps // 2 + 60:
            scene.run(Resume("person", 2))
    if flattened:
        scene.run(Flatten("me", 3))
    scene.run(MarketTime(NOON + timedelta(minutes=2 * steps)))
    assert scene.undisturbed
    return scene.kit.batches


def thin_book(price: float, contracts: int) -> Book:
    """A book on both sides of a price that holds only so many contracts."""
    levels = (Level(D(str(price)) + side * 5 * (step + 1), D(contracts)) for side in (-1, 1) for step in range(2))
    bids_and_asks = tuple(levels)
    return Book(bids_and_asks[:2], bids_and_asks[2:])


def events(batches: Iterable[EventBatch]) -> list[Any]:
    """The events in order."""
    return [event for batch in batches for event in batch.events]


def store(writer: Writer, batches: list[EventBatch]) -> None:
    """Write the batches as the journal does."""
    for first in range(0, len(batches), 200):
        some = [batch_of(batch.events, input=batch.number, at=batch.at) for batch in batches[first : first + 200]]
        assert writer.write(some).refused == ()
