"""The model `depth`: market and stop orders walk the order book, and get what stands there."""

from typing import Any

import pytest

from actors.messages import FeedDown, FeedUp, Filled, OrderCancelled, OrderRejected
from atlas.rules import FillRules, Rules
from tests.actors.scene import at
from tests.actors.venue import D, Venue

DEEP = Rules(fills=FillRules(model="depth"))
ASKS = ((60005, 4), (60010, 4), (60020, 100))
BIDS = ((59995, 3), (59990, 100))


def venue(bids: Any = BIDS, asks: Any = ASKS) -> Venue:
    """A broker that walks the book, with one before it."""
    made = Venue(rules=DEEP)
    made.book(at(), bids, asks)
    return made


def entered() -> Venue:
    made = venue()
    made.enter()
    made.leave("stop", "stop", 59000)
    made.leave("limit", "target", 62000)
    return made


def test_an_entry_fills_at_the_volume_weighted_price_of_the_levels_it_takes() -> None:
    made = venue()
    made.enter()
    price = (D(60005) * 4 + D(60010) * 4 + D(60020) * 2) / 10
    assert made.fills == [("entry", D(60000), price)]
    assert made.told(Filled)[0].fill.slippage == (price - 60000) * 10 * D("0.01")


def test_a_better_price_than_the_trade_is_no_slippage() -> None:
    made = venue(asks=((59990, 50),))
    made.book(at(), ((59980, 1),), ((59990, 50),))
    made.enter()
    fill = made.told(Filled)[0].fill
    assert (fill.price, fill.slippage) == (D(59990), D(0))


def test_what_the_book_is_too_thin_for_of_an_entry_is_cancelled() -> None:
    made = venue(asks=((60005, 4), (60010, 2)))
    made.enter()
    assert [(fill[0], fill[1]) for fill in made.parts] == [("entry", 6)]
    assert [event.order_id for event in made.told(OrderCancelled)] == ["p/entry"]
    assert made.state.holdings["p"].contracts == 6
    assert made.state.account.reserved == made.told(Filled)[0].margin
    assert made.state.orders == {}


@pytest.mark.parametrize(
    "asks", [(), ((59995, 50),), ((60005, "0.4"),)], ids=["empty", "crossed", "less than one contract"]
)
def test_an_entry_without_a_book_to_fill_from_is_refused(asks: Any) -> None:
    made = venue(bids=((59999, 5),), asks=asks)
    made.enter()
    assert [event.reason for event in made.told(OrderRejected)] == ["data_unverified"]
    assert made.fills == []


def test_an_entry_before_any_book_is_refused() -> None:
    made = Venue(rules=DEEP)
    made.enter()
    assert [event.reason for event in made.told(OrderRejected)] == ["data_unverified"]


def test_a_book_of_a_connection_that_is_gone_is_no_book() -> None:
    made = venue()
    made.kit.run(FeedDown("gone"))
    made.kit.run(FeedUp(at(1)))
    made.enter()
    assert [event.reason for event in made.told(OrderRejected)] == ["data_unverified"]


def test_a_stop_walks_the_bids() -> None:
    made = entered()
    made.book(at(1), ((58990, 4), (58980, 100)))
    made.trade(58995, at(1))
    assert made.fills[1:] == [("stop", D(58995), (D(58990) * 4 + D(58980) * 6) / 10)]


@pytest.mark.parametrize("bids", [(), ((60100, 50),)], ids=["empty", "crossed"])
def test_an_exit_without_a_book_gets_out_by_spread_or_slippage(bids: Any) -> None:
    made = entered()
    made.book(at(1), bids, ((60050, 1),))
    made.trade(58000, at(1), bid=D(57990), ask=D(58000))
    assert made.fills[1:] == [("stop", D(58000), D(57995))]


def test_the_rest_of_a_stop_works_on_at_the_next_book_whatever_the_price() -> None:
    made = entered()
    made.book(at(1), ((58990, 4),))
    made.trade(58995, at(1))
    assert made.parts[1:] == [("stop", D(4), D(58990))]
    assert made.working == {"stop": D(6), "target": D(6)}
    made.book(at(1, 1), ((60100, 50),))
    assert made.parts[2:] == [("stop", D(6), D(60100))]
    assert [event.number for event in made.told(Filled)] == [0, 0, 1]
    assert len({event.key for event in made.told(Filled)}) == 3
    assert (made.state.orders, made.state.fills, made.state.account.reserved) == ({}, {}, 0)


def test_what_was_taken_of_a_book_is_not_there_again_at_the_next_trade() -> None:
    made = entered()
    made.book(at(1), ((58990, 4), (58980, 3)))
    made.place_exit("p/1", 4)
    made.place_exit("p/2", 2)
    assert made.parts[1:] == [("flatten", D(4), D(58990)), ("flatten", D(2), D(58980))]
    made.trade(58999, at(2), bid=D(58990), ask=D(58999))
    assert made.parts[3:] == [("stop", D(1), D(58980))]
    made.trade(58900, at(3), bid=D(58890), ask=D(58900))
    assert made.parts[4:] == [("stop", D(3), D(58895))]


def test_each_part_pays_its_own_fee_and_the_ledger_knows_them_apart() -> None:
    made = entered()
    made.book(at(1), ((58990, 4),))
    made.trade(58995, at(1))
    made.book(at(1, 1), ((58980, 50),))
    first, second = (event for event in made.told(Filled) if event.fill.purpose == "stop")
    assert first.fill.fee == D("0.0007") * 4 * D("0.01") * 58990 + D("0.15") * 4
    assert second.fill.fee == D("0.0007") * 6 * D("0.01") * 58980 + D("0.15") * 6
    movements = [{leg.movement_id for leg in event.legs} for event in (first, second)]
    assert movements[0].isdisjoint(movements[1])


def test_a_target_needs_no_book() -> None:
    made = entered()
    made.book(at(1), ())
    made.trade(62001, at(1))
    assert made.fills[1:] == [("target", D(62000), D(62000))]


def test_a_liquidation_takes_the_whole_position_whatever_the_book_holds() -> None:
    made = entered()
    made.book(at(1), ((40000, 1),))
    made.trade(40000, at(1), bid=D(39990), ask=D(40000))
    assert made.parts[1:] == [("liquidated", D(10), D(39995))]


def test_with_the_model_spread_a_book_changes_nothing() -> None:
    made = Venue()
    made.book(at(), BIDS, ASKS)
    made.enter()
    assert made.fills == [("entry", D(60000), D(60030))]


def test_a_spot_order_walks_in_steps_of_the_base_increment() -> None:
    made = Venue(rules=DEEP, kind="spot", margin=None, size_increment=D("0.001"))
    made.book(at(), ((59990, 1),), ((60005, "0.0505"),))
    made.enter(contracts=0.1, leverage=1)
    assert made.parts == [("entry", D("0.050"), D(60005))]
