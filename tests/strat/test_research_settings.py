"""The settings research needs, bar by bar and over arrays; the 50 % rule over many trades at once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.rules import StratRules
from atlas.strat.labels import FiftyPercentRule
from atlas.strat.series import Series
from atlas.strat.setup import FAMILIES
from atlas.strat.setups import is_alone, validate
from atlas.strat.vectors_setups import SetupArrays, setups_of

START = datetime(2026, 3, 4, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
EXTREMES = st.lists(st.tuples(st.integers(100, 112), st.integers(0, 6)), min_size=3, max_size=60)


def bars(extremes: list[tuple[int, int]]) -> list[Bar]:
    return [
        Bar("15m", START + at * QUARTER, START + (at + 1) * QUARTER, Decimal(low), Decimal(low + wide), Decimal(low),
            Decimal(low), Decimal(1))
        for at, (low, wide) in enumerate(extremes)
    ]  # fmt: skip


def arrays_of(extremes: list[tuple[int, int]], rules: StratRules) -> SetupArrays:
    low = np.array([low for low, _ in extremes], np.int64)
    return setups_of(low + np.array([wide for _, wide in extremes], np.int64), low, rules)


@given(EXTREMES, st.sampled_from(("any", "strict")), st.sets(st.sampled_from(FAMILIES)) | st.just({*FAMILIES}))
def test_arrays_give_the_setups_of_bars(extremes: list[tuple[int, int]], inside: str, detected: set[str]) -> None:
    rules = StratRules(inside=inside, detected=tuple(sorted(detected)))
    series, found = Series("BTC", "15m"), arrays_of(extremes, rules)
    for place, bar in enumerate(bars(extremes)):
        setups = series.close(bar, rules).setups
        sides = {side for side, arrays in (("long", found.long), ("short", found.short)) if arrays.given[place]}
        assert sides == {setup.side for setup in setups}
        assert {setup.family for setup in setups} <= detected
        assert not setups or found.families[place] == FAMILIES.index(setups[0].family)


@pytest.mark.parametrize(
    ("run", "setups"),
    [([(102, 2)], 2), ([(101, 3)], 0), ([(103, 3)], 0), ([(101, 5)], 0), ([(102, 2), (102, 1)], 0)],
    ids=["alone and inside", "touches the low", "touches the high", "touches both", "the second"],
)
def test_a_strict_1_is_alone_and_touches_neither_end(run: list[tuple[int, int]], setups: int) -> None:
    rules = StratRules(inside="strict")
    extremes = [(100, 4), (101, 5), *run]  # The second is a 2U of 101 to 106.
    last = Series.from_bars("BTC", "15m", bars(extremes), rules).closed
    assert last is not None
    assert last.type == "1"
    assert len(last.setups) == setups
    found = arrays_of(extremes, rules)
    assert (found.families[-1] != -1, found.long.given[-1], found.short.given[-1]) == (setups > 0,) * 3


def test_one_1_inside_is_alone_and_of_more_none() -> None:
    mother, smaller = bars([(100, 5), (101, 2)])
    assert [is_alone(smaller, mother, run) for run in (0, 1, 2)] == [False, True, False]


@pytest.mark.parametrize("inside", ["any", "strict"])
def test_each_choice_is_taken(inside: str) -> None:
    validate(StratRules(inside=inside))


def test_an_unknown_choice_is_named() -> None:
    with pytest.raises(ConfigurationError, match="inside = 'loose'"):
        validate(StratRules(inside="loose"))
    with pytest.raises(ConfigurationError, match="unknown family '9-9'"):
        validate(StratRules(detected=("9-9",)))


RANGE = (105, 95)
SEEN = {
    "nothing": (100, 100, 100),
    "the high taken": (106, 104, 105),
    "the low taken": (96, 94, 95),
    "the high taken, then the middle": (106, 99, 99),
    "the low taken, then the middle": (101, 94, 101),
    "the high and the middle, which first is unknown": (106, 99, 104),
    "the low and the middle, which first is unknown": (101, 94, 96),
    "both": (106, 94, 100),
}


LEVELS = (94, 95, 96, 99, 100, 101, 104, 105, 106)


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_many_trades_at_once_end_where_each_does_at_and_beside_every_level(seen, count: int) -> None:
    for prices in product(LEVELS, repeat=count):
        one, many = (FiftyPercentRule(*map(Decimal, RANGE)) for _ in range(2))
        for rule in (one, many):
            rule.through(*map(Decimal, seen))
        for price in prices:
            one.trade(Decimal(price))
        many.along(Decimal(max(prices)), Decimal(min(prices)), np.array(prices, np.int64), 0)
        assert many == one, prices


@given(
    st.integers(90, 110),
    st.integers(0, 20),
    st.lists(st.integers(80, 130), min_size=2, max_size=2),
    st.lists(st.lists(st.integers(80, 130), min_size=1), min_size=1),
)
def test_many_trades_at_once_leave_the_fifty_percent_rule_where_each_of_them_does(
    low: int, wide: int, seen: list[int], stretches: list[list[int]]
) -> None:
    one, many = (FiftyPercentRule(Decimal(low + wide) / 100, Decimal(low) / 100) for _ in range(2))
    for rule in (one, many):  # a bar of a lower frame first, as when the history ends within the bar
        rule.through(Decimal(max(seen)) / 100, Decimal(min(seen)) / 100, Decimal(seen[0]) / 100)
    for prices in stretches:
        for price in prices:
            one.trade(Decimal(price) / 100)
        highest, lowest = Decimal(max(prices)) / 100, Decimal(min(prices)) / 100
        many.along(highest, lowest, np.array(prices, np.int64), 2)
        assert many == one
