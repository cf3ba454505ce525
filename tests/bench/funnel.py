"""What the gates make of the triggers of long candle files: the tables of docs/strat.md. Run by `scripts/funnel`.

The real behaviours play each file in virtual time, with the default rules but for the timeframes, on an account of its
own. A candle is walked open, low, high, close (or high first, if it closes below its open), and between two of these
the price passes every level: there is a print a tick before and beyond each trigger, stop and target that lies between.
So only holes between candles are gaps. No test: half a million minutes take some minutes.
"""

import argparse
import os
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from actors.messages import (
    EntryTriggered,
    EventBatch,
    FeedUp,
    FrameBars,
    History,
    Invalidated,
    MarketTime,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Rejected,
    SetupsReplaced,
    Snapshot,
    Trades,
)
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.post import JOURNAL, SUPERVISOR, Post, Sink
from actors.runtime.virtual import VirtualCore
from actors.scanner import frames_needed
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar, Tick
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.path import candle_path
from atlas.market.products import built_in
from atlas.market.timeframes import TIMEFRAMES, period
from atlas.risk import GATES
from atlas.rules import Rules, StratRules
from atlas.strat.setup import FAMILIES, TRADED_BY_DEFAULT

FILES = {
    "bitmex_XBTUSD-PERP_1m_2020.csv.gz": "BIP-20DEC30-CDE",
    "coinbase_BTC-USD_15m_2024-2026.csv.gz": "BIP-20DEC30-CDE",
    "coinbase_SOL-USD_15m_2024-2026.csv.gz": "SLP-20DEC30-CDE",
}
"""Candle file of the shared folder → the contract traded at its prices, on its tick."""
RUNS = (StratRules().timeframes, ("15m",))
"""The timeframes scanned by default together, and 15m for itself: it would use up the account of the others."""
WARM_UP = timedelta(days=60)
"""History before the first trade."""
RECENT = 100
"""Closed bars of each timeframe that the core is given of it."""
SHOWN = ("magnitude", "reward_risk", "continuity", "position_policy", "fees")
"""The gates that have a column of their own."""
INTERVALS = {60: "1m", 300: "5m", 900: "15m", 3600: "1h"}


class Row(msgspec.Struct):
    """One timeframe and family: triggers = trades + Σ rejections."""

    timeframe: str
    family: str
    triggers: int = 0
    trades: int = 0
    rejections: Counter[str] = msgspec.field(default_factory=Counter)
    invalidated: int = 0


class Funnel:
    """The journal's address: counts what becomes of the triggers, and knows the levels that wait."""

    def __init__(self, tick: Decimal) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.exits: Counter[str] = Counter()
        self.net = Decimal(0)
        self.levels: list[Decimal] = []
        self._tick = tick
        self._of_frame: dict[str, set[Decimal]] = {}
        self._families: dict[str, str] = {}

    def tell(self, batch: Any) -> None:
        """Take the events of one input."""
        assert isinstance(batch, EventBatch), batch
        for event in batch.events:
            match event:
                case SetupsReplaced(timeframe=timeframe, setups=setups):
                    self._families |= {setup.id: setup.family for setup in setups}
                    self._of_frame[timeframe] = {
                        level + step
                        for setup in setups
                        for level in (setup.trigger, setup.opposite_level, setup.stop, setup.target)
                        for step in (-self._tick, self._tick)
                    }
                    self.levels = sorted(set().union(*self._of_frame.values()))
                case EntryTriggered(setup=setup):
                    self._row(setup.timeframe, setup.family).triggers += 1
                case PositionOpened(position=position):
                    self._row(position.timeframe, position.family).trades += 1
                case Rejected(timeframe=timeframe, family=family, gate=gate):
                    self._row(timeframe, family).rejections[gate] += 1
                case Invalidated(reason="opposite_broke", timeframe=timeframe, setup_id=setup_id):
                    self._row(timeframe, self._families[setup_id]).invalidated += 1
                case PositionClosed(position=position):
                    self.exits[str(position.exit_reason)] += 1
                    self.net += position.net

    def sorted(self) -> list[Row]:
        """The rows, family by family, and of each all its timeframes together at its end."""
        rows = list(self.rows.values())
        of_family = {family: [row for row in rows if row.family == family] for family in FAMILIES}
        return sorted([*rows, *(together(family, some) for family, some in of_family.items() if some[1:])], key=place)

    def _row(self, timeframe: str, family: str) -> Row:
        return self.rows.setdefault((timeframe, family), Row(timeframe, family))


def place(row: Row) -> tuple[int, int]:
    """Families in the order of strat.md 2, timeframes finest first, all of them last."""
    frames = (*TIMEFRAMES, "all")
    return FAMILIES.index(row.family), frames.index(row.timeframe)


def together(family: str, rows: Iterable[Row]) -> Row:
    """The sum of some rows."""
    total = Row("all", family)
    for row in rows:
        total.triggers += row.triggers
        total.trades += row.trades
        total.invalidated += row.invalidated
        total.rejections.update(row.rejections)
    return total


def candles(file: CandleFile, start: datetime, end: datetime) -> Iterator[Bar]:
    """Yield the candles of [start, end) that traded, opens clamped into their range."""
    cut = file.rows(int(start.timestamp()), int(end.timestamp()))
    length = timedelta(seconds=file.interval)
    columns = (cut.times, cut.open, cut.high, cut.low, cut.close, cut.volume)
    for time, opened, high, low, close, volume in zip(*(column.tolist() for column in columns), strict=True):
        if volume:
            at = datetime.fromtimestamp(time, UTC)
            prices = (file.price(units) for units in (min(max(opened, low), high), high, low, close))
            yield Bar(INTERVALS[file.interval], at, at + length, *prices, Decimal(1))


def walked(path: tuple[Decimal, ...], levels: list[Decimal]) -> list[Decimal]:
    """The path with a print at each level between two of its points."""
    prices = [path[0]]
    for before, after in pairwise(path):
        low, high = (before, after) if before < after else (after, before)
        between = levels[bisect_right(levels, low) : bisect_left(levels, high)]
        prices += between if before < after else between[::-1]
        prices.append(after)
    return prices


def play(file: CandleFile, product: str, rules: Rules, days: int | None) -> Funnel:
    """Play a file. Raises AssertionError if a behaviour raised or a message was lost."""
    first = datetime.fromtimestamp(int(file.times[0]), UTC)
    start = (first + WARM_UP).replace(hour=0, minute=0)
    end = datetime.fromtimestamp(int(file.times[-1]), UTC)
    if days is not None:
        end = min(end, start + timedelta(days=days))
    funnel, supervisor, post = Funnel(file.tick), Sink(), Post()
    post.bind(JOURNAL, funnel)
    for name, sink in ((SUPERVISOR, supervisor), ("history", Sink())):
        post.bind(name, sink)
    core = VirtualCore(route, post)
    for role in core_roles(Decider(rules, (product,), "1")):
        core.add(role)
    core.begin()
    core.run(MarketTime(start))
    core.run(ProductsListed((built_in(product, tick=file.tick),)))
    core.run(history(file, product, rules, first, start))
    core.run(FeedUp(start))
    core.run(Snapshot(product, start, None))
    number, length = 0, timedelta(seconds=file.interval)
    for bar in candles(file, start, end):
        path = walked(candle_path(bar.open, bar.high, bar.low, bar.close), funnel.levels)
        ticks = tuple(
            Tick(number + place, bar.open_time + length * place / len(path), price, Decimal(1))
            for place, price in enumerate(path, 1)
        )
        number += len(ticks)
        core.run(Trades(product, ticks))
    assert not supervisor.messages, supervisor.messages[0]
    assert core.failed is None, core.failed
    return funnel


def history(file: CandleFile, product: str, rules: Rules, first: datetime, start: datetime) -> History:
    """What came before the first trade."""
    before = list(candles(file, first, start))
    frames = []
    for timeframe in frames_needed(rules.strat):
        whole = period(timeframe, first)[0] == first
        closed, forming = aggregate(before, timeframe, starts_whole=whole, complete_until=start)
        frames.append(FrameBars(timeframe, tuple(closed[-RECENT:]), forming))
    return History(product, start, tuple(frames))


# ── what is printed ─────────────────────────────────────────────────────────────────────────────────────────────────


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table: triggers and trades as counts, gates as shares of the triggers.

    Of the families traded by default: of the others every trigger is rejected, as `not_traded`.
    """
    yield f"| family | tf | triggers | trades | {' | '.join(SHOWN)} | others |"
    yield "|---|---|" + "--:|" * (len(SHOWN) + 3)
    for row in [row for row in rows if row.triggers and row.family in TRADED_BY_DEFAULT]:
        others = sum(count for gate, count in row.rejections.items() if gate not in SHOWN)
        shares = [share(count, row.triggers) for count in (*(row.rejections[gate] for gate in SHOWN), others)]
        yield f"| {row.family} | {row.timeframe} | {row.triggers} | {row.trades} | {' | '.join(shares)} |"


def share(count: int, of: int) -> str:
    """A share in whole percent, bold above 90; empty for none."""
    if not count:
        return ""
    text = f"{100 * count / of:.0f} %"
    return f"**{text}**" if count > 0.9 * of else text


def main() -> None:
    """Play what is asked for and print a table for each file."""
    parser = argparse.ArgumentParser(prog="scripts/funnel", description="What the gates make of long candle files.")
    parser.add_argument("--shared", type=Path, help="the folder of market data (beside the checkout)")
    parser.add_argument("--file", choices=FILES, action="append", help="only this one")
    parser.add_argument("--timeframes", help="only one run, on these: 1h,4h")
    parser.add_argument("--gates-off", default="", help="gates to switch off: fees,magnitude")
    parser.add_argument("--days", type=int, help="only so many")
    wanted = parser.parse_args()
    shared = wanted.shared or Path(os.environ.get("ATLAS_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    runs = (tuple(wanted.timeframes.split(",")),) if wanted.timeframes else RUNS
    off = tuple(gate for gate in wanted.gates_off.split(",") if gate)
    if unknown := set(off) - set(GATES):
        sys.exit(f"scripts/funnel: no gate is called {', '.join(sorted(unknown))}; there are {', '.join(GATES)}")
    for name in wanted.file or FILES:
        file = read_candles(shared / "data" / "ohlcv" / name)
        rows: list[Row] = []
        print(f"{name} as {FILES[name]}\n")
        for timeframes in runs:
            rules = Rules(strat=StratRules(timeframes=timeframes))
            rules = msgspec.structs.replace(rules, gates=msgspec.structs.replace(rules.gates, off=off))
            funnel = play(file, FILES[name], rules, wanted.days)
            rows += funnel.sorted()
            exits = ", ".join(f"{reason} {count}" for reason, count in funnel.exits.most_common())
            print(f"{' '.join(timeframes)}: net ${funnel.net:.2f} ({exits})\n", flush=True)
        print("\n".join(table(sorted(rows, key=place))), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
