"""Full timeframe continuity of one product as the scanner watches it: its turns, and when the owner is told.

It is read from the opens, in either mode of continuity: price above all of them, or below all. The opens move only when
a period begins, so a trade costs two comparisons. Every turn is an event. A price that dances on an open makes many;
the owner is told of a side only when it has held for a while of market time and is news, and of each side once an hour.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from actors.messages import ContinuityFlipped, ContinuityHeld, HoldDue
from actors.runtime.behaviour import After, Effect, Send
from atlas.strat.continuity import FrameView, FullContinuity, full_levels
from atlas.strat.setup import Side

AGAIN = timedelta(hours=1)
"""The same side of the same product is told at most this often."""


class FullWatch(msgspec.Struct):
    """`levels` are the lowest and the highest of the four opens, None while one is not known.

    `since` is when it turned last and `turns` how often it has; `begun`: it has been looked at once. `told` is the side
    the owner was told last and `told_at` when each was. `left_at` is when that side was lost, None while it lasts, and
    `regained` that it came back after a real loss. `armed`: a HoldDue is on its way.
    """

    continuity: FullContinuity = msgspec.field(default_factory=FullContinuity)
    levels: tuple[Decimal, Decimal] | None = None
    since: datetime | None = None
    turns: int = 0
    begun: bool = False
    told: Side | None = None
    told_at: dict[Side, datetime] = {}
    left_at: datetime | None = None
    regained: bool = False
    armed: bool = False

    @property
    def side(self) -> Side | None:
        """The side all four agree with, as of the last look."""
        return self.continuity.side

    @property
    def news(self) -> bool:
        """Whether the owner knows nothing of the side there is now."""
        return self.side is not None and (self.side != self.told or self.regained)

    def opened(self, frames: Sequence[FrameView]) -> None:
        """Take the opens anew: a period has begun, or history has come."""
        self.levels = full_levels(frames)

    def side_at(self, price: Decimal) -> Side | None:
        """Return the side all four frames agree with at that price."""
        if self.levels is None:
            return None
        lowest, highest = self.levels
        if price > highest:
            return "long"
        return "short" if price < lowest else None


def look(watch: FullWatch, symbol: str, at: datetime, price: Decimal, hold: timedelta) -> Iterator[Effect]:
    """Take the price of now: tell the journal of a turn, and arm the timer if its side is news.

    The side the market is found on when it is first looked at counts as told.
    """
    side, before, first = watch.side_at(price), watch.side, not watch.begun
    watch.begun = True
    turn = watch.continuity.turn(side)
    if turn is not None:
        watch.since, watch.turns = at, watch.turns + 1
        yield Send("journal", ContinuityFlipped(symbol, at, before, side, turn, price, watch.turns, first))
        if first and side is not None:
            watch.told, watch.told_at = side, {side: at}
        elif before is not None and before == watch.told:
            watch.left_at = at
        elif side is not None and side == watch.told and watch.left_at is not None:
            watch.regained = watch.regained or at - watch.left_at >= hold
            watch.left_at = None
    if watch.news and not watch.armed:
        yield _due(watch, hold)


def held(watch: FullWatch, symbol: str, now: datetime, hold: timedelta) -> Iterator[Effect]:
    """The timer: tell the owner of a side that has held long enough, once; look again where it has not yet."""
    watch.armed = False
    side, since = watch.side, watch.since
    if side is None or since is None or not watch.news:
        return
    last = watch.told_at.get(side)
    if now - since < hold:
        yield _due(watch, since + hold - now)
    elif last is None or now - last >= AGAIN:
        yield Send("journal", ContinuityHeld(symbol, now, side, since, watch.told))
        watch.regained, watch.told, watch.left_at = False, side, None
        watch.told_at = {**watch.told_at, side: now}
    elif side == watch.told:
        watch.regained = False
    else:
        yield _due(watch, last + AGAIN - now)


def _due(watch: FullWatch, wait: timedelta) -> Effect:
    watch.armed = True
    return After(max(wait.total_seconds(), 1e-6), HoldDue())
