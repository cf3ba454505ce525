"""The exit of each candidate by its own levels, searched for all of them at once: what `exits.exit_from` would say.

It is told for what can be known before anybody enters: no market exit waits, and the liquidation price is no nearer
than the stop. Who holds a position asks `exits.exit_from` where that is otherwise, or where the search was given up.
"""

from typing import Final

import msgspec
import numpy as np

from atlas.backtest.exits import Exit
from atlas.backtest.gates import Levels
from atlas.backtest.track import Ints, Track, first_beyond, instant, micros
from atlas.backtest.triggers import Triggers
from atlas.money.book import Purpose
from atlas.money.exits import next_multiple
from atlas.rules import Rules
from atlas.strat.vectors import Flags

_ROWS: Final = 4096
"""Rows a search looks at, of the entry bar and behind it: few positions are held longer, and most are never entered."""
_FAR: Final = 2**62
_NONE: Final = -1
_REASONS: Final[tuple[Purpose, ...]] = ("stop", "target", "invalidated")
_STOP, _TARGET, _INVALIDATED = range(3)


class Foreseen(msgspec.Struct, frozen=True, gc=False):
    """`begin` is the first point that may end the position. `exit` None: nothing does before the point `searched`."""

    begin: int
    searched: int
    exit: Exit | None


class _Mirrored(msgspec.Struct, frozen=True):
    """Levels of n candidates in units, mirrored for shorts so that up is the gain: see `exits.Barriers`."""

    sign: Ints
    stop: Ints
    target: Ints
    invalidation: Ints
    entry_bar_end: Ints

    def cut(self, places: Ints) -> "_Mirrored":
        return _Mirrored(*(getattr(self, name)[places] for name in self.__struct_fields__))


class _Walked(msgspec.Struct, frozen=True):
    """Where a row's path first meets a level: its place, _NONE where it meets none; what, and for how sure."""

    at: Ints
    price: Ints
    reason: Ints
    doubtful: Flags


def foreseen(
    track: Track, triggers: Triggers, levels: Levels, opposite: Ints, entry_bar_end: Ints, rules: Rules
) -> list[Foreseen]:
    """Return what each trigger's levels come to. `opposite` is the other side of each setup bar, in units."""
    mirrored = _mirrored(levels, opposite, entry_bar_end, rules)
    begins = _begins(track, triggers, rules)
    rows, places = np.divmod(begins, track.points)
    prices, reasons = np.zeros((2, len(rows)), np.int64)
    told = _Walked(np.full(len(rows), _NONE), prices, reasons, np.zeros(len(rows), np.bool_))
    hit = rows.copy()

    def walk(some: Ints, hit_rows: Ints, from_: Ints) -> None:
        found = _walked(track, mirrored.cut(some), hit_rows, from_)
        met = found.at != _NONE
        hit[some[met]] = hit_rows[met]
        for name in _Walked.__struct_fields__:
            getattr(told, name)[some[met]] = getattr(found, name)[met]

    # The rest of the row it begins within, then whole rows: first those of the entry bar, which may invalidate it.
    within = np.flatnonzero((places > 0) & (rows < len(track)))
    walk(within, rows[within], places[within])
    left = np.flatnonzero(told.at == _NONE)
    searched = rows + (places > 0)
    for ends, nearest in (
        (np.minimum(mirrored.entry_bar_end, len(track)), np.maximum(mirrored.stop, mirrored.invalidation - 1)),
        (np.full(len(rows), len(track)), mirrored.stop),
    ):
        found, until = _searched(track, mirrored, nearest, left, searched[left], ends[left])
        met = found != _NONE
        until[met] = found[met]
        walk(left[met], found[met], np.zeros(int(met.sum()), np.int64))
        searched[left] = until
        left = left[~met & (until >= ends[left])]
    points = track.points * hit + told.at
    at_level = track.through & (told.at > 0) & (told.reason != _INVALIDATED)
    columns = (begins, track.points * searched, told.at, points, told.price, told.reason, told.doubtful, at_level)
    return [
        Foreseen(
            begin, looked,
            None if at == _NONE else Exit(point, price, _REASONS[reason], doubtful, reason == _INVALIDATED, exactly),
        )
        for begin, looked, at, point, price, reason, doubtful, exactly in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]  # fmt: skip


def _mirrored(levels: Levels, opposite: Ints, entry_bar_end: Ints, rules: Rules) -> _Mirrored:
    sign, parts = levels.sign, levels.parts
    target = levels.target * sign
    return _Mirrored(
        sign,
        levels.stop * sign // parts,
        -(-target // parts) - 1 if rules.fills.touch else target // parts,
        opposite * sign if rules.exits.invalidated else np.full(len(sign), -_FAR),
        entry_bar_end,
    )


def _begins(track: Track, triggers: Triggers, rules: Rules) -> Ints:
    """Return the first point that may end each position: the one after its entry, unless the settings make it wait."""
    within = rules.exits.not_within_seconds
    if within:
        waits = [micros(next_multiple(instant(at), within)) for at in triggers.times.tolist()]
        return np.array([track.points_until(at, inclusive=False) for at in waits], np.int64)
    if not track.through:
        return triggers.points + 1
    # What the path was on the way to when it went through the trigger is still to come.
    begins: Ints = triggers.points + (triggers.points % track.points == 0)
    return begins


def _searched(
    track: Track, mirrored: _Mirrored, nearest: Ints, some: Ints, begins: Ints, ends: Ints
) -> tuple[Ints, Ints]:
    """Return the first row of [begins, ends) that meets a level, _NONE if none does, and where the search stopped."""
    until = np.maximum(np.minimum(ends, begins + _ROWS), begins)
    long, target, nearest = mirrored.sign[some] > 0, mirrored.target[some], nearest[some]
    above, below = np.where(long, target, -nearest - 1), np.where(long, nearest + 1, -target)
    return first_beyond(track.high, track.low, begins, until, above, below), until


def _walked(track: Track, levels: _Mirrored, rows: Ints, places: Ints) -> _Walked:
    """Take the points of rows from their places on, as `exits._walk` takes those of one."""
    numbers, order = np.arange(len(rows)), np.arange(track.points)
    prices = track.paths(rows) * levels.sign[:, None]
    costly, gained = prices <= levels.stop[:, None], prices > levels.target[:, None]
    rest = order >= np.maximum(places, 1)[:, None]
    doubtful: Flags = np.any(costly & rest, axis=1)
    doubtful &= np.any(gained & rest, axis=1) & track.guessed
    gained &= ~(doubtful[:, None] & (order > 0))  # its open came first
    inside = (rows < levels.entry_bar_end)[:, None]
    hit = costly | gained | (inside & (prices < levels.invalidation[:, None]))
    hit &= order >= places[:, None]
    at = hit.argmax(axis=1)
    reason = np.where(costly[numbers, at], _STOP, np.where(gained[numbers, at], _TARGET, _INVALIDATED))
    return _Walked(
        np.where(hit[numbers, at], at, _NONE),
        prices[numbers, at] * levels.sign,
        reason,
        doubtful & (at > 0) & (reason == _STOP),
    )
