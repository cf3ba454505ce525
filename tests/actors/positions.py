"""Scenes with a position, and what the tests of the risk monitor ask of them."""

from decimal import Decimal
from typing import Any

from actors.messages import (
    CommandDone,
    PositionClosed,
    PositionOpened,
    Rejected,
)
from atlas.money.book import Position
from atlas.rules import Rules, StratRules
from tests.actors.scene import BIP, REVERSAL, Row, Scene, at, bars, product, rules_with

D = Decimal
ETP = "ETP-20DEC30-CDE"
BOTH = (BIP, ETP)
SAME_SIZE = (product(BIP), product(ETP, contract_size=D("0.01")))
FOUR = StratRules(timeframes=("1h", "4h"), continuity={"1h": (("1h",), 1), "4h": (("4h",), 1)})
ON_FOUR = {"1h": bars(REVERSAL), "4h": bars(REVERSAL, timeframe="4h")}


def entered(
    rows: tuple[Row, ...] = REVERSAL, rules: Rules | None = None, *, price: float = 61600, **options: Any
) -> Scene:
    """A scene with one position, entered at five past noon."""
    scene = Scene(rows, rules or rules_with(), **options)
    scene.trade(61000, at(1))
    scene.trade(price, at(5))
    assert len(scene.events(PositionOpened)) == 1, scene.events(Rejected)
    return scene


def closed(scene: Scene) -> Position:
    return scene.one(PositionClosed).position


def gates(scene: Scene) -> list[str]:
    return [event.gate for event in scene.events(Rejected)]


def answers(scene: Scene) -> list[str]:
    return [event.result for event in scene.events(CommandDone)]
