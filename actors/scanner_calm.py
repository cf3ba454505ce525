"""Calm: the prices between which a product's trades change nothing but the closes and volumes of its forming bars.

Most trades are of that kind. They make no new high or low, end no bar, do not move the 50 % rule of a forming bar, and
leave full continuity as it is: all that needs a look at a single frame is then known beforehand.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from actors.scanner_frames import ScannerState
from atlas.market.aggregation import FormingBar


class Calm(msgspec.Struct, frozen=True):
    """Trades at prices strictly between `low` and `high`, stamped before `until`, only go on with these `bars`."""

    low: Decimal
    high: Decimal
    until: datetime
    bars: tuple[FormingBar, ...]

    def holds(self, at: datetime, price: Decimal) -> bool:
        """Whether a trade is such a one."""
        return self.low < price < self.high and at < self.until

    def take(self, price: Decimal, size: Decimal) -> None:
        """Take it."""
        for bar in self.bars:
            bar.close = price
            bar.volume += size


def calm_of(state: ScannerState, price: Decimal) -> Calm | None:
    """Return the calm around the last trade's price; None if a frame has no bar, or full continuity is to be told."""
    bars: list[FormingBar] = []
    lows, highs = list[Decimal](), list[Decimal]()
    for frame in state.frames.values():
        if frame.forming is None:
            return None
        bars.append(frame.forming)
        lows.append(frame.forming.low)
        highs.append(frame.forming.high)
        if frame.path is not None:
            low, high = frame.path.unmoved
            lows.append(low)
            highs.append(high)
    if state.full is not None and state.full.levels is not None:
        side, (lowest, highest) = state.full.side_at(price), state.full.levels
        if side != state.full.side:
            return None
        if side != "short":
            lows.append(highest if side == "long" else lowest)
        if side != "long":
            highs.append(lowest if side == "short" else highest)
    if not bars:
        return None
    return Calm(max(lows), min(highs), min(bar.close_time for bar in bars), tuple(bars))
