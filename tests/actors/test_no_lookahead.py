"""No decision about money knows what comes after it: a market cut short is the same until the cut."""

from bisect import bisect_left, bisect_right
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import Filled, FundingPaid, PositionClosed, PositionOpened, Trades
from tests.actors.random_market import BEFORE, RULES, markets
from tests.actors.scene import Scene

some = settings(max_examples=25, deadline=None)


def played(market: list[Any]) -> Scene:
    scene = Scene(rules=RULES, closed=BEFORE)
    for message in market:
        scene.run(message)
    return scene


@some
@given(markets(), st.data())
def test_a_market_cut_short_has_the_same_orders_fills_and_money_until_there(market: list[Any], data: Any) -> None:
    cut = data.draw(st.integers(0, len(market)))
    before, whole = played(market[:cut]), played(market)
    assert whole.kit.batches[: len(before.kit.batches)] == before.kit.batches


@some
@given(markets(but=("late",), least=60, most=120))
def test_every_fill_and_every_mark_is_a_price_that_had_printed(market: list[Any]) -> None:
    """The reference of a fill is the last trade or the limit; the mark of funding the last trade by the hour."""
    scene = played(market)
    ticks = [tick for told in market if isinstance(told, Trades) for tick in told.ticks]
    times = [tick.time for tick in ticks]

    def last_by(moment: datetime) -> set[Decimal]:
        """The price of the last trade by then; any of those stamped alike."""
        until = bisect_right(times, moment)
        return {tick.price for tick in ticks[bisect_left(times, times[until - 1]) : until]}

    entered = {event.position.id: event.position for event in scene.events(PositionOpened)}
    for event in scene.events(Filled):
        limit = {event.order.price} if event.order.kind == "limit" else set()
        assert event.fill.reference in (limit or last_by(event.fill.time))
    for paid in scene.events(FundingPaid):
        assert paid.mark in {entered[paid.position_id].entry_price, *last_by(paid.at)}
    for closed in scene.events(PositionClosed):
        assert closed.position.exit_time is not None
        assert closed.position.exit_time >= entered[closed.position.id].entry_time
