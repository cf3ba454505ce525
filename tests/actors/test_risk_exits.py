"""The optional exits: a part at 1 R, stop to break-even, trailing stop, maximum bars, expiry."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from actors.messages import (
    EntryTriggered,
    FeedDown,
    Filled,
    Flatten,
    MarketTime,
    OrderMoved,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    ProductsListed,
    Rejected,
)
from atlas.money.book import Position
from atlas.money.profit import mae_r, mfe_r, r_multiple, risk_of
from atlas.rules import ExitRules, Rules
from tests.actors.positions import D, closed, entered, gates
from tests.actors.scene import INSIDE, REVERSAL, Scene, at, bars, product, rules_with

ALL = ExitRules(scale_out=D("0.5"), break_even=D(1), trail_after=D("0.5"), trail_distance=D("0.5"), max_bars=2)


def with_exits(**exits: Any) -> Rules:
    """Open gates, and these exits."""
    return msgspec.structs.replace(rules_with(), exits=ExitRules(**exits))


def held(scene: Scene) -> Position:
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    return managed.position


def orders(scene: Scene) -> dict[str, tuple[Any, Any]]:
    """Purpose → contracts and price of what rests at the broker."""
    resting = scene.kit.state("paper_broker").orders.values()
    return {order.purpose: (order.contracts, order.price) for order in resting}


# REVERSAL entered at 61600 with the ask there and the bid half a dollar below: the fill is 61600.25, the stop 59000,
# 1 R is 2600.25 and its price 64200.5; so the scenes below put the target out of the way.
FAR = (*REVERSAL[:1], (61000, 70000, 59500, 62000), REVERSAL[2])
"""The same setup with its target at 70000."""


# ── scale-out ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_is_closed_at_one_r_and_the_orders_of_the_rest_shrink_with_it() -> None:
    scene = entered(FAR, with_exits(scale_out=D("0.5")))
    before = held(scene)
    assert (before.contracts, orders(scene)["scale_out"]) == (7, (3, D("64200.5")))
    scene.trade(64200.5, at(30))
    assert held(scene).contracts == 7
    scene.trade(64201, at(31))
    after = held(scene)
    assert (after.contracts, after.entry_contracts) == (4, 7)
    assert (after.exit_time, after.exit_reason, after.exit_price) == (None, None, None)
    assert after.margin == pytest.approx(before.margin * 4 / 7, abs=D("0.00000001"))
    assert orders(scene) == {"stop": (4, D(59000)), "target": (4, D(70000))}
    assert after.gross == 3 * D("0.01") * (D("64200.5") - before.entry_price)
    assert scene.undisturbed


def test_r_mae_and_mfe_of_a_trade_that_was_scaled_out_are_of_the_whole_of_it() -> None:
    scene = entered(FAR, with_exits(scale_out=D("0.5")))
    scene.trade(60900, at(6))
    scene.trade(64300, at(31))
    scene.trade(58900, at(90))
    position = closed(scene)
    risk = position.entry_price - 59000
    fills = [event.fill for event in scene.events(Filled)]
    assert [fill.purpose for fill in fills] == ["entry", "scale_out", "stop"]
    assert position.gross == sum((event.gross for event in scene.events(Filled)), D(0))
    assert position.fees == sum(fill.fee for fill in fills)
    assert r_multiple(position) == position.net / (7 * D("0.01") * risk)
    assert mae_r(position) == (position.entry_price - 58900) / risk
    assert mfe_r(position) == (64300 - position.entry_price) / risk
    assert position.exit_reason == "stop"
    mean = (3 * fills[1].price + 4 * fills[2].price) / 7
    assert position.exit_price == pytest.approx(mean, abs=D("0.00001"))
    assert scene.kit.state("paper_broker").account.cash == 10000 + position.net


def test_the_exit_price_of_a_short_closed_in_parts_is_their_mean() -> None:
    rows = ((60000, 61900, 40000, 61000), (60500, 62000, 40500, 61500), (61000, 61800, 60000, 61200))
    scene = entered(rows, with_exits(scale_out=D("0.5")), price=59900)
    scene.trade(57000, at(30))
    scene.trade(62100, at(31))
    position, fills = closed(scene), [event.fill for event in scene.events(Filled)]
    assert (position.side, [fill.purpose for fill in fills]) == ("short", ["entry", "scale_out", "stop"])
    parts = [fill.contracts for fill in fills[1:]]
    mean = sum(fill.price * fill.contracts for fill in fills[1:]) / sum(parts)
    assert position.exit_price == pytest.approx(mean, abs=D("0.00001"))


def test_at_one_trade_through_both_the_part_and_the_target_are_filled() -> None:
    scene = entered(FAR, with_exits(scale_out=D("0.5")))
    scene.trade(70000.5, at(31))
    assert [event.fill.purpose for event in scene.events(Filled)] == ["entry", "scale_out", "target"]
    assert [event.fill.price for event in scene.events(Filled)][1:] == [D("64200.5"), 70000]
    assert closed(scene).exit_reason == "target"


def test_a_stop_comes_before_the_part_at_the_same_trade() -> None:
    scene = entered(FAR, with_exits(scale_out=D("0.5")))
    scene.trade(58000, at(31))
    assert [event.fill.purpose for event in scene.events(Filled)] == ["entry", "stop"]
    assert orders(scene) == {}


# ── break-even and trail ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_stop_goes_to_the_entry_after_so_many_r_and_is_the_stop_in_force() -> None:
    scene = entered(FAR, with_exits(break_even=D(1)))
    scene.trade(64200, at(30))
    assert scene.events(OrderMoved) == []
    scene.trade(64200.5, at(31))
    assert orders(scene)["stop"] == (7, D(61600))
    assert (held(scene).stop, held(scene).first_stop) == (D(61600), D(59000))
    assert scene.events(PositionChanged)[-1].position.stop == D(61600)
    assert risk_of(held(scene)) == 7 * D("0.01") * D("0.25")
    scene.trade(61599, at(40))
    assert (closed(scene).exit_reason, closed(scene).exit_price) == ("stop", D("61598.75"))


def test_the_trail_follows_the_best_price_and_never_goes_back() -> None:
    scene = entered(FAR, with_exits(trail_after=D("0.5"), trail_distance=D("0.5")))
    for minute, price in enumerate((62000, 63000, 62500, 64000, 63900), start=10):
        scene.trade(price, at(minute))
    half = (D("61600.25") - 59000) / 2
    wanted = [(price - half) // D("0.5") * D("0.5") for price in (D(63000), D(64000))]
    assert [event.price for event in scene.events(OrderMoved)] == wanted
    assert [event.count for event in scene.events(OrderMoved)] == [1, 2]
    scene.trade(float(wanted[-1]), at(20))
    assert (closed(scene).exit_reason, closed(scene).stop) == ("stop", wanted[-1])


def test_a_moved_stop_is_tested_from_the_next_trade_on() -> None:
    """Where the trade that moves the stop is one of a gap, it is not the trade that takes it."""
    scene = entered(FAR, with_exits(trail_after=D("0.1"), trail_distance=D("0.01")))
    scene.trade(64000, at(10))
    assert scene.events(PositionClosed) == []
    scene.trade(63900, at(11))
    assert closed(scene).exit_reason == "stop"


def test_the_stop_of_a_short_comes_down_to_the_entry() -> None:
    scene = entered(INSIDE, with_exits(break_even=D("0.1")), price=59900)
    first = held(scene)
    assert (first.side, first.stop) == ("short", D(62000))
    scene.trade(59600, at(10))
    assert held(scene).stop == D(59900)
    assert risk_of(held(scene)) <= D("0.1")


@pytest.mark.parametrize(("price", "rejected"), [(64300, []), (64100, ["total_risk"])])
def test_the_gate_total_risk_counts_the_stop_in_force(price: float, rejected: list[str]) -> None:
    """3 % of equity hold one trade at 2 %, and a second once the stop of the first is at its entry."""
    rules = msgspec.structs.replace(
        rules_with(position_policy="unlimited", max_total_risk=D("0.03")), exits=ExitRules(break_even=D(1))
    )
    scene = entered(FAR, rules)
    scene.trade(price, at(10))
    again = scene.one(EntryTriggered)
    tick = msgspec.structs.replace(again.tick, price=D(price), bid=D(price), ask=D(price))
    other = msgspec.structs.replace(again.setup, id="another", stop=D(price) - 2600)
    scene.run(msgspec.structs.replace(again, setup=other, tick=tick), to="risk_monitor")
    assert gates(scene) == rejected


def test_nothing_is_moved_while_a_position_is_being_left() -> None:
    scene = entered(FAR, with_exits(break_even=D(1)))
    scene.run(FeedDown("gone"))
    scene.run(Flatten("me", 1))
    scene.trade(64300, at(10), source="snapshot")
    assert scene.events(OrderMoved) == []


# ── maximum bars ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("most", "hours"), [(1, 1), (2, 2), (3, 3)])
def test_a_position_is_left_at_the_end_of_its_last_bar_the_entry_bar_being_the_first(most: int, hours: int) -> None:
    scene = entered(FAR, with_exits(max_bars=most))
    scene.trade(61500, at(60 * hours - 1))
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(at(60 * hours)))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("max_bars", at(60 * hours))


def test_a_position_closed_before_is_not_left_again() -> None:
    scene = entered(FAR, with_exits(max_bars=1))
    scene.trade(58900, at(10))
    scene.run(MarketTime(at(60)))
    assert closed(scene).exit_reason == "stop"
    assert scene.events(OrderRejected) == []


# ── expiry ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_position_is_closed_five_minutes_before_its_contract_expires() -> None:
    expiring = product(expiry=at(60 * 30))
    scene = entered(products=(expiring,))
    scene.run(MarketTime(at(60 * 30 - 6)))
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(at(60 * 30 - 5)))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("expired", at(60 * 30 - 5))


def test_no_entry_is_made_on_the_last_day_of_a_contract() -> None:
    scene = Scene(rules=rules_with(), products=(product(expiry=at(60 * 24)),))
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert gates(scene) == ["session_closed"]
    assert scene.one(Rejected).value.startswith("expires 2026-03-05 12:00 UTC")


@pytest.mark.parametrize("hours", [6, 30])
def test_an_expiry_that_a_later_listing_tells_is_kept(hours: int) -> None:
    scene = entered()
    scene.run(ProductsListed((product(expiry=at(60 * hours)),)))
    scene.run(MarketTime(at(60 * hours)))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("expired", at(60 * hours - 5))


def test_an_expiry_that_is_put_off_closes_nothing_before_it() -> None:
    scene = entered(products=(product(expiry=at(60 * 30)),))
    scene.run(MarketTime(at(60 * 13)))
    scene.run(ProductsListed((product(expiry=at(60 * 31)),)))
    scene.run(MarketTime(at(60 * 31 - 6)))
    assert scene.events(PositionClosed) == []
    scene.run(MarketTime(at(60 * 31 - 5)))
    assert closed(scene).exit_reason == "expired"


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_of_them_off_leave_a_trade_as_it_was() -> None:
    """The same market with the options on and off: off is what it was before they existed."""
    scene = entered(FAR)
    assert set(orders(scene)) == {"stop", "target"}
    for minute, price in enumerate((64000, 66000, 62000), start=10):
        scene.trade(price, at(minute))
    scene.run(MarketTime(at(0) + timedelta(days=9)))
    assert (held(scene).stop, held(scene).contracts) == (D(59000), 7)
    assert scene.events(OrderMoved) == []


def test_all_of_them_on_work_together() -> None:
    scene = entered(FAR, msgspec.structs.replace(rules_with(), exits=ALL), closed={"1h": bars(FAR)})
    for minute, price in enumerate((62500, 63500, 64300, 65000), start=10):
        scene.trade(price, at(minute))
    assert held(scene).contracts == 4
    assert orders(scene)["stop"][1] == held(scene).stop > 61600
    scene.run(MarketTime(at(120)))
    assert closed(scene).exit_reason == "max_bars"
    assert scene.undisturbed
