"""A candle in which stop and target both lie: its path is a guess, so the stop is taken and marked (strat.md 6)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import repeat
from typing import Any

import msgspec
import pytest

from actors.messages import Filled, StopReached, Trades
from atlas.market.bar import Bar
from atlas.market.guess import guesses
from atlas.market.past import walked
from atlas.rules import FillRules, Rules
from tests.actors.scene import NOON, at
from tests.actors.venue import Venue, long, short

D = Decimal
MINUTE = timedelta(minutes=1)


def play(venue: Venue, row: Sequence[float], opened: datetime, *, trusted: bool = False) -> None:
    """Walk a minute's candle: open, high, low, close."""
    bar = Bar("1m", opened, opened + MINUTE, *(D(str(price)) for price in row), D(4))
    ticks = walked(bar, 1)
    left = repeat(None) if trusted else guesses(ticks, bar.close_time)
    for tick, guess in zip(ticks, left, strict=False):
        venue.kit.run(Trades(venue.symbol, (tick,), guess=guess))


def exits(venue: Venue) -> list[tuple[str, int, datetime, bool]]:
    """Purpose, reference, time and mark of every exit."""
    fills = [each.fill for each in venue.told(Filled) if each.fill.purpose != "entry"]
    return [(fill.purpose, int(fill.reference), fill.time, fill.ambiguous) for fill in fills]


BOTH = (60500, 62500, 58500, 60000)
"""Falls: its path is open, high, low, close, so it passes the target before it comes to the stop."""


def test_both_in_one_candle_takes_the_stop_at_its_point_of_the_path() -> None:
    venue = long()
    play(venue, BOTH, at(1))
    assert exits(venue) == [("stop", 58500, at(1, 30), True)]


def test_it_is_ambiguous_also_where_the_path_comes_to_the_stop_first() -> None:
    venue = long()
    play(venue, (60000, 62500, 58500, 60500), at(1))
    assert exits(venue) == [("stop", 58500, at(1, 15), True)]


def test_a_short_is_the_mirror() -> None:
    venue = short()
    play(venue, (60000, 61500, 57500, 60500), at(1))
    assert exits(venue) == [("stop", 61500, at(1, 30), True)]


def test_a_path_that_is_trusted_decides_itself() -> None:
    venue = long()
    play(venue, BOTH, at(1), trusted=True)
    assert exits(venue) == [("target", 62000, at(1, 15), False)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [((62100, 62500, 58500, 60000), ("target", 62000, 0)), ((58900, 62500, 58500, 60000), ("stop", 58900, 0))],
)
def test_what_the_open_has_reached_came_first(row: Sequence[float], expected: tuple[str, int, int]) -> None:
    """A gap fills at the first price, and nothing about it is ambiguous."""
    venue = long()
    play(venue, row, at(1))
    purpose, price, seconds = expected
    assert exits(venue) == [(purpose, price, at(1, seconds), False)]


@pytest.mark.parametrize(
    ("row", "purpose"), [((60500, 62500, 59500, 60000), "target"), ((60500, 61000, 58500, 60000), "stop")]
)
def test_one_of_them_in_the_candle_is_no_doubt(row: Sequence[float], purpose: str) -> None:
    venue = long()
    play(venue, row, at(1))
    assert [(exit_[0], exit_[3]) for exit_ in exits(venue)] == [(purpose, False)]


def test_a_target_only_touched_is_not_in_the_candle() -> None:
    venue = long()
    play(venue, (60500, 62000, 58500, 60000), at(1))
    assert exits(venue) == [("stop", 58500, at(1, 30), False)]


def test_a_stop_that_travels_is_marked_when_it_fills() -> None:
    """It is reached in the doubtful candle and fills in the next, which leaves no doubt of its own."""
    slow = msgspec.structs.replace(Rules(), fills=FillRules(latency_ms=40_000))
    venue = long_with(slow)
    play(venue, BOTH, at(2))
    assert exits(venue) == []
    play(venue, (61000, 61000, 61000, 61000), at(3))
    assert exits(venue) == [("stop", 61000, at(3, 15), True)]
    assert len([sent for batch in venue.kit.batches for sent in batch.events if isinstance(sent, StopReached)]) == 1


def test_the_nearer_of_stop_and_liquidation_is_what_costs() -> None:
    venue = long(stop=30000)
    liquidation = next(iter(venue.state.holdings.values())).liquidation
    play(venue, (60500, 62500, int(liquidation) - 1, 60000), at(1))
    assert [(purpose, marked) for purpose, _, _, marked in exits(venue)] == [("liquidated", True)]


def test_a_position_entered_in_the_candle_looks_at_what_is_left_of_it() -> None:
    """Entered at the open, both levels lie in the rest."""
    bar = Bar("1m", at(1), at(2), *(D(price) for price in BOTH), D(4))
    ticks = walked(bar, 1)
    venue = Venue()
    for point, (tick, guess) in enumerate(zip(ticks, guesses(ticks, bar.close_time), strict=True)):
        venue.kit.run(Trades(venue.symbol, (tick,), guess=guess))
        if point == 0:
            venue.enter()
            venue.leave("stop", "stop", 59000)
            venue.leave("limit", "target", 62000)
    assert exits(venue) == [("stop", 58500, at(1, 30), True)]


def long_with(rules: Rules, **options: Any) -> Venue:
    """Ten contracts long at the second trade, with the stop and target of `long`; for orders that travel."""
    venue = Venue(rules=rules, **options)
    venue.enter()
    venue.trade(60000, NOON + MINUTE)
    venue.leave("stop", "stop", 59000)
    venue.leave("limit", "target", 62000)
    return venue
