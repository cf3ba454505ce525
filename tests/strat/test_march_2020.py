"""Every trigger of five days of March 2020, found twice: by plain loops over the minutes, and by atlas.

BitMEX XBTUSD, 9 to 12 March 2020 with the crash of the 12th, history from 1 January. A minute of zero volume is no
trade; an open outside [low, high] is clamped; a minute is walked open, low, high, close if it closes at or above its
open, else open, high, low, close.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.rules import StratRules
from atlas.strat.series import Series
from atlas.strat.setup import TRADED_BY_DEFAULT, Setup

pytestmark = pytest.mark.shared

FROM = datetime(2020, 3, 9, tzinfo=UTC)
UNTIL = datetime(2020, 3, 13, tzinfo=UTC)
TRIGGERS = {"15m": 152, "1h": 44, "4h": 7, "1d": 1}
SECONDS = {"15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400}


class Minute(NamedTuple):
    """One minute with trades: unix seconds of its open, and its clamped prices."""

    time: int
    open: float
    high: float
    low: float
    close: float

    def path(self) -> tuple[float, float, float, float]:
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close


class Trigger(NamedTuple):
    """A break: open time of the setup bar and of the minute of the break, unix seconds."""

    setup_time: int
    name: str
    side: str
    broke_at: int


@pytest.fixture(scope="module")
def minutes(shared: Path) -> list[Minute]:
    found = []
    with gzip.open(shared / "data" / "ohlcv" / "bitmex_XBTUSD-PERP_1m_2020.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if int(row["time"]) >= UNTIL.timestamp():
                break
            if float(row["volume"]) > 0:
                opened, high, low, close = (float(row[name]) for name in ("open", "high", "low", "close"))
                found.append(Minute(int(row["time"]), min(max(opened, low), high), high, low, close))
    return found


def brute_force(minutes: list[Minute], step: int) -> list[Trigger]:
    """The triggers of one timeframe by strat.md 2 and 3, without atlas: lists, floats and epoch arithmetic."""
    buckets: dict[int, list[Minute]] = {}
    for minute in minutes:
        buckets.setdefault(minute.time - minute.time % step, []).append(minute)
    times = list(buckets)
    highs = [max(minute.high for minute in bucket) for bucket in buckets.values()]
    lows = [min(minute.low for minute in bucket) for bucket in buckets.values()]
    types = [""]
    for i in range(1, len(times)):
        up, down = highs[i] > highs[i - 1], lows[i] < lows[i - 1]
        types.append("3" if up and down else "2U" if up else "2D" if down else "1")
    triggers = []
    for i in range(2, len(times)):
        kind, before = types[i], types[i - 1]
        long_trigger, short_trigger = highs[i], lows[i]
        stop_below, stop_above = lows[i], highs[i]
        sides = ""
        if kind == "1":
            j = i
            while types[j] == "1":
                j -= 1
            if types[j] in ("2U", "2D", "3"):
                stop_below, stop_above = lows[j], highs[j]
                name, sides = "-".join(types[j : i + 1]) + "-?", "LS"
        elif kind == "3":
            name, sides = "3-?", "LS"
        elif before in ("2U", "2D", "3"):
            name, sides = f"{before}-{kind}-?", "L" if kind == "2D" else "S"
        if "L" in sides and long_trigger <= stop_below:
            sides = sides.replace("L", "")
        if "S" in sides and short_trigger >= stop_above:
            sides = sides.replace("S", "")
        if not sides:
            continue
        for minute in buckets.get(times[i] + step, []):
            broken = ""
            for price in minute.path():
                if price > long_trigger:
                    broken = "L"
                    break
                if price < short_trigger:
                    broken = "S"
                    break
            if broken:
                if broken in sides and FROM.timestamp() <= minute.time < UNTIL.timestamp():
                    triggers.append(Trigger(times[i], name, {"L": "long", "S": "short"}[broken], minute.time))
                break
    return triggers


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
        setups = tuple(s for s in series.close(bar, rules).setups if s.family in TRADED_BY_DEFAULT)
        if (
            setups
            and setups[0].valid_until > FROM
            and (broken := first_break(setups, by_period.get(bar.close_time, [])))
        ):
            setup, at = broken
            if FROM.timestamp() <= at < UNTIL.timestamp():
                yield Trigger(int(setup.setup_time.timestamp()), setup.name, setup.side, at)


@pytest.mark.parametrize("timeframe", TRIGGERS)
def test_plain_loops_find_the_known_number_of_triggers(minutes: list[Minute], timeframe: str) -> None:
    assert len(brute_force(minutes, SECONDS[timeframe])) == TRIGGERS[timeframe]


@pytest.mark.parametrize("timeframe", TRIGGERS)
def test_atlas_finds_the_same_triggers_at_the_same_minutes(
    minutes: list[Minute], bars: list[Bar], timeframe: str
) -> None:
    found = list(by_atlas(minutes, bars, timeframe))
    assert len(found) == TRIGGERS[timeframe]
    assert found == brute_force(minutes, SECONDS[timeframe])


@pytest.mark.parametrize("timeframe", TRIGGERS)
def test_lesson_12_every_break_lies_within_its_entry_bar(
    minutes: list[Minute], bars: list[Bar], timeframe: str
) -> None:
    for trigger in by_atlas(minutes, bars, timeframe):
        _, opens = period(timeframe, datetime.fromtimestamp(trigger.setup_time, UTC))
        assert period(timeframe, datetime.fromtimestamp(trigger.broke_at, UTC))[0] == opens
