"""The exchange's clock against this machine's: which timestamps can be believed, and how far the two are apart.

A timestamp that jumps more than a minute ahead of what wall time predicts would close bars and fire timers that are not
due. It is believed only when heartbeats confirm it (architecture.md, Time).
"""

from datetime import datetime, timedelta

import msgspec

from actors.feed_trades import Printed
from atlas.market.bar import Tick

AHEAD = timedelta(minutes=1)


class Reading(msgspec.Struct, frozen=True):
    """The exchange's clock as of an instant of wall time."""

    market: datetime
    wall: datetime

    def predicts(self, wall: datetime) -> datetime:
        """Return what the exchange's clock shows at `wall`, if both run on."""
        return self.market + (wall - self.wall)


class MarketClock(msgspec.Struct):
    """`believed` is the last heartbeat taken for true, `doubted` one that waits for the next to agree with it."""

    believed: Reading | None = None
    doubted: Reading | None = None


def plausible(clock: MarketClock, at: datetime, wall: datetime) -> bool:
    """Return whether `at`, received at `wall`, is at most a minute ahead; before any heartbeat, of the machine."""
    return at <= (clock.believed or Reading(wall, wall)).predicts(wall) + AHEAD


def believe(clock: MarketClock, at: datetime, wall: datetime) -> bool:
    """Take a heartbeat; return whether it is believed. One that jumps ahead is when the next one agrees with it."""
    confirmed = clock.doubted is not None and abs(at - clock.doubted.predicts(wall)) <= AHEAD
    if confirmed or plausible(clock, at, wall):
        clock.believed, clock.doubted = Reading(at, wall), None
        return True
    clock.doubted = Reading(at, wall)
    return False


class Quarantine(msgspec.Struct):
    """Trades held back since one of them was stamped too far ahead, in order; and the heartbeats that came since."""

    held: list[Printed] = []
    heartbeats: int = 0


PATIENCE = 3
"""Heartbeats after which a timestamp none of them confirmed is given up."""


def release(quarantine: Quarantine, clock: MarketClock, wall: datetime) -> tuple[list[Printed], dict[str, list[Tick]]]:
    """After a heartbeat: return what may pass now, and the trades given up, by product.

    Nothing passes as long as something is in doubt: order matters more than a few seconds.
    """
    quarantine.heartbeats += 1
    passing: list[Printed] = []
    given_up: dict[str, list[Tick]] = {}
    for printed in quarantine.held:
        good = tuple(tick for tick in printed.ticks if plausible(clock, tick.time, wall))
        if len(good) < len(printed.ticks):
            given_up.setdefault(printed.product_id, []).extend(tick for tick in printed.ticks if tick not in good)
        passing.append(Printed(printed.product_id, printed.at, printed.snapshot, good))
    if given_up and quarantine.heartbeats < PATIENCE:
        return [], {}
    quarantine.held, quarantine.heartbeats = [], 0
    return passing, given_up
