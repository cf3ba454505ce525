"""Every trigger of five days of March 2020, found twice: by plain loops over the minutes, and by atlas.

BitMEX XBTUSD, 9 to 12 March 2020 with the crash of the 12th, history from 1 January. A minute of zero volume is no
trade; an open outside [low, high] is clamped; a minute is walked open, low, high, close if it closes at or above its
open, else open, high, low, close.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.rules import StratRules
from atlas.strat.series import Series
from atlas.strat.setup import TRADED_BY_DEFAULT, Setup
from tests.strat.brute_force import FROM, SECONDS, UNTIL, Minute, Trigger, brute_force, read_minutes

pytestmark = pytest.mark.shared

TRIGGERS = {"15m": 152, "1h": 44, "4h": 7, "1d": 1}
"""Of the families traded by default."""


@pytest.fixture(scope="module")
def minutes(shared: Path) -> list[Minute]:
    return read_minutes(shared)


@pytest.fixture(scope="module")
def bars(minutes: list[Minute]) -> list[Bar]:
    found = []
    for minute in minutes:
        opened, closes = period("1m", datetime.fromtimestamp(minute.time, UTC))
        prices = (Decimal(str(price)) for price in minute[1:])
        found.append(Bar("1m", opened, closes, *prices, Decimal(1)))
    return found


def first_break(setups: tuple[Setup, ...], minutes: list[Minute]) -> tuple[Setup, int] | None:
    """The setup whose trigger breaks first and the minute of it; None if none does before it is dead."""
    for minute in minutes:
        for price in minute.path():
            for setup in setups:
                sign = 1 if setup.side == "long" else -1
                if sign * (Decimal(str(price)) - setup.trigger) > 0:
                    return setup, minute.time
                if not setup.two_sided and sign * (Decimal(str(price)) - setup.opposite_level) < 0:
                    return None
    return None


def by_atlas(minutes: list[Minute], bars: list[Bar], timeframe: str) -> Iterator[Trigger]:
    by_period: dict[datetime, list[Minute]] = {}
    for minute, bar in zip(minutes, bars, strict=True):
        by_period.setdefault(period(timeframe, bar.open_time)[0], []).append(minute)
    closed, _ = aggregate(bars, timeframe, starts_whole=True)
    series, rules = Series("XBTUSD", timeframe), StratRules()
    for bar in closed:
        setups = series.close(bar, rules).setups
        if (
            setups
            and setups[0].valid_until > FROM
            and (broken := first_break(setups, by_period.get(bar.close_time, [])))
        ):
            setup, at = broken
            if FROM.timestamp() <= at < UNTIL.timestamp():
                yield Trigger(int(setup.setup_time.timestamp()), setup.name, setup.family, setup.side, at)


@pytest.mark.parametrize("timeframe", TRIGGERS)
def test_plain_loops_find_the_known_number_of_triggers(minutes: list[Minute], timeframe: str) -> None:
    found = brute_force(minutes, SECONDS[timeframe])
    assert sum(trigger.family in TRADED_BY_DEFAULT for trigger in found) == TRIGGERS[timeframe]


@pytest.mark.parametrize("timeframe", TRIGGERS)
def test_atlas_finds_the_same_triggers_at_the_same_minutes(
    minutes: list[Minute], bars: list[Bar], timeframe: str
) -> None:
    """Of every family, rev-strat too."""
    assert list(by_atlas(minutes, bars, timeframe)) == brute_force(minutes, SECONDS[timeframe])


@pytest.mark.parametrize("timeframe", TRIGGERS)
def test_lesson_12_every_break_lies_within_its_entry_bar(
    minutes: list[Minute], bars: list[Bar], timeframe: str
) -> None:
    for trigger in by_atlas(minutes, bars, timeframe):
        _, opens = period(timeframe, datetime.fromtimestamp(trigger.setup_time, UTC))
        assert period(timeframe, datetime.fromtimestamp(trigger.broke_at, UTC))[0] == opens
