"""The care of a position until its exit, and what is remembered of it."""

import msgspec
import pytest

from actors.messages import (
    CommandDone,
    FeedDown,
    FeedUp,
    Filled,
    Flatten,
    FundingPaid,
    MarketTime,
    OrderMoved,
    OrderRejected,
    PositionChanged,
    PositionClosed,
)
from atlas.money.profit import mae_r, mfe_r, r_multiple
from atlas.rules import ExitRules
from tests.actors.positions import D, closed, entered
from tests.actors.scene import BIP, INSIDE, REVERSAL, Scene, at, product, rules_with

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


# REVERSAL is entered five past noon; what was told then is the beginning.


def test_a_new_extreme_is_told_once_a_minute_of_market_time_has_passed() -> None:
    """Were it told with the next change of the position only, a kill would lose all of MAE and MFE since."""
    scene = entered(REVERSAL)
    scene.trade(61000, at(5, 30))
    assert scene.events(PositionChanged) == []
    scene.trade(61900, at(6))
    first = scene.one(PositionChanged)
    assert (first.position.worst, first.position.best, first.change) == (D(61000), D(61900), 1)
    for second in range(1, 60):
        scene.trade(61900 + second, at(6, second))
    assert len(scene.events(PositionChanged)) == 1
    scene.trade(61500, at(7))
    assert [event.position.best for event in scene.events(PositionChanged)] == [D(61900), D(61959)]
    scene.trade(61500, at(9))
    assert len(scene.events(PositionChanged)) == 2, "nothing has moved"


def test_a_new_extreme_is_told_by_market_time_alone_where_no_trade_comes_after_it() -> None:
    scene = entered(REVERSAL)
    scene.trade(60500, at(5, 30))
    scene.run(MarketTime(at(5, 59)))
    assert scene.events(PositionChanged) == []
    scene.run(MarketTime(at(6)))
    assert scene.one(PositionChanged).position.worst == 60500


def test_the_minute_counts_from_whatever_told_the_position_last() -> None:
    scene = entered(REVERSAL)
    scene.run(MarketTime(at(60, 30)))  # Funding of the full hour.
    assert len(scene.events(PositionChanged)) == 1
    scene.trade(60500, at(60, 59))
    assert len(scene.events(PositionChanged)) == 1
    scene.trade(60600, at(61, 1))
    assert scene.events(PositionChanged)[-1].position.worst == 60500


def test_an_older_trade_that_is_replayed_is_not_the_last_price() -> None:
    scene = entered(REVERSAL)
    scene.trade(61650, at(20))
    for moment, last in ((at(4), 61650), (at(19), 61650), (at(20), 59500)):
        scene.trade(59500, moment, source="snapshot")
        assert scene.kit.state("risk_monitor").last[BIP] == last
        assert scene.kit.state("paper_broker").last[BIP].price == last
    scene.trade(61000, at(19))
    assert scene.kit.state("risk_monitor").last[BIP] == scene.kit.state("paper_broker").last[BIP].price == 61000


def test_a_position_without_an_r_is_cared_for_all_the_same() -> None:
    """The broker refuses an entry at its own stop; were there one, it would be stopped out and nothing else."""
    rules = msgspec.structs.replace(
        rules_with(), exits=ExitRules(scale_out=D("0.5"), break_even=D(1), trail_after=D(0), trail_distance=D(1))
    )
    scene = entered(REVERSAL, rules)
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    managed.position = msgspec.structs.replace(managed.position, first_stop=managed.position.entry_price)
    scene.trade(62000, at(6))
    scene.trade(58900, at(7))
    assert closed(scene).exit_reason == "stop"
    assert (r_multiple(closed(scene)), mae_r(closed(scene))) == (None, None)
    assert scene.events(OrderMoved) == []
    assert scene.undisturbed


# ── an exit that is refused ─────────────────────────────────────────────────────────────────────────────────────────


def refused_exit(scene: Scene) -> None:
    """A person closes what the broker does not hold."""
    broker = scene.kit.state("paper_broker")
    holdings = dict(broker.holdings)
    broker.holdings.clear()
    scene.run(Flatten("me", 1))
    broker.holdings.update(holdings)


def test_an_exit_that_was_refused_is_tried_again_as_another_order() -> None:
    scene = entered(REVERSAL)
    refused_exit(scene)
    rejection = scene.one(OrderRejected)
    assert (rejection.order.id, rejection.reason) == (f"{rejection.order.position_id}/flatten", "reduce_only")
    scene.run(Flatten("me", 2))
    assert closed(scene).exit_reason == "flatten"
    assert scene.events(Filled)[-1].order.id == f"{closed(scene).id}/flatten:2"
    assert sorted(event.command_id for event in scene.events(CommandDone)) == [1, 2]
    assert scene.undisturbed


def test_each_try_of_an_exit_that_is_refused_again_is_answered() -> None:
    scene = entered(REVERSAL)
    for _ in range(3):
        refused_exit(scene)
    ids = [event.order.id.rpartition("/")[2] for event in scene.events(OrderRejected)]
    assert ids == ["flatten", "flatten:2", "flatten:3"]


def test_an_exit_whose_id_was_used_by_an_earlier_process_goes_out_under_another() -> None:
    """What the broker has finished with is in the database; how often it refused is not."""
    scene = entered(REVERSAL)
    refused_exit(scene)
    refused_exit(scene)
    (managed,) = scene.kit.state("risk_monitor").positions.values()
    managed.refusals = 0
    scene.run(Flatten("me", 2))
    assert closed(scene).exit_reason == "flatten"
    assert scene.events(Filled)[-1].order.id.endswith("/flatten:3")
    assert len(scene.events(OrderRejected)) == 2, "what is finished is answered to the risk monitor alone"


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
    changes = [event.change for event in scene.events(PositionChanged)]
    assert changes == list(range(1, len(changes) + 1))


def test_a_liquidation_closes_the_position_and_its_orders() -> None:
    rows = ((60000, 62000, 46000, 61000), (61000, 63000, 47000, 62000), (61000, 61500, 46500, 59500))
    scene = entered(rows)
    scene.trade(48000, at(90))
    assert closed(scene).exit_reason == "liquidated"
    assert scene.kit.state("paper_broker").orders == {}
