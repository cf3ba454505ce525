"""Setups of many bars at once: the table of `setups` over NumPy arrays, as exact as the setups made one by one.

The table itself is read, not written again: each (type of the bar before, type of C1) becomes one byte that says the
family, the sides, where the stop stands and what the target is.
"""

from collections.abc import Collection
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.errors import InternalError
from atlas.rules import StratRules
from atlas.strat.naming import unresolved
from atlas.strat.setup import FAMILIES, Side
from atlas.strat.setups import MEASURED_MOVE, OUTSIDE_MOVE, TABLE
from atlas.strat.vectors import (
    CHUNK,
    TYPES,
    UNTYPED,
    Codes,
    Flags,
    Prices,
    check_range,
    count_of,
    empty_like,
    require_length,
    types_of,
)

PARTS: Final = 200
"""Targets of whole prices are in 1/200 of the price's unit: 1.5 × risk and 1.5 % of a trigger are whole then."""

_FAMILY, _LONG, _SHORT, _STOP_BEFORE, _OUTSIDE = 7, 8, 16, 32, 64
_CODE: Final = {name: code for code, name in TYPES.items()}


class SideArrays(msgspec.Struct, frozen=True):
    """One side of n bars. `stop`, `target` and `measured` mean something only where `given` is true.

    `target` is in `1 / SetupArrays.parts` of the prices' unit.
    """

    given: Flags
    stop: Prices
    target: Prices
    measured: Flags

    @classmethod
    def empty(cls, like: Prices) -> "SideArrays":
        """Return arrays for as many bars as there are such prices, to be filled."""
        bars = len(like)
        return cls(np.empty(bars, np.bool_), np.empty_like(like), np.empty_like(like), np.empty(bars, np.bool_))


class SetupArrays(msgspec.Struct, frozen=True):
    """What each of n bars gives as C1; the trigger is its high for a long, its low for a short.

    `families` are places in FAMILIES, -1 for no setup. `before` is the index of the bar the table speaks of: C2, or the
    bar before the whole run where C1 is a 1; -1 for the first bar.
    """

    types: Codes
    families: Codes
    before: NDArray[np.int64]
    long: SideArrays
    short: SideArrays
    parts: int

    @classmethod
    def empty(cls, like: Prices) -> "SetupArrays":
        """Return arrays for as many bars as there are such prices, to be filled."""
        bars = len(like)
        codes, families = np.empty(bars, np.int8), np.empty(bars, np.int8)
        parts = PARTS if like.dtype == np.int64 else 1
        return cls(codes, families, np.empty(bars, np.int64), SideArrays.empty(like), SideArrays.empty(like), parts)

    @property
    def two_sided(self) -> Flags:
        """Whether both sides are given."""
        return self.long.given & self.short.given

    def side(self, side: Side) -> SideArrays:
        """Return one side's arrays."""
        return self.long if side == "long" else self.short

    def name(self, bar: int) -> str:
        """Return the unresolved name of the setup that bar gives. Raises InternalError if it gives none."""
        before, kind = int(self.before[bar]), TYPES[int(self.types[bar])]
        if self.families[bar] < 0 or kind is None:
            raise InternalError(f"bar {bar} gives no setup, and has been asked for its name: report this")
        prior = TYPES[int(self.types[before])]
        row = next(row for row in TABLE if row.setup_bar == kind and prior in row.before)
        return unresolved(prior if row.named else None, kind, bar - before)


def setups_of(
    high: Prices, low: Prices, rules: StratRules, out: SetupArrays | None = None, chunk: int = CHUNK
) -> SetupArrays:
    """Return every setup, traded or not, of every bar. `rules` have passed `setups.validate`.

    Memory is linear: 46 bytes a bar, and one chunk.

    Raises:
        DataError: the arrays are not of one length and kind, or a price is negative, too large or no number.
    """
    bars = count_of(high, low)
    found = SetupArrays.empty(high) if out is None else out
    require_length(found.families, bars)
    types_of(high, low, out=found.types, chunk=chunk)
    if not bars:
        return found
    check_range(high[:1])
    check_range(low[:1])
    found.families[0] = found.before[0] = -1
    for side in (found.long, found.short):
        side.given[0] = side.measured[0] = False
        side.stop[0] = side.target[0] = 0
    worker = _Reader(high, low, rules, found, min(chunk, bars))
    for start in range(1, bars, chunk):
        worker.read(start, min(start + chunk, bars))
    return found


def _bytes_of_table(families: Collection[str]) -> NDArray[np.uint8]:
    """Return their rows as bytes, at `4 × (code of the type before + 1) + code of C1's type`; 0 where no row."""
    rows = np.zeros(4 * len(TYPES), np.uint8)
    for row in TABLE:
        if row.family not in families:
            continue
        told = FAMILIES.index(row.family) + 1
        told |= _LONG * ("long" in row.sides) | _SHORT * ("short" in row.sides)
        told |= _STOP_BEFORE * (row.stop == "before") | _OUTSIDE * (row.target == "outside")
        for before in row.before:
            rows[4 * (_CODE[before] - UNTYPED) + _CODE[row.setup_bar]] = told
    return rows


def _mask(flags: Flags, room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all bits for a true flag, none for a false one."""
    mask = room[: len(flags)]
    np.copyto(mask, flags)
    return np.negative(mask, out=mask)


def _choose(mask: NDArray[np.int64], chosen: Prices, other: Prices, out: Prices, room: Prices) -> None:
    """Write `chosen` where the mask has bits, else `other`; overwrites `room`, which may be `chosen` but not `other`.

    By the bits of either kind of price: copying under a condition takes ten times as long.
    """
    told, bits = other.view(np.int64), room.view(np.int64)
    np.bitwise_xor(chosen.view(np.int64), told, out=bits)
    np.bitwise_and(bits, mask, out=bits)
    np.bitwise_xor(bits, told, out=out.view(np.int64))


class _Reader:
    """Reads the table for bars chunk by chunk; holds the room for the steps in between."""

    def __init__(self, high: Prices, low: Prices, rules: StratRules, found: SetupArrays, chunk: int) -> None:
        self._high, self._low, self._found = high, low, found
        self._structure = rules.stop == "structure"
        self._rows = _bytes_of_table(rules.detected)
        self._alone_only = rules.inside == "strict"
        self._outside_target = rules.outside_target
        self._reach: int | float = float(MEASURED_MOVE) if found.parts == 1 else int(MEASURED_MOVE * found.parts)
        self._percent: int | float = float(OUTSIDE_MOVE) if found.parts == 1 else int(OUTSIDE_MOVE * found.parts)
        self._run_begins_after = 0
        self._numbers = np.arange(chunk)
        self._places = np.empty(chunk, np.int64)
        self._masks = [np.empty(chunk, np.int64) for _ in range(3)]
        self._kinds = [np.empty(chunk, np.uint8) for _ in range(2)]
        self._flags = [np.empty(chunk, np.bool_) for _ in range(3)]
        self._prices: list[Prices] = [empty_like(high, chunk) for _ in range(5)]

    def read(self, start: int, end: int) -> None:
        """Write the setups of bars [start, end), start > 0."""
        high, low = self._high[start:end], self._low[start:end]
        check_range(high)
        check_range(low)
        kinds, room = (kinds[: end - start] for kinds in self._kinds)
        before = self._before(start, end)
        np.take(self._found.types, before, out=room.view(np.int8), mode="clip")
        np.add(room, 1, out=room)
        np.left_shift(room, 2, out=room)
        np.add(room, self._found.types[start:end].view(np.uint8), out=room)
        np.copyto(self._places[: end - start], room)
        np.take(self._rows, self._places[: end - start], out=kinds, mode="clip")
        np.bitwise_and(kinds, _FAMILY, out=room)
        np.subtract(room.view(np.int8), 1, out=self._found.families[start:end])
        flags = self._flags[0][: end - start]
        _mask(np.not_equal(np.bitwise_and(kinds, _STOP_BEFORE, out=room), 0, out=flags), self._masks[0])
        _mask(np.not_equal(np.bitwise_and(kinds, _OUTSIDE, out=room), 0, out=flags), self._masks[1])
        prior_high, prior_low = (prices[: end - start] for prices in self._prices[:2])
        np.take(self._high, before, out=prior_high, mode="clip")
        np.take(self._low, before, out=prior_low, mode="clip")
        cut = slice(start, end)
        self._side("long", cut, kinds, high, low, prior_high, prior_low)
        self._side("short", cut, kinds, low, high, prior_low, prior_high)
        if self._alone_only:
            self._refuse(start, end, (high < prior_high) & (low > prior_low))

    def _refuse(self, start: int, end: int, within: Flags) -> None:
        """Take back what 1s give that are not alone, or not strictly `within` the bar before: `setups.is_alone`."""
        found, cut = self._found, slice(start, end)
        alone = within & (found.before[cut] == np.arange(start - 1, end - 1))
        refused = (found.types[cut] == 0) & ~alone
        found.families[cut][refused] = -1
        for side in (found.long, found.short):
            side.given[cut][refused] = side.measured[cut][refused] = False

    def _before(self, start: int, end: int) -> NDArray[np.int64]:
        """Return the index of the bar the table speaks of: one back, or for a 1 the last bar that is no 1."""
        before, places = self._found.before[start:end], self._places[: end - start]
        inside = np.equal(self._found.types[start:end], 0, out=self._flags[0][: end - start])
        is_inside = _mask(inside, self._masks[0])
        np.add(self._numbers[: end - start], start, out=places)
        np.bitwise_and(places, np.invert(is_inside, out=before), out=before)
        before[0] = max(int(before[0]), self._run_begins_after)
        np.maximum.accumulate(before, out=before)
        self._run_begins_after = int(before[-1])
        np.subtract(places, 1, out=places)
        _choose(is_inside, before, places, out=before, room=before)
        return before

    def _side(
        self, side: Side, cut: slice, kinds: NDArray[np.uint8], near: Prices, far: Prices, prior_near: Prices,
        prior_far: Prices,
    ) -> None:  # fmt: skip
        """Write one side. `near` is the extreme whose break triggers, `far` the other; `prior_…` of the bar before."""
        out = self._found.side(side)
        bars = len(near)
        trigger, reach, room = (prices[:bars] for prices in self._prices[2:])
        flags = self._flags[1][:bars]
        stop_before, outside, spare = self._masks
        beyond: Literal[1, -1] = 1 if side == "long" else -1
        stop, target, given, measured = out.stop[cut], out.target[cut], out.given[cut], out.measured[cut]
        if self._structure:
            _choose(stop_before[:bars], prior_far, far, out=stop, room=stop)
        else:
            np.copyto(stop, far)
        # Signed distances: above 0 for a long, below for a short, so that adding one always goes the side's way.
        np.subtract(near, stop, out=reach)
        positive = np.greater(reach, 0, out=given) if beyond == 1 else np.less(reach, 0, out=given)
        bit = np.bitwise_and(kinds, _LONG if side == "long" else _SHORT, out=self._kinds[1][:bars])
        np.logical_and(positive, np.not_equal(bit, 0, out=flags), out=given)
        np.multiply(reach, self._reach, out=reach)
        np.multiply(near, self._found.parts, out=trigger)
        np.multiply(prior_near, self._found.parts, out=target)
        self._outside(beyond, near, reach, room)
        np.add(room, trigger, out=room)
        _choose(outside[:bars], room, target, out=target, room=room)
        (np.less_equal if beyond == 1 else np.greater_equal)(target, trigger, out=measured)
        np.add(trigger, reach, out=reach)
        _choose(_mask(measured, spare), reach, target, out=target, room=reach)
        np.logical_and(measured, given, out=measured)

    def _outside(self, beyond: Literal[1, -1], near: Prices, reach: Prices, distance: Prices) -> None:
        """Write the distance of the target of `3-?` from its trigger."""
        if self._outside_target == "risk":
            np.copyto(distance, reach)
            return
        np.multiply(near, beyond * self._percent, out=distance)
        if self._outside_target == "nearer":
            (np.minimum if beyond == 1 else np.maximum)(distance, reach, out=distance)
