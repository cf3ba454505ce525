"""Halts by source, the daily loss limit, and a person's commands."""

from datetime import timedelta
from typing import Any

import msgspec

from actors.messages import (
    ClosePosition,
    CommandBegun,
    DayStarted,
    FeedDown,
    FeedUp,
    Filled,
    Flatten,
    Halt,
    HaltChanged,
    MarketTime,
    PositionClosed,
    PositionOpened,
    Rejected,
    Resume,
)
from actors.roles import CoreStates
from actors.route import route
from actors.runtime.kit import Kit
from atlas.market.timeframes import period
from atlas.money.rounding import dollars
from tests.actors.positions import BOTH, FOUR, ON_FOUR, SAME_SIZE, D, answers, closed, entered, gates
from tests.actors.scene import NOON, Scene, at, rules_with

# ── the daily loss ──────────────────────────────────────────────────────────────────────────────────────────────────


def losing(**sizing: Any) -> Scene:
    return entered(rules=rules_with(**({"risk_share": D("0.03"), "daily_loss": D("0.02")} | sizing)))


def test_open_losses_count_for_the_daily_limit() -> None:
    scene = losing()
    scene.trade(59500, at(6))
    assert list(scene.one(HaltChanged).halts) == ["daily_loss"]


def test_a_loss_that_the_exit_itself_makes_halts_entries_at_once() -> None:
    scene = losing()
    scene.trade(58500, at(6))
    assert closed(scene).exit_reason == "stop"
    assert list(scene.one(HaltChanged).halts) == ["daily_loss"]
    assert scene.kit.core.number == scene.kit.batches[-1].number


def test_after_it_no_entry_is_made_until_the_next_day() -> None:
    scene = losing()
    scene.trade(58500, at(6))
    scene.trade(60000, at(60))
    scene.trade(61700, at(61))
    assert gates(scene)[-1] == "daily_loss"
    scene.run(MarketTime(NOON.replace(hour=0) + timedelta(days=1)))
    assert scene.events(HaltChanged)[-1].halts == {}
    day = scene.events(DayStarted)[-1]
    assert (day.day, day.equity) == ("2026-03-05", scene.kit.state("paper_broker").account.cash)


def test_the_day_begins_in_the_accounts_timezone() -> None:
    rules = rules_with()
    rules = msgspec.structs.replace(rules, account=msgspec.structs.replace(rules.account, timezone="America/New_York"))
    scene = Scene(rules=rules)
    scene.run(MarketTime(at(0) + timedelta(hours=16, minutes=59)))
    assert [event.day for event in scene.events(DayStarted)] == ["2026-03-04"]
    scene.run(MarketTime(at(0) + timedelta(hours=17)))
    assert [(event.day, event.at) for event in scene.events(DayStarted)][1:] == [
        ("2026-03-05", at(0) + timedelta(hours=17))
    ]


def test_a_persons_resume_lifts_it_and_the_loss_is_measured_anew() -> None:
    scene = losing()
    scene.trade(59500, at(6))
    scene.run(Resume("feed"))
    assert list(scene.events(HaltChanged)[-1].halts) == ["daily_loss"]
    scene.run(Resume("person", command_id=4))
    lifted = scene.events(HaltChanged)[-1]
    assert lifted.halts == {}
    assert lifted.base == scene.kit.state("risk_monitor").day_equity < scene.events(DayStarted)[-1].equity
    scene.trade(59450, at(7))
    assert scene.events(HaltChanged)[-1].halts == {}
    assert answers(scene) == ["resumed"]


def test_it_survives_a_restart() -> None:
    before = losing()
    before.trade(59500, at(6))
    state = before.kit.state("risk_monitor")
    states = CoreStates(broker=before.kit.state("paper_broker"), risk=state)
    kit = Kit(Scene.roles(before.rules, states=states), route, outside=["history", "rest_prices"], market_time=at(6))
    scene = Scene(rules=before.rules, kit=kit)
    assert scene.kit.state("risk_monitor").halts.keys() == {"daily_loss"}
    assert scene.events(DayStarted) == []


# ── halts and commands ──────────────────────────────────────────────────────────────────────────────────────────────


def test_each_source_lifts_its_own_halt_only() -> None:
    scene = Scene()
    for source in ("person", "drift", "database"):
        scene.run(Halt(source, "because"))
    scene.run(Resume("drift"))
    assert [sorted(event.halts) for event in scene.events(HaltChanged)] == [
        ["person"], ["drift", "person"], ["database", "drift", "person"], ["database", "person"]
    ]  # fmt: skip
    assert [event.count for event in scene.events(HaltChanged)] == [1, 2, 3, 4]


def test_the_same_halt_twice_is_told_once_and_answered_twice() -> None:
    scene = Scene()
    for command in (1, 2):
        scene.run(Halt("person", "lunch", command))
    assert len(scene.events(HaltChanged)) == 1
    assert answers(scene) == ["halted: lunch", "halted: lunch"]


def test_the_feed_down_halts_entries_and_up_lifts_it() -> None:
    scene = Scene(rules=rules_with())
    scene.run(FeedDown("no heartbeat for 15 s"))
    scene.trade(61600, at(5))
    assert (gates(scene), scene.one(Rejected).value) == (["halted"], "feed: no heartbeat for 15 s")
    scene.run(FeedUp(at(6)))
    assert scene.events(HaltChanged)[-1].halts == {}


def test_a_halt_never_holds_an_exit_up() -> None:
    scene = entered()
    scene.run(Halt("person", "lunch"))
    scene.trade(58900, at(6))
    assert closed(scene).exit_reason == "stop"


def test_flatten_closes_every_position_and_answers() -> None:
    scene = Scene(rules=rules_with(), symbols=BOTH, products=SAME_SIZE)
    for symbol in BOTH:
        scene.trade(61600, at(5), symbol=symbol)
    scene.run(Flatten("me", 7))
    assert [event.position.exit_reason for event in scene.events(PositionClosed)] == ["flatten", "flatten"]
    scene.run(Flatten("me", 8))
    one, other = (event.position for event in scene.events(PositionClosed))
    assert answers(scene) == [
        f"closed {one.id}: 3 contracts at 61599.75 (flatten), net {dollars(one.net, 'down')}; "
        f"{other.id}: 3 contracts at 61599.75 (flatten), net {dollars(other.net, 'down')}",
        "nothing is open",
    ]


def test_flatten_twice_while_the_feed_is_down_closes_once() -> None:
    scene = entered()
    scene.run(FeedDown("gone"))
    for command in (7, 8):
        scene.run(Flatten("me", command))
    assert scene.events(PositionClosed) == []
    id_ = scene.one(PositionOpened).position.id
    assert [event.result for event in scene.events(CommandBegun)] == [f"closing {id_}: not filled yet"] * 2
    assert answers(scene) == []
    scene.run(FeedUp(at(8)))
    scene.trade(61000, at(9))
    assert closed(scene).exit_reason == "flatten"
    assert [text.split(", net")[0] for text in answers(scene)] == [
        f"closed {id_}: 7 contracts at 60999.75 (flatten)"
    ] * 2


def test_a_command_handed_over_again_while_it_is_under_way_is_answered_once() -> None:
    scene = entered()
    scene.run(FeedDown("gone"))
    for _ in range(3):
        scene.run(Flatten("me", 7))
    scene.run(FeedUp(at(8)))
    scene.trade(61000, at(9))
    assert (len(answers(scene)), len(scene.events(CommandBegun))) == (1, 1)


def test_the_answer_says_how_a_position_ended_where_something_else_was_first() -> None:
    scene = entered()
    scene.run(FeedDown("gone"))
    scene.run(Flatten("me", 7))
    scene.trade(58900, at(8), source="snapshot")
    assert closed(scene).exit_reason == "stop"
    assert ["(stop)" in text for text in answers(scene)] == [True]


def test_the_answers_to_halt_and_resume_name_what_else_halts() -> None:
    scene = Scene()
    scene.run(FeedDown("gone"))
    scene.run(Halt("person", "lunch", 1))
    scene.run(Resume("person", 2))
    scene.run(FeedUp(at(1)))
    scene.run(Resume("person", 3))
    assert answers(scene) == [
        "halted: lunch; also halted by feed: gone", "resumed; still halted by feed: gone", "nothing to resume"
    ]  # fmt: skip


def test_one_position_can_be_closed_by_its_id() -> None:
    scene = entered()
    position = scene.one(PositionOpened).position
    scene.run(ClosePosition("nobody", "me", 1))
    scene.run(ClosePosition(position.id, "me", 2))
    assert closed(scene).exit_reason == "flatten"
    nobody, told = answers(scene)
    assert nobody == "no open position is called nobody"
    assert told.startswith(f"closed {position.id}: 7 contracts at 61599.75 (flatten), net -$")


def test_lesson_117_a_second_close_changes_nothing() -> None:
    scene = entered()
    scene.trade(58900, at(6))
    filled = scene.events(Filled)[-1]
    before = len(scene.kit.batches)
    scene.run(filled, to="risk_monitor")
    assert len(scene.kit.batches) == before
    assert closed(scene).worst == D(58900)


def test_the_entry_bars_end_is_that_of_its_timeframe() -> None:
    scene = entered(rules=rules_with(strat=FOUR, position_policy="one_per_timeframe"), closed={"4h": ON_FOUR["4h"]})
    assert scene.one(PositionOpened).position.entry_bar_end == period("4h", NOON)[1]
