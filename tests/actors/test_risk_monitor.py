"""The care of a position until its exit, and what is remembered of it."""

import pytest

from actors.messages import (
    FeedDown,
    FeedUp,
    Filled,
    FundingPaid,
    MarketTime,
    PositionChanged,
    PositionClosed,
)
from atlas.money.profit import mae_r, mfe_r, r_multiple
from tests.actors.positions import D, closed, entered
from tests.actors.scene import INSIDE, REVERSAL, at, product

# ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_position_is_checked_from_the_trade_after_the_one_that_triggered_it() -> None:
    """A gap entry beyond the invalidation of a two-sided setup's other side exits at the next trade at the soonest."""
    scene = entered(INSIDE, price=61900)
    assert scene.events(PositionClosed) == []
    scene.trade(59900, at(6))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("invalidated", at(6))


@pytest.mark.parametrize(("price", "reason"), [(60000, None), (59999.5, "invalidated")])
def test_the_entry_bar_that_becomes_a_3_is_a_market_exit(price: float, reason: str | None) -> None:
    scene = entered(INSIDE, price=61900)
    scene.trade(price, at(30))
    found = [event.position for event in scene.events(PositionClosed)]
    assert [position.exit_reason for position in found] == ([reason] if reason else [])
    if found:
        assert (found[0].exit_price, found[0].worst) == (D("59999.25"), D("59999.5"))


def test_a_short_is_invalidated_by_the_high_of_the_setup_bar() -> None:
    scene = entered(INSIDE, price=59900)
    scene.trade(61800.5, at(30))
    assert (closed(scene).side, closed(scene).exit_reason) == ("short", "invalidated")


def test_lesson_88_only_the_entry_bars_own_period_counts() -> None:
    scene = entered(INSIDE, price=61900)
    scene.trade(61800, at(59, 59.9))
    scene.trade(59900, at(60))
    assert scene.events(PositionClosed) == []
    scene.trade(59500, at(61))
    assert closed(scene).exit_reason == "stop"


def test_lesson_89_a_stop_comes_before_the_invalidation_at_the_same_trade() -> None:
    scene = entered(INSIDE, price=61900)
    scene.trade(59400, at(6))
    assert closed(scene).exit_reason == "stop"
    assert len(scene.events(Filled)) == 2


def test_where_the_stop_is_the_setup_bars_extreme_its_break_is_a_stop() -> None:
    scene = entered(REVERSAL)
    scene.trade(58999.5, at(6))
    assert closed(scene).exit_reason == "stop"


def test_a_stop_rounded_away_from_the_entry_leaves_room_for_the_invalidation() -> None:
    """On a tick of 5 the stop of a low at 59002 is 59000; the entry bar is a 3 at 59001 already."""
    rows = (*REVERSAL[:2], (61000, 61500, 59002, 59500))
    scene = entered(rows, products=(product(tick=D(5)),))
    scene.trade(59001, at(6))
    assert closed(scene).exit_reason == "invalidated"


def test_an_invalidated_position_is_left_once_while_the_feed_is_down() -> None:
    scene = entered(INSIDE, price=61900)
    scene.run(FeedDown("gone"))
    scene.trade(59900, at(6), source="snapshot")
    scene.trade(59800, at(7), source="snapshot")
    assert scene.events(PositionClosed) == []
    scene.run(FeedUp(at(8)))
    scene.trade(59900, at(9))
    assert (closed(scene).exit_reason, closed(scene).exit_time) == ("invalidated", at(9))
    assert scene.undisturbed


def test_a_replayed_trade_of_before_the_entry_does_not_count() -> None:
    scene = entered(INSIDE, price=61900)
    scene.trade(59900, at(4), source="snapshot")
    scene.trade(61900, at(5, 1))
    assert scene.events(PositionClosed) == []
    assert scene.kit.state("risk_monitor").positions.popitem()[1].position.worst == D(61900)


def test_worst_and_best_are_the_extremes_while_open_and_the_exit_is_one_of_them() -> None:
    scene = entered(REVERSAL)
    for minute, price in enumerate((61200, 62400, 60900, 62000), start=6):
        scene.trade(price, at(minute))
    scene.trade(58800, at(11))
    position = closed(scene)
    assert (position.best, position.worst) == (D(62400), D(58800))
    risk = position.entry_price - 59000
    assert mae_r(position) == (position.entry_price - 58800) / risk
    assert mfe_r(position) == (62400 - position.entry_price) / risk


def test_the_best_price_of_a_target_is_the_target() -> None:
    scene = entered(REVERSAL)
    scene.trade(64000, at(6))
    position = closed(scene)
    assert (position.exit_reason, position.best, position.exit_price) == ("target", D(63000), D(63000))


def test_the_money_of_a_closed_position_is_what_the_ledger_says() -> None:
    scene = entered(REVERSAL)
    scene.run(MarketTime(at(61)))
    scene.trade(64000, at(62))
    position = closed(scene)
    assert position.funding == scene.one(FundingPaid).amount
    assert position.fees == sum(event.fill.fee for event in scene.events(Filled))
    assert scene.kit.state("paper_broker").account.cash == 10000 + position.net
    r = position.net / (position.entry_contracts * D("0.01") * (position.entry_price - 59000))
    assert r_multiple(position) == r
    assert scene.one(PositionChanged).change == 1


def test_a_liquidation_closes_the_position_and_its_orders() -> None:
    rows = ((60000, 62000, 46000, 61000), (61000, 63000, 47000, 62000), (61000, 61500, 46500, 59500))
    scene = entered(rows)
    scene.trade(48000, at(90))
    assert closed(scene).exit_reason == "liquidated"
    assert scene.kit.state("paper_broker").orders == {}
