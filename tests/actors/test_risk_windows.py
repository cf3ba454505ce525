"""The leverage step at the end of an intraday window: the test at the deadline, the new margin, and what was late.

Noon of the scene is 07:00 in New York, in winter time: `guide_2026_07` is intraday from 13:00 to 21:00 UTC.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from actors.messages import (
    Alert,
    FeedDown,
    FeedUp,
    Flatten,
    MarketTime,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Remargined,
)
from actors.risk_monitor import Managed, RiskState
from actors.roles import CoreStates
from actors.route import route
from actors.runtime.kit import Kit
from atlas.money.book import Position
from atlas.money.margin import liquidation_price
from atlas.rules import FillRules, MarginRules, Rules, StratRules
from tests.actors.positions import BOTH, D, closed
from tests.actors.scene import BIP, REVERSAL, Scene, bars, product, rules_with

FOUR_HOURS = StratRules(timeframes=("4h",), continuity={"4h": (("4h",), 1)})
DAYS = StratRules(timeframes=("1d",), continuity={"1d": (("1d",), 1)})
HISTORY = {"4h": bars(REVERSAL, timeframe="4h")}


def utc(hour: int, minute: int = 0, second: int = 0, day: int = 4) -> datetime:
    """An instant of March 2026; the fourth is the Wednesday of the scene."""
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


def rules(window: str = "guide_2026_07", **sizing: Any) -> Rules:
    """Setups of 4h bars, whose entry bar reaches from noon into the window."""
    return msgspec.structs.replace(rules_with(strat=FOUR_HOURS, **sizing), margin=MarginRules(window=window))


def intraday(**options: Any) -> Scene:
    """A scene with one position, entered at 13:30 UTC, half an hour into the window."""
    options.setdefault("rules", rules())
    scene = Scene(closed=HISTORY, **options)
    scene.trade(61000, utc(13))
    scene.trade(61600, utc(13, 30))
    assert scene.one(PositionOpened).position.tier == "intraday"
    return scene


def all_in() -> Scene:
    """The same, with a position as large as intraday margin lets it be: overnight margin can never fit."""
    return intraday(rules=rules(mode="leverage", max_total_risk=D("0.9"), daily_loss=D("0.9")))


def position(scene: Scene) -> Position:
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    return managed.position


# ── at the deadline ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_position_that_would_not_fit_is_closed_whole_at_five_to_four_in_new_york() -> None:
    scene = all_in()
    scene.trade(61500, utc(20, 54, 59))
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(utc(20, 55)))
    left = closed(scene)
    assert (left.exit_reason, left.exit_time, left.contracts) == ("deadline", utc(20, 55), 0)
    scene.run(MarketTime(utc(21)))
    assert scene.events(Remargined) == []
    assert scene.undisturbed


def test_a_position_that_fits_stays_and_is_margined_anew_at_the_windows_end() -> None:
    scene = intraday()
    held = position(scene)
    assert (held.leverage, held.margin) == (10, held.contracts * held.entry_price * D("0.01") / 10)
    scene.trade(61700, utc(20, 59, 59))
    assert (position(scene).carried, position(scene).tier) == (True, "intraday")
    assert scene.events(Remargined) == []
    scene.run(MarketTime(utc(21)))
    after, told = position(scene), scene.one(Remargined)
    assert held.liquidation is not None
    assert after.liquidation is not None
    assert (told.at, told.tier) == (utc(21), "overnight")
    assert (after.tier, after.leverage, after.carried) == ("overnight", D("4.1"), False)
    assert after.margin == pytest.approx(held.margin * 10 / D("4.1"), abs=D("0.00000001"))
    assert after.liquidation == liquidation_price("long", held.entry_price, D("4.1"), D("0.05"))
    assert after.liquidation < held.liquidation
    account = scene.kit.state("risk_monitor").account
    assert (account.reserved, account.cash) == (after.margin, 10000 - after.fees - after.funding)
    assert scene.events(PositionChanged)[-1].position == after


def test_the_new_liquidation_price_is_the_one_enforced() -> None:
    rows = ((60000, 62000, 46000, 61000), (61000, 63000, 47000, 62000), (61000, 61500, 46500, 59500))
    scene = Scene(rules=rules(), closed={"4h": bars(rows, timeframe="4h")})
    scene.trade(61000, utc(13))
    scene.trade(61600, utc(13, 30))
    near = position(scene).liquidation
    scene.run(MarketTime(utc(21)))
    far = position(scene).liquidation
    assert near is not None
    assert far is not None
    scene.trade(float(near) - 100, utc(21, 1))
    assert scene.events(PositionClosed) == []
    scene.trade(float(far) - 100, utc(21, 2))
    assert closed(scene).exit_reason == "liquidated"


def test_positions_are_tested_in_the_order_of_opening() -> None:
    """What is available carries the first; the second does not fit any more."""
    taking = rules(mode="leverage", max_total_risk=D("0.9"), daily_loss=D("0.9"))
    same_size = (product(BIP, max_size=D(20)), product(BOTH[1], contract_size=D("0.01"), max_size=D(70)))
    scene = Scene(rules=taking, closed=HISTORY, symbols=BOTH, products=same_size)
    for symbol, minute in zip(BOTH, (30, 31), strict=True):
        scene.trade(61000, utc(13, minute), symbol=symbol)
        scene.trade(61600, utc(13, minute, 30), symbol=symbol)
    first, second = (event.position for event in scene.events(PositionOpened))
    scene.run(MarketTime(utc(21)))
    assert (closed(scene).id, closed(scene).exit_reason) == (second.id, "deadline")
    assert [event.position_id for event in scene.events(Remargined)] == [first.id]


def test_an_entry_after_the_deadline_is_tested_at_the_end_itself() -> None:
    taking = rules(mode="leverage", max_total_risk=D("0.9"), daily_loss=D("0.9"))
    evening = {"4h": bars(REVERSAL, until=utc(20), timeframe="4h")}
    scene = Scene(rules=taking, closed=evening)
    scene.trade(61000, utc(20, 50))
    scene.trade(61600, utc(20, 57))
    assert position(scene).tier == "intraday"
    scene.run(MarketTime(utc(20, 59, 59)))
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(utc(21)))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("deadline", utc(21))


def two(first: int, second: int) -> Scene:
    """A position entered in the afternoon, of so many contracts at most, and one after the deadline."""
    taking = rules(mode="leverage", max_total_risk=D("0.9"), daily_loss=D("0.9"))
    sizes = (product(BIP, max_size=D(first)), product(BOTH[1], contract_size=D("0.01"), max_size=D(second)))
    evening = {"4h": bars(REVERSAL, until=utc(20), timeframe="4h")}
    scene = Scene(rules=taking, closed=evening, symbols=BOTH, products=sizes)
    for symbol, minute in zip(BOTH, (30, 56), strict=True):
        scene.trade(61000, utc(20, minute), symbol=symbol)
        scene.trade(61600, utc(20, minute, 30), symbol=symbol)
    return scene


@pytest.mark.parametrize(("first", "left"), [(20, 0), (60, 1)])
def test_what_the_first_is_margined_anew_with_is_not_there_for_the_second(first: int, left: int) -> None:
    """Overnight a contract takes 88.63 USD more: 20 or 40 of them leave enough for 30 more of 10 000, 60 do not."""
    scene = two(first, 30)
    scene.run(MarketTime(utc(21)))
    assert [event.position.exit_reason for event in scene.events(PositionClosed)] == ["deadline"] * left
    assert len(scene.events(Remargined)) == 2 - left


def test_a_restart_before_the_end_tests_nothing_that_was_opened_after_the_deadline() -> None:
    before = two(1, 100)
    scene = restarted(before, utc(20, 58))
    scene.run(MarketTime(utc(20, 58)))
    scene.run(FeedUp(utc(20, 58)))
    scene.trade(61600, utc(20, 58, 30), symbol=BOTH[1])
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(utc(21)))
    assert (closed(scene).symbol, closed(scene).exit_time) == (BOTH[1], utc(21))
    assert scene.events(Alert) == []


def test_a_position_on_its_way_out_is_neither_tested_nor_margined_anew() -> None:
    scene = intraday()
    scene.run(ProductsListed((product(session_open=False),)))
    scene.run(Flatten("me"))
    scene.run(MarketTime(utc(21)))
    assert (position(scene).carried, position(scene).tier) == (False, "intraday")
    assert scene.events(Remargined) == []


def test_a_position_at_overnight_rates_stays_so_when_the_next_window_begins() -> None:
    scene = intraday()
    scene.run(MarketTime(utc(21)))
    held = position(scene)
    scene.run(MarketTime(utc(12, 59, day=5)))
    scene.run(MarketTime(utc(23, day=5)))
    now = position(scene)
    assert (now.tier, now.margin, now.leverage) == ("overnight", held.margin, held.leverage)
    assert len(scene.events(Remargined)) == 1


def test_without_a_window_nothing_is_tested() -> None:
    scene = Scene(rules=rules("overnight"), closed=HISTORY)
    scene.trade(61000, utc(13))
    scene.trade(61600, utc(13, 30))
    scene.run(MarketTime(utc(23, day=6)))
    assert position(scene).tier == "overnight"
    assert scene.events(Remargined) == []


def test_the_long_window_ends_at_four_too_and_begins_again_at_six() -> None:
    scene = Scene(rules=rules("long_window"), closed=HISTORY)
    scene.trade(61000, utc(12, 1))
    scene.trade(61600, utc(12, 5))
    assert position(scene).tier == "intraday"
    scene.run(MarketTime(utc(21)))
    assert (position(scene).tier, scene.one(Remargined).at) == ("overnight", utc(21))
    scene.run(MarketTime(utc(23, 1)))
    assert position(scene).tier == "overnight"


@pytest.mark.parametrize(
    ("all_in", "reason"), [(True, "deadline"), (False, None)], ids=["does not fit", "fits"]
)
def test_an_entry_filled_after_its_window_ended_is_tested_at_once(*, all_in: bool, reason: str | None) -> None:
    """Sized at 10×, a second before four in New York; three seconds of latency later it is 4.1×."""
    sizing = {"mode": "leverage", "max_total_risk": D("0.9"), "daily_loss": D("0.9")} if all_in else {}
    slow = msgspec.structs.replace(rules(**sizing), fills=FillRules(latency_ms=3000), strat=DAYS)
    history = {"1d": bars(REVERSAL, until=utc(0), timeframe="1d")}
    scene = Scene(rules=slow, closed=history)
    scene.trade(61000, utc(20, 59, 50))
    scene.trade(61600, utc(20, 59, 59))
    scene.trade(61600, utc(21, 0, 3))
    assert scene.one(PositionOpened).position.tier == "intraday"
    if reason is None:
        assert (scene.one(Remargined).at, position(scene).tier) == (utc(21, 0, 3), "overnight")
    else:
        scene.trade(61600, utc(21, 0, 6))
        assert (closed(scene).exit_reason, closed(scene).exit_time) == (reason, utc(21, 0, 6))
    assert scene.events(Alert) == []
    assert scene.undisturbed


# ── late ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def restarted(before: Scene, moment: datetime) -> Scene:
    """A new process on what the database holds of the old one, whose last committed input was at `moment`."""
    old, broker = before.kit.state("risk_monitor"), before.kit.state("paper_broker")
    broker.feed_up = False
    risk = RiskState(
        account=old.account,
        positions={id_: Managed(each.position, each.changes) for id_, each in old.positions.items()},
        products=old.products,
        day=old.day,
        day_equity=old.day_equity,
    )
    states = CoreStates(broker=broker, risk=risk)
    after = Scene.__new__(Scene)
    after.rules, after.inputs, after._trade_id = before.rules, [], 1000
    roles = Scene.roles(before.rules, tuple(old.products), states)
    after.kit = Kit(roles, route, outside=["history", "rest_prices"], market_time=moment)
    return after


def test_lesson_84_down_from_ten_to_four_until_ten_past_it_is_closed_at_the_first_trade() -> None:
    before = all_in()
    before.run(MarketTime(utc(20, 50)))
    scene = restarted(before, utc(20, 50))
    scene.run(MarketTime(utc(21, 10)))
    scene.run(FeedUp(utc(21, 10)))
    assert scene.events(PositionClosed) == []
    scene.trade(61550, utc(21, 10, 5))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("deadline", utc(21, 10, 5))
    alarm = scene.one(Alert)
    assert (alarm.kind, alarm.critical) == ("deadline_late", True)
    assert "2026-03-04 20:55" in alarm.text
    assert closed(scene).id in alarm.text


def test_what_fits_at_the_first_chance_is_margined_anew_at_once() -> None:
    before = intraday()
    before.run(MarketTime(utc(20, 50)))
    scene = restarted(before, utc(20, 50))
    scene.run(MarketTime(utc(21, 10)))
    scene.run(FeedUp(utc(21, 10)))
    scene.trade(61550, utc(21, 10, 5), source="snapshot")
    assert scene.events(Remargined) == []
    scene.trade(61550, utc(21, 10, 6))
    assert (scene.one(Remargined).at, position(scene).tier) == (utc(21, 10, 6), "overnight")
    assert "every position fits" in scene.one(Alert).text


def test_lesson_83_a_restart_in_the_window_forgets_neither_tier_nor_deadline() -> None:
    before = all_in()
    before.run(MarketTime(utc(18)))
    scene = restarted(before, utc(18))
    scene.run(MarketTime(utc(18, 1)))
    scene.run(FeedUp(utc(18, 1)))
    scene.trade(61550, utc(18, 2))
    scene.run(MarketTime(utc(20, 55)))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("deadline", utc(20, 55))
    assert scene.events(Alert) == []


def test_a_restart_between_deadline_and_end_does_not_test_again_what_was_found_to_fit() -> None:
    before = intraday()
    before.run(MarketTime(utc(20, 57)))
    scene = restarted(before, utc(20, 57))
    scene.run(MarketTime(utc(20, 58)))
    scene.run(FeedUp(utc(20, 58)))
    scene.trade(61550, utc(20, 58, 30))
    scene.run(MarketTime(utc(21)))
    assert scene.one(Remargined).at == utc(21)
    assert scene.events(Alert) == []


def test_a_deadline_without_a_feed_waits_for_the_first_live_trade() -> None:
    scene = all_in()
    scene.run(FeedDown("gone"))
    scene.run(MarketTime(utc(20, 56)))
    assert scene.events(PositionClosed) == []
    scene.run(FeedUp(utc(20, 56)))
    scene.trade(61550, utc(20, 56, 1))
    assert closed(scene).exit_reason == "deadline"


def test_a_position_of_a_preset_no_longer_in_use_is_tested_at_the_first_chance() -> None:
    before = intraday()
    before.run(MarketTime(utc(14)))
    before.rules = rules("overnight")
    scene = restarted(before, utc(14))
    scene.run(FeedUp(utc(14)))
    scene.trade(61550, utc(14, 1))
    assert position(scene).tier == "overnight"
