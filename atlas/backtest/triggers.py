"""Every trigger of a track, found by searching: the first trade of each entry bar that is beyond the setup bar.

Beyond the setup bar's high or low lie the triggers of its setups and what invalidates them (strat.md 2, 3), so each
entry bar has one decisive trade at most: it triggers the side it breaks to, or kills the other where that stands alone.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np

from atlas.backtest.frames import FrameBars
from atlas.backtest.track import Ints, Track, first_beyond
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import Rules
from atlas.strat.setup import FAMILIES
from atlas.strat.vectors import Codes, Flags
from atlas.strat.vectors_setups import SetupArrays, setups_of


class Triggers(msgspec.Struct, frozen=True):
    """n triggers of one track, in the order they are taken: by time, at one trade longest timeframe first.

    `frames` are places in TIMEFRAMES, `bars` those of the setup bar in its frame, `families` in FAMILIES. `price` is
    that of the triggering trade in units, `stop` raw in units, `target` raw in `1 / parts` of a unit.
    """

    points: Ints
    times: Ints
    price: Ints
    long: Flags
    frames: Codes
    bars: Ints
    families: Codes
    stop: Ints
    target: Ints

    def __len__(self) -> int:
        return len(self.points)

    def cut(self, places: Ints | Flags) -> "Triggers":
        """Return some of them."""
        return Triggers(*(getattr(self, name)[places] for name in self.__struct_fields__))


class Broken(msgspec.Struct):
    """What the first breaks made of the setups of a track; `invalidated` by (timeframe, family)."""

    triggers: Triggers
    invalidated: Counter[tuple[str, str]]
    setups: dict[str, SetupArrays]


def broken(track: Track, frames: Mapping[str, FrameBars], rules: Rules) -> Broken:
    """Return the triggers of all detection timeframes, of entry bars with a trade in the stretch that is played."""
    found: list[Triggers] = []
    invalidated: Counter[tuple[str, str]] = Counter()
    setups: dict[str, SetupArrays] = {}
    for timeframe in rules.strat.timeframes:
        bars = frames[timeframe]
        made = setups[timeframe] = setups_of(bars.high, bars.low, rules.strat)
        triggers, killed = _of_frame(track, bars, made, touch=rules.fills.touch)
        found.append(triggers)
        for family, often in enumerate(np.bincount(made.families[killed], minlength=len(FAMILIES)).tolist()):
            if often:
                invalidated[timeframe, FAMILIES[family]] += often
    together = Triggers(*(np.concatenate(columns) for columns in zip(*map(_columns, found), strict=True)))
    return Broken(together.cut(np.lexsort((-together.frames, together.points))), invalidated, setups)


def _columns(triggers: Triggers) -> list[Ints]:
    return [getattr(triggers, name) for name in triggers.__struct_fields__]


def _of_frame(track: Track, bars: FrameBars, made: SetupArrays, *, touch: bool) -> tuple[Triggers, Ints]:
    """Return the triggers of one timeframe, and the setup bars whose one side was killed by a break of the other."""
    # Beyond kills; where a touch is enough to trigger, it is so on the sides that are given.
    above = bars.high[:-1] - made.long.given[:-1] if touch else bars.high[:-1]
    below = bars.low[:-1] + made.short.given[:-1] if touch else bars.low[:-1]
    alive = made.long.given[:-1] | made.short.given[:-1]
    alive &= bars.opens[1:] == bars.closes[:-1]
    alive &= bars.rows[2:] > track.first
    alive &= (bars.high[1:] > above) | (bars.low[1:] < below)
    setup = np.flatnonzero(alive)
    rows = first_beyond(
        track.high, track.low, bars.rows[setup + 1], bars.rows[setup + 2], above[setup], below[setup]
    )
    seen = rows >= track.first  # else it broke before the stretch that is played
    setup, rows = setup[seen], rows[seen]
    paths = track.paths(rows)
    upward = paths > above[setup, None]
    place = (upward | (paths < below[setup, None])).argmax(axis=1)
    numbers = np.arange(len(rows))
    up = upward[numbers, place]  # Touched both at once (a bar of one price), the long comes first, by its id.
    given = np.where(up, made.long.given[setup], made.short.given[setup])
    killed = setup[~given]
    setup, rows, place, up = setup[given], rows[given], place[given], up[given]
    points = track.points * rows + place
    through = (place > 0) & track.through
    level = np.where(up, bars.high[setup], bars.low[setup])
    frame = np.full(len(setup), TIMEFRAMES.index(bars.timeframe), np.int8)
    triggers = Triggers(
        points=points,
        times=track.times[rows] + place * track.step,
        price=np.where(through, level, paths[given][np.arange(len(setup)), place]),
        long=up,
        frames=frame,
        bars=setup,
        families=made.families[setup],
        stop=np.where(up, made.long.stop[setup], made.short.stop[setup]),
        target=np.where(up, made.long.target[setup], made.short.target[setup]),
    )
    return triggers, killed
