"""A trigger that the gates of setup and market let pass, and the setup it is of, made when it is asked for."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.backtest.account_gates import costs_of
from atlas.backtest.agreement import Agreement, agreement
from atlas.backtest.foreseen import Foreseen, foreseen
from atlas.backtest.frames import FrameBars
from atlas.backtest.gates import Levels
from atlas.backtest.track import Ints, Track, instant
from atlas.backtest.triggers import Triggers
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import Rules
from atlas.strat.naming import setup_id, stamp
from atlas.strat.setup import FAMILIES, ContinuityReading, Setup, Side
from atlas.strat.vectors import TYPES
from atlas.strat.vectors_setups import SetupArrays

SIDES: Final[dict[bool, Side]] = {True: "long", False: "short"}


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """See the module. `number` is that of its product, `price` that of the triggering trade in units.

    `full`: every frame agrees. `fees`: the gate of that name lets it pass. `one_contract` is what one contract risks
    and costs, about, in USD. `opened` and `closed` are when the setup bar did, `name` is its setup's, unresolved;
    `last_row` is the first row behind the entry bar. `stop` and `target` are the levels on the tick, counted in ticks;
    `foreseen` is the exit they come to.
    """

    time: int
    number: int
    point: int
    price: int
    bar: int
    side: Side
    timeframe: str
    family: str
    place: int
    track: Track
    bars: FrameBars
    made: SetupArrays
    measured: Agreement
    fees: bool
    one_contract: float
    full: bool
    opened: int
    closed: int
    last_row: int
    stop: int
    target: int
    name: str
    foreseen: Foreseen

    @property
    def reference(self) -> Decimal:
        """The price of the triggering trade."""
        return self.track.price(self.price)

    @property
    def opposite(self) -> Decimal:
        """The extreme of the setup bar whose break makes the entry bar a 3."""
        return self.track.price(int((self.bars.low if self.side == "long" else self.bars.high)[self.bar]))

    @property
    def entry_bar_end(self) -> datetime:
        """When its entry bar closes."""
        return instant(int(self.bars.closes[self.bar + 1]))

    def id(self, opened: datetime) -> str:
        """Return the setup's id; `opened` is when its bar did."""
        return setup_id(self.track.product.id, self.timeframe, stamp(opened), self.name, self.side)

    def setup(self) -> Setup:
        """Return the setup with its levels as exact as those made bar by bar."""
        return setup_at(self.track, self.bars, self.made, self.bar, self.side)

    def levels(self) -> tuple[Decimal, Decimal]:
        """Return stop and target on the product's tick."""
        tick = self.track.product.tick
        return self.stop * tick, self.target * tick

    def reading(self, rules: Rules) -> ContinuityReading:
        """Return its continuity at the trigger."""
        return self.measured.reading(self.place, self.timeframe, self.side == "long", rules)


def candidates(
    number: int,
    track: Track,
    triggers: Triggers,
    frames: Mapping[str, FrameBars],
    setups: Mapping[str, SetupArrays],
    rules: Rules,
) -> list[Candidate]:
    """Return the triggers of one product as candidates, in their order."""
    measured = agreement(track, triggers, np.arange(len(triggers)), frames, rules)
    levels = Levels(track, triggers)
    costs = costs_of(track, triggers, levels, rules)
    opened, closed, last_rows, opposites = _ends(triggers, frames)
    columns = (
        triggers.times, triggers.points, triggers.price, triggers.bars, triggers.long, triggers.frames,
        triggers.families, costs.fees, costs.one_contract, measured.full, opened, closed,
        last_rows, levels.stop // levels.tick, levels.target // levels.tick, _names(triggers, setups),
    )  # fmt: skip
    exits = foreseen(track, triggers, levels, opposites, last_rows, rules)
    found = []
    for place, (time, point, price, bar, long, frame, family, *rest) in enumerate(
        zip(*(column.tolist() for column in columns), exits, strict=True)
    ):
        timeframe, side = TIMEFRAMES[frame], SIDES[long]
        trigger = (time, number, point, price, bar, side, timeframe, FAMILIES[family], place)
        found.append(Candidate(*trigger, track, frames[timeframe], setups[timeframe], measured, *rest))
    return found


def _ends(triggers: Triggers, frames: Mapping[str, FrameBars]) -> tuple[Ints, Ints, Ints, Ints]:
    """Return when setup bars opened and closed, the first row behind the entry bar, the extreme on the other side."""
    opened, closed, rows, opposites = (np.zeros(len(triggers), np.int64) for _ in range(4))
    for name, bars in frames.items():
        mine = triggers.frames == TIMEFRAMES.index(name)
        setup = triggers.bars[mine]
        opened[mine], closed[mine], rows[mine] = bars.opens[setup], bars.closes[setup], bars.rows[setup + 2]
        opposites[mine] = np.where(triggers.long[mine], bars.low[setup], bars.high[setup])
    return opened, closed, rows, opposites


def _names(triggers: Triggers, setups: Mapping[str, SetupArrays]) -> NDArray[np.object_]:
    """Return each setup's name, made once for each kind: the types of its two bars, and how far apart they are."""
    names = np.empty(len(triggers), np.object_)
    for timeframe, made in setups.items():
        mine = triggers.frames == TIMEFRAMES.index(timeframe)
        bars = triggers.bars[mine]
        before = made.before[bars]
        kinds = ((bars - before) * len(TYPES) + made.types[before]) * len(TYPES) + made.types[bars]
        _, first, of = np.unique(kinds, return_index=True, return_inverse=True)
        names[mine] = np.array([made.name(bar) for bar in bars[first].tolist()], np.object_)[of]
    return names


def setup_at(track: Track, bars: FrameBars, made: SetupArrays, bar: int, side: Side) -> Setup:
    """Return one side of the setup that a bar gives."""
    one, long = made.side(side), side == "long"
    high, low = track.price(int(bars.high[bar])), track.price(int(bars.low[bar]))
    opened, closed = instant(int(bars.opens[bar])), instant(int(bars.closes[bar]))
    name = made.name(bar)
    return Setup(
        id=setup_id(track.product.id, bars.timeframe, stamp(opened), name, side),
        symbol=track.product.id,
        timeframe=bars.timeframe,
        name=name,
        family=FAMILIES[int(made.families[bar])],
        side=side,
        setup_time=opened,
        valid_from=closed,
        valid_until=instant(int(bars.closes[bar + 1])),
        trigger=high if long else low,
        stop=track.price(int(one.stop[bar])),
        target=track.price(int(one.target[bar])) / made.parts,
        opposite_level=low if long else high,
        two_sided=bool(made.two_sided[bar]),
        measured=bool(one.measured[bar]),
    )
