"""The gates that look at the setup and the market alone, over whole arrays of triggers (strat.md 5).

The rules are those of `atlas.risk`; a test holds both to the same verdicts. Levels are compared as whole numbers of a
part of the price's unit, shares as float64 and, where that is too near to tell, by the Decimals of `atlas.risk`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np

from atlas.backtest.agreement import agreement
from atlas.backtest.frames import FrameBars
from atlas.backtest.track import Ints, Track, instant, micros
from atlas.backtest.triggers import Triggers
from atlas.market.sessions import breaks, closed_reason
from atlas.money.exits import LAST_DAY
from atlas.risk import MARKET_GATES, SWITCHABLE, least_reward_risk
from atlas.rules import Rules
from atlas.strat.setup import FAMILIES
from atlas.strat.vectors import Codes, Flags
from atlas.strat.vectors_setups import PARTS

PASSED: Final = -1
GATES: Final = tuple(MARKET_GATES)
_NEAR: Final = 1e-9


class Levels:
    """Reference, stop and target of triggers on the product's tick, in `1 / parts` of a unit; so is `tick`."""

    def __init__(self, track: Track, triggers: Triggers) -> None:
        tick = Fraction(track.product.tick) * 10**track.scale * PARTS
        self.parts = PARTS * tick.denominator
        self.tick = whole = int(tick * tick.denominator)
        long = triggers.long
        self.reference = triggers.price * self.parts
        stop, target = triggers.stop * self.parts, triggers.target * tick.denominator
        self.stop = np.where(long, stop // whole, -(-stop // whole)) * whole
        self.target = np.where(long, target // whole, -(-target // whole)) * whole
        self.sign = np.where(long, 1, -1)


def first_failed(track: Track, triggers: Triggers, frames: Mapping[str, FrameBars], rules: Rules) -> Codes:
    """Return the place in GATES of the first gate each trigger fails, PASSED where it fails none of them."""
    failed = np.full(len(triggers), PASSED, np.int8)
    levels = Levels(track, triggers)
    gain = (levels.target - levels.reference) * levels.sign
    risk = (levels.reference - levels.stop) * levels.sign

    def fail(gate: str, passed: Callable[[Ints], Flags]) -> None:
        """Look at those that have passed so far."""
        if gate in rules.gates.off and gate in SWITCHABLE:
            return
        left = np.flatnonzero(failed == PASSED)
        failed[left[~passed(left)]] = GATES.index(gate)

    fail("session_closed", lambda left: _open(track, triggers.times[left]))
    fail("not_traded", lambda left: _traded(track, triggers, left, rules))
    fail("price_past_stop", lambda left: risk[left] > 0)
    fail("price_past_target", lambda left: gain[left] > 0)
    fail("magnitude", lambda left: at_least(gain[left], levels.reference[left], rules.gates.min_magnitude))
    least = [least_reward_risk(rules, family) for family in FAMILIES]
    fail("reward_risk", lambda left: _rewarded(gain[left], risk[left], triggers.families[left], least))
    fail("continuity", lambda left: agreement(track, triggers, left, frames, rules).enough)
    return failed


def _open(track: Track, times: Ints) -> Flags:
    """Whether the product can be entered: no break, and not the last day before its expiry."""
    product = track.product
    if not len(times):
        return np.ones(0, np.bool_)
    if product.as_of is not None or not product.session_open or product.suspended:
        # What a listing says holds until the calendar changes: asked instant by instant.
        entered = [closed_reason(product, instant(at)) is None for at in times.tolist()]
        is_open = np.array(entered, np.bool_)
    else:
        is_open = ~in_breaks(track, times)
    if product.expiry is not None:
        is_open &= times < micros(product.expiry - LAST_DAY)
    return is_open


def in_breaks(track: Track, times: Ints) -> Flags:
    """Return whether each instant lies in a break of the calendar; `times` ascend."""
    found = breaks(track.product, instant(int(times[0])), instant(int(times[-1]) + 1))
    inside = np.zeros(len(times), np.bool_)
    for begins, ends in found:
        inside[slice(*np.searchsorted(times, [micros(begins), micros(ends)]).tolist())] = True
    return inside


def _traded(track: Track, triggers: Triggers, left: Ints, rules: Rules) -> Flags:
    if rules.mode == "signals":
        return np.zeros(len(left), np.bool_)
    families = np.array([family in rules.strat.families for family in FAMILIES], np.bool_)
    traded: Flags = families[triggers.families[left]]
    if track.product.kind == "spot" and rules.sizing.long_only_spot:
        traded &= triggers.long[left]
    return traded


def _rewarded(gain: Ints, risk: Ints, families: Codes, least: list[Decimal]) -> Flags:
    enough = np.zeros(len(gain), np.bool_)
    for family, share in enumerate(least):
        mine = families == family
        enough[mine] = at_least(gain[mine], risk[mine], share)
    return enough


def at_least(value: Ints, of: Ints, share: Decimal) -> Flags:
    """Return value ÷ of ≥ share, as Decimals say it."""
    found, wanted = value / of, float(share)
    enough: Flags = found >= wanted
    for place in np.flatnonzero(np.abs(found - wanted) <= _NEAR * max(abs(wanted), 1.0)).tolist():
        enough[place] = Decimal(int(value[place])) / Decimal(int(of[place])) >= share
    return enough
