"""Timeframe continuity of many triggers at once: the rule of `atlas.strat.continuity` over arrays (strat.md 4)."""

from collections.abc import Mapping

import msgspec
import numpy as np

from atlas.backtest.frames import FrameBars
from atlas.backtest.track import Ints, Track
from atlas.backtest.triggers import Triggers
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import Rules
from atlas.strat.setup import ContinuityReading
from atlas.strat.vectors import Codes, Flags

AGREES, DISAGREES, UNKNOWN = 1, 0, -1


class Agreement(msgspec.Struct, frozen=True):
    """Of n triggers: whether enough frames agree, whether all do, and what each frame of the rule says.

    `frames` has a row for each trigger and a column for each frame of its rule, unused ones DISAGREES; `codes` has a
    number for each row, the same for the same; `known` are readings made before.
    """

    enough: Flags
    full: Flags
    frames: Codes
    codes: list[int]
    known: dict[tuple[str, bool, int], ContinuityReading] = {}

    def reading(self, place: int, timeframe: str, long: bool, rules: Rules) -> ContinuityReading:
        """Return one trigger's reading in full."""
        key = timeframe, long, self.codes[place]
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._reading(place, timeframe, long, rules)
        return found

    def _reading(self, place: int, timeframe: str, long: bool, rules: Rules) -> ContinuityReading:
        names, needed = rules.strat.continuity[timeframe]
        said = dict(zip(names, self.frames[place].tolist(), strict=False))
        return ContinuityReading(
            side="long" if long else "short",
            mode=rules.strat.continuity_mode,
            frames=names,
            agree=tuple(name for name in names if said[name] == AGREES),
            disagree=tuple(name for name in names if said[name] == DISAGREES),
            unknown=tuple(name for name in names if said[name] == UNKNOWN),
            needed=needed,
        )


def agreement(
    track: Track, triggers: Triggers, places: Ints, frames: Mapping[str, FrameBars], rules: Rules
) -> Agreement:
    """Return the agreement of some triggers, each at its own trade and for the side that broke."""
    strat = rules.strat
    widest = max((len(strat.continuity[timeframe][0]) for timeframe in strat.timeframes), default=0)
    said = np.full((len(places), widest), DISAGREES, np.int8)
    enough, full = np.zeros(len(places), np.bool_), np.zeros(len(places), np.bool_)
    by_frame = triggers.frames[places]
    measure = _by_open if strat.continuity_mode == "open" else _by_type
    for timeframe in strat.timeframes:
        mine = np.flatnonzero(by_frame == TIMEFRAMES.index(timeframe))
        if not len(mine):
            continue
        names, needed = strat.continuity[timeframe]
        some = triggers.cut(places[mine])
        for column, name in enumerate(names):
            said[mine, column] = measure(track, some, frames[name])
        agreeing = (said[mine] == AGREES).sum(axis=1)
        enough[mine], full[mine] = agreeing >= needed, agreeing == len(names)
    codes = (said - UNKNOWN) @ (3 ** np.arange(widest))  # in base 3
    return Agreement(enough, full, said, codes.tolist())


def _by_open(_: Track, triggers: Triggers, bars: FrameBars) -> Codes:
    """Price against the open of the current period; that of the first trade there was, if it was known from then."""
    place = bars.holding(triggers.times)
    known = place >= 0
    opened = bars.open[np.maximum(place, 0)] if len(bars) else np.zeros(len(place), np.int64)
    agrees = np.where(triggers.long, triggers.price > opened, triggers.price < opened)
    return np.where(known, np.where(agrees, AGREES, DISAGREES), UNKNOWN).astype(np.int8)


def _by_type(track: Track, triggers: Triggers, bars: FrameBars) -> Codes:
    """The type of the forming bar, up to the triggering trade; a 3 counts by its color."""
    place = bars.holding(triggers.times)
    known = place >= 1  # it has a bar before it
    if not known.any():
        return np.full(len(place), UNKNOWN, np.int8)
    place = np.maximum(place, 1)
    high, low = _so_far(track, triggers.points, bars.rows[place])
    taken_up, taken_down = high > bars.high[place - 1], low < bars.low[place - 1]
    green, red = triggers.price > bars.open[place], triggers.price < bars.open[place]
    long = np.where(taken_down, taken_up & green, taken_up)
    short = np.where(taken_up, taken_down & red, taken_down)
    agrees = np.where(triggers.long, long, short)
    return np.where(known, np.where(agrees, AGREES, DISAGREES), UNKNOWN).astype(np.int8)


def _so_far(track: Track, points: Ints, begins: Ints) -> tuple[Ints, Ints]:
    """Return the extremes from the first trade of a row on, up to a point."""
    rows, places = points // track.points, points % track.points
    prices = track.paths(rows)
    later = np.arange(track.points) > places[:, None]
    high = np.where(later, prices[:, :1], prices).max(axis=1)
    low = np.where(later, prices[:, :1], prices).min(axis=1)
    for place, (begin, row) in enumerate(zip(begins.tolist(), rows.tolist(), strict=True)):
        if begin < row:
            high[place] = max(int(high[place]), int(track.high[begin:row].max()))
            low[place] = min(int(low[place]), int(track.low[begin:row].min()))
    return high, low
