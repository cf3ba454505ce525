"""Lesson 117: a close that comes twice is one close, and the worst and best prices stay what they were."""

from decimal import Decimal

import pytest

from actors.messages import ClosePosition, Filled, Flatten, PositionClosed
from tests.actors.scene import Scene, at, rules_with

D = Decimal


def held() -> Scene:
    """A long from 61600 that has seen 61000 and 62400, and is at 62000."""
    scene = Scene(rules=rules_with())
    for minute, price in enumerate((61000, 61600, 61100, 62400, 62000), 1):
        scene.trade(price, at(minute))
    return scene


@pytest.mark.parametrize("twice", ["flatten", "close", "fill"])
def test_lesson_117_a_position_closes_once_and_keeps_its_worst_and_best(twice: str) -> None:
    scene = held()
    scene.run(Flatten("me", 1))
    scene.trade(62000, at(6))
    closed = scene.one(PositionClosed).position
    fills, account = scene.events(Filled), scene.events(Filled)[-1].account
    assert (closed.worst, closed.best) == (D(61100), D(62400))
    if twice == "flatten":
        scene.run(Flatten("me", 2))
    elif twice == "close":
        scene.run(ClosePosition(closed.id, "me", 2))
    else:
        scene.run(fills[-1], "risk_monitor")
    scene.trade(59000, at(7))
    scene.trade(63500, at(8))
    assert scene.one(PositionClosed).position == closed
    assert scene.events(Filled) == fills
    assert scene.events(Filled)[-1].account == account
    assert scene.undisturbed
