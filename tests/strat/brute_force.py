"""The triggers of a few days by plain loops over minutes: lists, floats and epoch arithmetic, without atlas."""

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

FROM = datetime(2020, 3, 9, tzinfo=UTC)
UNTIL = datetime(2020, 3, 13, tzinfo=UTC)
SECONDS = {"15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400}


class Minute(NamedTuple):
    """One minute with trades: unix seconds of its open, and its clamped prices."""

    time: int
    open: float
    high: float
    low: float
    close: float

    def path(self) -> tuple[float, float, float, float]:
        """The prices in the order they are taken to have traded."""
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close


class Trigger(NamedTuple):
    """A break: open time of the setup bar and of the minute of the break, unix seconds."""

    setup_time: int
    name: str
    family: str
    side: str
    broke_at: int


def read_minutes(shared: Path) -> list[Minute]:
    """The minutes of 2020 up to the end of those days in which anything traded."""
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
    """The triggers of one timeframe, every family, by strat.md 2 and 3."""
    return breaks(minutes, step)[0]


def breaks(minutes: list[Minute], step: int) -> tuple[list[Trigger], list[Trigger]]:
    """The triggers of one timeframe, and the setups of which the opposite side broke first."""
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
    triggers: list[Trigger] = []
    killed: list[Trigger] = []
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
                family = "3-1" if types[j] == "3" else "2-1"
        elif kind == "3":
            name, family, sides = "3-?", "3-2", "LS"
        elif before:
            name, sides = f"{before}-{kind}-?", "L" if kind == "2D" else "S"
            family = {"3": "3-2-2", "1": "rev-strat"}.get(before, "2-2")
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
                if FROM.timestamp() <= minute.time < UNTIL.timestamp():
                    became = triggers if broken in sides else killed
                    side = {"L": "long", "S": "short"}[broken if broken in sides else sides]
                    became.append(Trigger(times[i], name, family, side, minute.time))
                break
    return triggers, killed
