"""Entry bars under way when the stretch begins: what broke before is missed, never traded late (strat.md 3).

A daemon that starts then reads those bars from the history, and so does a replay.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import msgspec
import numpy as np

from atlas.backtest.frames import FrameBars, frames_of, watched
from atlas.backtest.result import Counts
from atlas.backtest.track import Track, instant
from atlas.market.sessions import closed_reason
from atlas.market.timeframes import finer
from atlas.money.exits import last_day_reason
from atlas.rules import AlertRules, Rules
from atlas.strat.labels import FiftyPercentRule
from atlas.strat.setup import FAMILIES, Side, opposite
from atlas.strat.vectors_setups import SetupArrays


def before_the_start(
    track: Track,
    frames: Mapping[str, FrameBars],
    setups: Mapping[str, SetupArrays],
    rules: Rules,
    start: datetime,
    counts: Counts,
) -> None:
    """Count what became of setups whose entry bar had begun, and broken, before the first trade that is played."""
    for timeframe, made in setups.items():
        bars = frames[timeframe]
        entry = int(np.searchsorted(bars.rows, track.first, side="left")) - 1
        if not 0 < entry < len(bars) or bars.opens[entry] != bars.closes[entry - 1]:
            continue
        if instant(int(bars.closes[entry])) <= start:
            continue
        key = timeframe, FAMILIES[int(made.families[entry - 1])]
        for became in _became(track, bars, made, entry, rules, start):
            if became == "invalidated":
                counts.invalidated[key] += 1
            else:
                product = track.product
                closed = closed_reason(product, start) or last_day_reason(product, start)
                counts.triggers[key] += 1
                counts.gates[key]["session_closed" if closed else "missed"] += 1


def _became(
    track: Track, bars: FrameBars, made: SetupArrays, entry: int, rules: Rules, start: datetime
) -> list[str]:
    """Return what became of the sides of the setup before the entry bar: `missed`, `invalidated`, or nothing."""
    before = slice(int(bars.rows[entry]), track.first)
    high, low = int(track.high[before].max()), int(track.low[before].min())
    setup_high, setup_low = int(bars.high[entry - 1]), int(bars.low[entry - 1])
    margin = 1 if rules.fills.touch else 0
    taken = {"long": high > setup_high - margin, "short": low < setup_low + margin}
    beyond = {"long": high > setup_high, "short": low < setup_low}
    sides: list[Side] = [side for side in ("long", "short") if bool(made.side(side).given[entry - 1])]
    if not any(taken[side] or beyond[opposite(side)] for side in sides):
        return []
    first = _first_side(track, bars, entry, rules, start)
    sides.sort(key=lambda side: side != (first or "long"))
    if len(sides) == 2:
        return ["missed"]
    side = sides[0]
    killed = beyond[opposite(side)]
    if killed and (not taken[side] or first == opposite(side)):
        return ["invalidated"]
    return ["missed"] if taken[side] else []


def _first_side(track: Track, bars: FrameBars, entry: int, rules: Rules, start: datetime) -> Side:
    """Return which side of the setup bar broke first: by the bars within, else by the candle path (see its scanner)."""
    first, last = int(bars.rows[entry]), track.first
    path = FiftyPercentRule(track.price(int(bars.high[entry - 1])), track.price(int(bars.low[entry - 1])))
    known = frames_of(track, [name for name in finer(bars.timeframe) if name in _history(rules)], start)
    for inner in known.values():  # finest first
        begins = np.searchsorted(inner.opens, bars.opens[entry])
        if len(inner) and int(inner.opens[0]) <= int(bars.opens[entry]) and begins < len(inner):
            edges = [*(edge for edge in inner.rows[begins:].tolist() if edge < last), last]
            for one, other in pairwise(edges):
                path.through(*_whole(track, one, other))
            break
    else:
        path.through(*_whole(track, first, last))
    close, opened = int(track.close[last - 1]), int(track.open[first])
    return path.first_side or ("short" if close >= opened else "long")


def _history(rules: Rules) -> tuple[str, ...]:
    """The timeframes of the history a replay begins with."""
    return watched(msgspec.structs.replace(rules, alerts=AlertRules()))


def _whole(track: Track, first: int, last: int) -> tuple[Decimal, Decimal, Decimal]:
    high, low = track.high[first:last].max(), track.low[first:last].min()
    return track.price(int(high)), track.price(int(low)), track.price(int(track.close[last - 1]))
