"""The position policy `flip`: an opposite signal closes what is open, and enters when that is closed."""

from typing import Any

import msgspec

from actors.messages import EntryTriggered, FeedUp, Flatten, OrderMoved, PositionClosed, PositionOpened, Rejected
from atlas.rules import ExitRules
from tests.actors.positions import D, closed, entered, gates
from tests.actors.scene import Scene, at, rules_with


def flipping(**options: Any) -> Scene:
    """A long, and then a setup whose short side is broken by the trade at 61200, 121 minutes past noon."""
    scene = entered(rules=rules_with(position_policy="flip"), **options)
    scene.bar((61500, 62100, 61300, 62000), at(60))
    scene.trade(62000, at(120))
    return scene


def test_an_opposite_signal_closes_as_flip_and_then_enters_by_the_same_trade() -> None:
    scene = flipping()
    scene.trade(61200, at(121))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("flip", at(121))
    assert [event.position.side for event in scene.events(PositionOpened)] == ["long", "short"]
    last = [type(event).__name__ for event in scene.kit.batches[-1].events]
    assert last.index("PositionClosed") < last.index("PositionOpened")
    assert scene.undisturbed


def test_a_flip_is_sized_by_the_equity_after_the_closing_costs() -> None:
    scene = flipping()
    scene.trade(61200, at(121))
    new = scene.events(PositionOpened)[-1].position
    left = 10000 + closed(scene).net
    assert new.risk_at_entry <= left * D("0.02")


def test_a_signal_of_the_same_side_is_rejected_by_the_policy() -> None:
    scene = entered(rules=rules_with(position_policy="flip"))
    again = scene.one(EntryTriggered)
    other = msgspec.structs.replace(again, setup=msgspec.structs.replace(again.setup, id="another"))
    scene.run(other, to="risk_monitor")
    assert gates(scene) == ["position_policy"]


def test_a_rejected_opposite_signal_closes_nothing() -> None:
    rules = rules_with(position_policy="flip", risk_share=D("0.011"))
    scene = entered(rules=rules)
    short = msgspec.structs.replace(scene.one(EntryTriggered).setup, id="short", side="short", stop=D(99000),
                                    target=D(50000))  # fmt: skip
    scene.run(msgspec.structs.replace(scene.one(EntryTriggered), setup=short), to="risk_monitor")
    assert gates(scene) == ["size_zero"]
    assert scene.events(PositionClosed) == []


def held_up(**exits: Any) -> Scene:
    """A flip whose exit finds no price: the short's entry waits behind it."""
    scene = entered(rules=msgspec.structs.replace(rules_with(position_policy="flip"), exits=ExitRules(**exits)))
    trigger = scene.one(EntryTriggered)
    assert trigger.at_trigger is not None
    short = msgspec.structs.replace(
        trigger.setup, id="short", side="short", stop=D(63000), target=D(59000), opposite_level=D(62500)
    )
    reading = msgspec.structs.replace(trigger.at_trigger, side="short")
    scene.kit.state("paper_broker").feed_up = False
    scene.run(msgspec.structs.replace(trigger, setup=short, at_trigger=reading), to="risk_monitor")
    assert list(scene.kit.state("risk_monitor").entering) == ["short/entry"]
    assert scene.events(PositionClosed) == []
    return scene


def test_an_entry_held_up_is_made_once_the_flip_has_closed() -> None:
    scene = held_up()
    scene.run(FeedUp(at(8)))
    scene.trade(61500, at(9))
    assert closed(scene).exit_reason == "flip"
    assert [event.position.entry_time for event in scene.events(PositionOpened)] == [at(5), at(9)]


def test_lesson_72_a_position_is_not_left_by_the_very_trade_that_filled_it() -> None:
    """A stop that trails at once: moved by the trade that filled the entry, it would be taken by the next already."""
    scene = held_up(trail_after=D(0), trail_distance=D("0.1"))
    scene.run(FeedUp(at(8)))
    scene.trade(61500, at(9), bid=D(61500), ask=D(61500))
    short = scene.events(PositionOpened)[-1].position
    assert (short.side, short.entry_price) == ("short", D(61500))
    scene.trade(61660, at(10))
    assert [event.position.exit_reason for event in scene.events(PositionClosed)] == ["flip"]
    assert scene.events(OrderMoved)[-1].price == 61650
    scene.trade(61660, at(11))
    assert scene.events(PositionClosed)[-1].position.exit_reason == "stop"


def test_an_entry_held_up_past_its_entry_bar_is_missed() -> None:
    scene = held_up()
    scene.run(FeedUp(at(8)))
    scene.trade(61500, at(60))
    assert closed(scene).exit_reason == "flip"
    assert (scene.one(Rejected).gate, scene.one(Rejected).setup_id) == ("missed", "short")
    assert len(scene.events(PositionOpened)) == 1


def test_flatten_calls_back_an_entry_held_up() -> None:
    scene = held_up()
    scene.run(Flatten("me", 7))
    assert (scene.one(Rejected).gate, scene.one(Rejected).setup_id) == ("halted", "short")
    scene.run(FeedUp(at(8)))
    scene.trade(61500, at(9))
    assert closed(scene).exit_reason == "flip"
    assert len(scene.events(PositionOpened)) == 1
    assert scene.kit.state("risk_monitor").entering == {}
