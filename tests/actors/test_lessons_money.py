"""Lessons 71 to 92 where they are about a live market: one core on trades, from the break to the exit.

The numbers are those of docs/lessons.md, which says what each stands for and how its test was seen to fail.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.messages import (
    EntryTriggered,
    FeedDown,
    FeedUp,
    Filled,
    Flatten,
    Gap,
    MarketTime,
    Message,
    OrderAccepted,
    OrderRejected,
    PlaceOrder,
    PositionClosed,
    PositionOpened,
    Rejected,
    Snapshot,
    Trades,
)
from actors.route import BROKER
from atlas.market.bar import Tick
from atlas.market.product import MarginRates
from atlas.money.book import Order
from atlas.money.profit import mae_r, mfe_r
from atlas.rules import GateRules, Rules
from db.projections import project
from tests.actors.positions import closed, entered, gates
from tests.actors.scene import (
    BIP,
    HOURLY,
    NOON,
    REVERSAL,
    Scene,
    at,
    bars,
    forming,
    history,
    product,
    rules_with,
)

D = Decimal


def orders(scene: Scene, purpose: str) -> list[str]:
    """The ids of the orders of one purpose that the broker was asked to place."""
    return [asked.order.id for asked in scene.sent(BROKER, PlaceOrder) if asked.order.purpose == purpose]


# ── entries ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_71_one_break_is_one_order_however_often_it_is_told() -> None:
    """The trade comes again from the feed and replayed, its trigger again from whoever has it, its order again."""
    scene = entered()
    for source in ("feed", "snapshot"):
        scene.trade(61600, at(5), source=source)
    scene.run(scene.one(EntryTriggered), to="risk_monitor")
    (order,) = (asked for asked in scene.sent(BROKER, PlaceOrder) if asked.order.purpose == "entry")
    scene.run(order, to=BROKER)
    assert orders(scene, "entry") == [order.order.id]
    assert [event.fill.purpose for event in scene.events(Filled)] == ["entry"]
    assert gates(scene) == ["already_triggered"]


def live(scene: Scene) -> None:
    """The break as it happens."""
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))


def repaired(scene: Scene) -> None:
    """The break after a hole that REST has filled."""
    scene.trade(61000, at(1))
    scene.run(Gap(BIP, at(2), "ids are missing"))
    scene.trade(61000, at(3))
    scene.run(history(at(4), {"1h": bars(REVERSAL)}, {"1h": forming((61000, 61400, 60900, 61300), NOON)}))
    scene.trade(61600, at(5))


def reconnected(scene: Scene) -> None:
    """The break after the socket was gone."""
    scene.trade(61000, at(1))
    scene.run(FeedDown("the line is dead"))
    scene.run(Gap(BIP, at(2), "the line is dead", reconnect=True))
    scene.run(Snapshot(BIP, at(3), None))
    scene.run(FeedUp(at(3)))
    scene.run(history(at(4), {"1h": bars(REVERSAL)}, {"1h": forming((61000, 61400, 60900, 61300), NOON)}))
    scene.trade(61600, at(5))


@pytest.mark.parametrize("play", [live, repaired, reconnected])
def test_lesson_82_every_entry_goes_through_the_same_gates_to_the_same_order(play: Any) -> None:
    scene = Scene()
    play(scene)
    position = scene.one(PositionOpened).position
    assert (position.tier, position.invalidation, position.entry_bar_end) == ("overnight", D(59000), at(60))
    assert position.at_trigger.full
    assert [len(orders(scene, purpose)) for purpose in ("entry", "stop", "target")] == [1, 1, 1]
    dear = Scene(rules=Rules(strat=HOURLY, gates=GateRules(max_fee_share=D("0.01"))))
    play(dear)
    assert gates(dear) == ["fees"]
    assert orders(dear, "entry") == []


@pytest.mark.parametrize("mode", ["risk", "leverage"])
def test_lesson_81_no_contract_is_no_order_and_no_fee(mode: str) -> None:
    scene = Scene(rules=rules_with(mode=mode, risk_share=D("0.0001")), products=(product(contract_size=D(1000)),))
    live(scene)
    assert gates(scene) == ["size_zero" if mode == "risk" else "margin"]
    assert orders(scene, "entry") == []
    assert scene.events(Filled) == []


@pytest.mark.parametrize(("rate", "leverage"), [("0.2439", "4.10004100"), ("0.5", "2"), ("1", "1"), ("2", "1")])
def test_lesson_85_the_leverage_is_that_of_the_listing(rate: str, leverage: str) -> None:
    rates = MarginRates(D("0.1"), D("0.1"), D(rate), D("0.9"))
    position = entered(products=(product(margin=rates),)).one(PositionOpened).position
    assert position.leverage == D(leverage)
    notional = position.entry_price * position.entry_contracts * position.contract_size
    assert position.margin == (notional / D(leverage)).quantize(D("1E-8"))


def test_lesson_85_the_window_that_tells_the_tier_is_a_setting() -> None:
    """Wednesday noon UTC is seven in the morning in New York: intraday in one of the presets."""
    tiers = {}
    for window in ("overnight", "guide_2026_07", "long_window"):
        rules = rules_with()
        rules = msgspec.structs.replace(rules, margin=msgspec.structs.replace(rules.margin, window=window))
        position = entered(rules=rules).one(PositionOpened).position
        tiers[window] = (position.tier, position.leverage)
    assert tiers == {
        "overnight": ("overnight", D("4.1")),
        "guide_2026_07": ("overnight", D("4.1")),
        "long_window": ("intraday", D(10)),
    }


def test_lesson_90_an_entry_whose_price_has_gone_too_far_is_no_trade() -> None:
    """Trigger 61500, stop 59000, target 63000, reward to risk at least 0.5: from 60333 on it is too little."""
    found = {}
    for price in (61600, 62000, 63000):
        scene = Scene()
        scene.trade(61000, at(1))
        scene.trade(price, at(5))
        found[price] = [event.gate for event in scene.events(Rejected)]
    assert found == {61600: [], 62000: ["reward_risk"], 63000: ["price_past_target"]}


# ── exits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lesson_72_a_fresh_entry_is_left_only_at_a_level_reached_after_the_fill() -> None:
    scene = entered()
    for second, price in enumerate((59000.5, 63000, 61600, 59000.5, 62999.5), start=1):
        scene.trade(price, at(5, second))
    for moment in (at(1), at(4), at(5)):
        scene.trade(58000, moment, source="snapshot")
    assert scene.events(PositionClosed) == []
    scene.trade(59000, at(5, 12))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("stop", at(5, 12))


def test_lesson_87_worst_and_best_begin_at_the_fill() -> None:
    """The bar was at 59100 and at 61490 before the entry, and opened at 61000."""
    scene = Scene(rules=rules_with())
    for minute, price in enumerate((61000, 59100, 61490), start=1):
        scene.trade(price, at(minute))
    scene.trade(61600, at(5))
    position = scene.one(PositionOpened).position
    assert position.worst == position.best == D(61600)
    scene.trade(61700, at(6))
    scene.trade(61550, at(7))
    scene.run(Flatten("me"))
    assert (closed(scene).worst, closed(scene).best) == (D(61550), D(61700))
    assert mae_r(closed(scene)) == (closed(scene).entry_price - 61550) / (closed(scene).entry_price - 59000)
    assert mfe_r(closed(scene)) == (61700 - closed(scene).entry_price) / (closed(scene).entry_price - 59000)


@pytest.mark.parametrize(("spike", "reason"), [(58999.5, "stop"), (63000.5, "target")])
def test_lesson_91_a_spike_of_one_trade_within_one_frame_reaches_its_level(spike: float, reason: str) -> None:
    scene = entered()
    prices = (61600, 61600, spike, 61600, 61600)
    ticks = tuple(Tick(100 + n, at(6, n / 1000), D(str(price)), D(1)) for n, price in enumerate(prices))
    scene.run(Trades(BIP, ticks))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == (reason, ticks[2].time)


# ── the exits of the night ──────────────────────────────────────────────────────────────────────────────────────────

FRIDAY_CLOSE = NOON.replace(day=6, hour=22)
"""Five in the afternoon in New York, in winter."""


def test_lesson_92_a_close_asked_for_after_hours_is_one_order_that_waits_for_the_open() -> None:
    scene = entered()
    scene.trade(61000, FRIDAY_CLOSE - timedelta(seconds=1))
    for minute in range(0, 60, 10):
        scene.run(MarketTime(FRIDAY_CLOSE + timedelta(minutes=minute)))
        scene.run(Flatten("me", minute))
    assert orders(scene, "flatten") == [f"{scene.one(PositionOpened).position.id}/flatten"]
    assert len([event for event in scene.events(OrderAccepted) if event.order.purpose == "flatten"]) == 1
    assert scene.events(PositionClosed) == []
    scene.trade(61000, FRIDAY_CLOSE + timedelta(minutes=60))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("flatten", FRIDAY_CLOSE + timedelta(hours=1))


def test_lesson_92_a_close_that_cannot_be_made_is_written_down() -> None:
    """The position is gone already, by its stop: a second close of it is refused by name, and nothing is sold twice."""
    scene = entered()
    scene.trade(58900, at(6))
    gone = closed(scene)
    late = Order(f"{gone.id}/deadline", gone.id, BIP, "sell", "market", "deadline", gone.entry_contracts)
    scene.run(PlaceOrder(late), to=BROKER)
    refused = scene.one(OrderRejected)
    assert (refused.order.id, refused.reason, refused.threshold) == (late.id, "reduce_only", "0 open")
    statuses = [row.parameters.get("status") for row in project("paper", refused)]
    assert statuses == ["rejected"]
    assert [event.fill.purpose for event in scene.events(Filled)] == ["entry", "stop"]


def alerts(event: Message) -> list[dict[str, Any]]:
    """What the owner is told of an event."""
    return [row.parameters for row in project("paper", event) if row.parameters.get("kind") == "exit"]


@pytest.mark.parametrize(("price", "reason"), [(46000, "liquidated"), (58000, "stop"), (64000, "target")])
def test_lesson_92_whoever_closed_a_position_the_owner_is_told(price: float, reason: str) -> None:
    rows = REVERSAL if reason != "liquidated" else (
        (60000, 62000, 44000, 61000), (61000, 63000, 45000, 62000), (61000, 61500, 44500, 59500)
    )  # fmt: skip
    scene = entered(rows)
    scene.trade(price, at(70))
    (told,) = alerts(scene.one(PositionClosed))
    assert told["fields"]["reason"] == reason
    assert Decimal(told["fields"]["net"]) == closed(scene).net
