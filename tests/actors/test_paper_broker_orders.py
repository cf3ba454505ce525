"""Orders at the paper broker after they were placed: moved, shrunk, filled in part, and margin reserved anew."""

import pytest

from actors.messages import (
    AccountOpened,
    CancelOrder,
    Filled,
    MoveOrder,
    OrderCancelled,
    OrderMoved,
    Remargin,
    Remargined,
)
from atlas.money.ledger import balance
from atlas.money.margin import liquidation_price
from tests.actors.scene import at
from tests.actors.venue import D, Venue, long, short


def move(venue: Venue, price: float, order_id: str = "p/stop") -> None:
    venue.kit.run(MoveOrder(order_id, D(str(price))), to="paper_broker")


# ── moved ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_moved_stop_fills_at_its_new_price_and_not_at_the_old() -> None:
    venue = long()
    move(venue, 59500)
    venue.trade(59400, at(1), bid=D(59400), ask=D(59400))
    assert venue.fills[1:] == [("stop", D(59400), D(59400))]


def test_moves_are_counted_and_one_to_the_same_price_is_none() -> None:
    venue = long()
    for price in (59500, 59500, 59600):
        move(venue, price)
    assert [(event.price, event.count) for event in venue.told(OrderMoved)] == [(59500, 1), (59600, 2)]
    assert len({event.key for event in venue.told(OrderMoved)}) == 2


@pytest.mark.parametrize("order_id", ["p/nothing", "p/entry"])
def test_an_order_that_does_not_work_cannot_be_moved(order_id: str) -> None:
    venue = long()
    move(venue, 59500, order_id)
    assert venue.told(OrderMoved) == []


def test_a_stop_moved_after_its_position_closed_stays_closed() -> None:
    venue = long()
    venue.trade(58000, at(1))
    move(venue, 57000)
    venue.trade(56000, at(2))
    assert [fill[0] for fill in venue.fills] == ["entry", "stop"]


# ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def scaled_out(**options: object) -> Venue:
    """Ten contracts long, four of which are to leave at 61000."""
    venue = long(**options)  # type: ignore[arg-type]  # passed on as they are
    venue.leave("limit", "scale_out", 61000, n=4)
    return venue


def test_a_part_taken_at_1r_leaves_the_rest_with_smaller_orders() -> None:
    venue = scaled_out()
    margin = venue.state.holdings["p"].margin
    venue.trade(61001, at(1))
    assert venue.parts[1:] == [("scale_out", D(4), D(61000))]
    assert venue.working == {"stop": D(6), "target": D(6)}
    assert venue.state.holdings["p"].contracts == 6
    assert venue.told(Filled)[1].gross == (D(61000) - D(60030)) * 4 * D("0.01")
    assert venue.told(Filled)[1].margin == venue.state.account.reserved == (margin * 6 / 10).quantize(D("1E-8"))
    venue.trade(58999, at(2), bid=D(58999), ask=D(58999))
    assert venue.parts[2:] == [("stop", D(6), D(58999))]
    assert venue.state.account.reserved == 0


def test_one_trade_beyond_both_fills_the_nearer_limit_first() -> None:
    venue = scaled_out()
    venue.trade(62500, at(1))
    assert venue.parts[1:] == [("scale_out", D(4), D(61000)), ("target", D(6), D(62000))]
    assert venue.state.holdings == {}


def test_a_short_takes_the_nearer_limit_first_too() -> None:
    venue = short()
    venue.leave("limit", "scale_out", 59000, side="buy", n=4)
    venue.trade(57500, at(1))
    assert venue.parts[1:] == [("scale_out", D(4), D(59000)), ("target", D(6), D(58000))]


def test_a_target_nearer_than_1r_closes_all_and_cancels_the_part() -> None:
    venue = long(target=60500)
    venue.leave("limit", "scale_out", 61000, n=4)
    venue.trade(61500, at(1))
    assert venue.parts[1:] == [("target", D(10), D(60500))]
    assert {event.order_id for event in venue.told(OrderCancelled)} == {"p/stop", "p/scale_out"}


def test_liquidation_closes_what_is_left_of_a_part() -> None:
    venue = scaled_out(stop=1)
    venue.trade(61001, at(1))
    venue.trade(40000, at(2))
    assert venue.parts[2][:2] == ("liquidated", D(6))
    assert venue.state.account.reserved == 0


def test_margin_released_part_by_part_is_what_was_reserved() -> None:
    venue = Venue()
    venue.enter(contracts=7)
    for number in range(7):
        venue.place_exit(f"p/{number}", 1)
    reserved = [leg.amount for event in venue.told(Filled) for leg in event.legs if leg.account == "margin_reserved"]
    assert sum(reserved) == 0
    assert venue.state.account.reserved == 0
    legs = [leg for event in [*venue.told(AccountOpened), *venue.told(Filled)] for leg in event.legs]
    assert balance(legs, "cash") == venue.state.account.cash


# ── margin reserved anew ────────────────────────────────────────────────────────────────────────────────────────────


def remargin(venue: Venue, leverage: str) -> None:
    venue.kit.run(Remargin("p", D(leverage), "overnight"), to="paper_broker")


def test_remargining_reserves_the_difference_and_moves_the_liquidation_price() -> None:
    venue = Venue()
    venue.enter(leverage=10)
    entry, before = D(60030), venue.state.account
    remargin(venue, "4.1")
    event = venue.told(Remargined)[0]
    assert event.margin == (entry * 10 * D("0.01") / D("4.1")).quantize(D("1E-8"))
    assert event.liquidation == liquidation_price("long", entry, D("4.1"), D("0.05"))
    assert event.account.reserved == event.margin == venue.state.holdings["p"].margin
    assert event.account.cash == before.cash
    assert balance(event.legs, "margin_reserved") == event.margin - before.reserved
    venue.trade(float(event.liquidation), at(1))
    assert venue.fills[-1][0] == "liquidated"


def test_remargining_at_more_leverage_gives_margin_back() -> None:
    venue = long()
    remargin(venue, "10")
    assert venue.state.account.reserved == D(60030) * 10 * D("0.01") / 10
    assert sum(leg.amount for leg in venue.told(Remargined)[0].legs) == 0


def test_remargining_at_the_same_leverage_moves_no_money() -> None:
    venue = long()
    account = venue.state.account
    remargin(venue, "4.1")
    assert (venue.told(Remargined)[0].legs, venue.state.account) == ((), account)


def test_what_is_closed_is_not_remargined() -> None:
    venue = long()
    venue.trade(58000, at(1))
    remargin(venue, "10")
    assert venue.told(Remargined) == []


# ── the same order again ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exit_cancelled_in_part_is_not_taken_again() -> None:
    venue = scaled_out()
    venue.kit.run(CancelOrder("p/scale_out"), to="paper_broker")
    venue.leave("limit", "scale_out", 61000, n=4)
    venue.trade(61500, at(1))
    assert venue.parts[1:] == []
    assert venue.working == {"stop": D(10), "target": D(10)}
