"""The vectorised backtest: the trades a replay would make, found by searching columns instead of walking bars.

    rows ─▶ bars of each frame ─▶ setups ─▶ first break of each entry bar ─▶ gates of setup and market ─▶ account
            frames.py             strat      triggers.py                       gates.py                     account.py

Everything up to the gates is done over whole arrays. What is left, some hundred triggers a year, goes through the
account one after the other, with the rules of `atlas.risk` and `atlas.money`; exits are found by search. The result
equals that of `atlas replay --data` field by field.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec
import numpy as np

from atlas.backtest.account import Account
from atlas.backtest.candidate import Candidate, candidates
from atlas.backtest.entries import Entrance
from atlas.backtest.frames import frames_of, watched
from atlas.backtest.funding_hours import FundingHours
from atlas.backtest.gates import GATES, PASSED, first_failed
from atlas.backtest.holding import BY_TRADE
from atlas.backtest.limits import check
from atlas.backtest.listing import listed
from atlas.backtest.opening import before_the_start
from atlas.backtest.result import Counts, Outcome, daily_equity, outcome
from atlas.backtest.track import Track, instant, track_of
from atlas.backtest.triggers import broken
from atlas.errors import UsageError
from atlas.market.funding_file import FundingFile
from atlas.market.past import PastFile, check_timeframe, span
from atlas.market.path import GUESSED, PathRules
from atlas.market.product import Product
from atlas.market.timeframes import TIMEFRAMES
from atlas.money.funding import hourly_rate
from atlas.rules import Rules
from atlas.strat.setup import FAMILIES

TURN: Final = attrgetter("time", "number", "point")
"""Of a candidate: when its turn is, and with which it was triggered by one trade."""


class Played(msgspec.Struct, frozen=True):
    """A product, the file of its past, and its past funding rates; without them the product's own counts."""

    product: Product
    file: PastFile
    funding: FundingFile | None = None


def backtest(
    played: Sequence[Played],
    rules: Rules,
    start: datetime | None = None,
    end: datetime | None = None,
    path: PathRules = GUESSED,
) -> Outcome:
    """Play files between two instants, by default from the first row of the earliest to the end of the latest.

    Raises UsageError if the stretch is empty or nothing of a file lies in it, DataError if a timeframe is no whole
    multiple of a file's step, ConfigurationError for settings only a replay knows (`limits.check`).
    """
    check(rules, path)
    start, end = stretch([one.file for one in played], start, end)
    counts, waiting = Counts(), list[Candidate]()
    tracks = [track_of(one.product, one.file, start, end, path) for one in played]
    grace = timedelta(seconds=rules.strat.close_grace_seconds)
    # The last candle may be cut by the end: it is walked to its own.
    last = max(end + grace, *(instant(track.last_at) for track in tracks))
    for number, (one, track) in enumerate(zip(played, tracks, strict=True)):
        for timeframe in watched(rules):
            check_timeframe(one.file, timeframe)
        waiting += _searched(number, track, rules, start, counts)
    waiting.sort(key=TURN)  # of one trade they are in order already
    hours = [
        FundingHours(track, start, last, hourly_rate(one.product, rules.margin), one.funding)
        for one, track in zip(played, tracks, strict=True)
    ]
    account = Account(rules, tracks, hours, start)
    entrance = Entrance(account, tracks, rules, counts)
    for (at, number, point), some in groupby(waiting, key=TURN):
        account.advance((at, BY_TRADE, number, 2 * point + 1))
        entrance.decide(list(some))
    account.finish(last)
    worth = account.worth_at_the_end(start, last - grace)
    positions = listed([*account.closed, *account.held], rules)
    return outcome(rules, positions, counts, daily_equity(account.days, worth))


def stretch(
    files: Sequence[PastFile], start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """Return the stretch that is played. Raises UsageError if it is empty or nothing of a file lies in it."""
    spans = [span(file) for file in files]
    start, end = start or min(begins for begins, _ in spans), end or max(ends for _, ends in spans)
    if start >= end:
        raise UsageError(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}")
    for file, (begins, ends) in zip(files, spans, strict=True):
        if begins >= end or ends <= start:
            raise UsageError(
                f"nothing in {file.path} lies between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}: "
                f"it runs from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M}"
            )
    return start, end


def _searched(number: int, track: Track, rules: Rules, start: datetime, counts: Counts) -> list[Candidate]:
    """Count what the first breaks of a product made of its setups; return those that may become trades."""
    needed = {*rules.strat.timeframes}
    for timeframe in rules.strat.timeframes:
        needed.update(rules.strat.continuity[timeframe][0])
    frames = frames_of(track, needed, start)
    found = broken(track, frames, rules)
    before_the_start(track, frames, found.setups, rules, start, counts)
    counts.invalidated.update(found.invalidated)
    triggers = found.triggers
    failed = first_failed(track, triggers, frames, rules)
    codes = (triggers.frames.astype(np.int64) * len(FAMILIES) + triggers.families) * (len(GATES) + 1) + failed + 1
    for code, often in enumerate(np.bincount(codes).tolist()):
        if often:
            kind, gate = divmod(code, len(GATES) + 1)
            key = TIMEFRAMES[kind // len(FAMILIES)], FAMILIES[kind % len(FAMILIES)]
            counts.triggers[key] += often
            if gate:
                counts.gates[key][GATES[gate - 1]] += often
    passed = np.flatnonzero(failed == PASSED)
    return candidates(number, track, triggers.cut(passed), frames, found.setups, rules)
