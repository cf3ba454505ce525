"""What is known of each bar, and the stretches of a series in which the same is known.

A bar is *verified* where every trade of it was seen (contiguous sequence numbers and trade ids since its open),
*repaired* where candles from REST have replaced what a hole touched: both are enough to trade. It is *confirmed* once
the exchange's own candle is found equal, *contradicted* once it is found different and until that candle has replaced
it; else *unverified*.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from atlas.market.bar import Bar
from atlas.market.timeframes import TIMEFRAMES, base_granularity, finer, period

Knowledge = Literal["unverified", "verified", "repaired", "confirmed", "contradicted"]
KNOWLEDGE: Final[tuple[Knowledge, ...]] = ("unverified", "contradicted", "verified", "repaired", "confirmed")
"""Worst first."""
TRADABLE: Final = frozenset[Knowledge]({"verified", "repaired", "confirmed"})
"""What setups may be read from."""


class KnownBar(msgspec.Struct, frozen=True):
    """One closed bar over [open_time, close_time) and what is known of it.

    `repaired`: it is from REST. `confirmed_at` and `contradicted_at` are market time, None if it never was; one that
    was contradicted and is verified again has been replaced by the exchange's.
    """

    open_time: datetime
    close_time: datetime
    verified: bool
    repaired: bool = False
    confirmed_at: datetime | None = None
    contradicted_at: datetime | None = None

    @property
    def knowledge(self) -> Knowledge:
        """What is known of it now."""
        if not self.verified:
            return "unverified" if self.contradicted_at is None else "contradicted"
        if self.confirmed_at is not None:
            return "confirmed"
        return "repaired" if self.repaired else "verified"


class Stretch(msgspec.Struct, frozen=True):
    """Bars without a hole between them of which the same is known, over [begins, ends).

    `bars` counts them, `from_rest` those that REST gave, `were_contradicted` those that the exchange's candle has
    replaced since.
    """

    begins: datetime
    ends: datetime
    knowledge: Knowledge
    bars: int
    from_rest: int
    were_contradicted: int


def stretches(bars: Iterable[KnownBar]) -> list[Stretch]:
    """Return the stretches of one product and timeframe, oldest first, from its bars in order.

    A period without a bar ends a stretch: nothing traded in it, or ATLAS has no bar of it. They are disjoint, and
    together they cover exactly the bars.
    """
    found: list[Stretch] = []
    for bar in bars:
        was = bar.contradicted_at is not None and bar.knowledge != "contradicted"
        last = found[-1] if found else None
        if last is not None and last.ends == bar.open_time and last.knowledge == bar.knowledge:
            found[-1] = Stretch(
                last.begins,
                bar.close_time,
                last.knowledge,
                last.bars + 1,
                last.from_rest + bar.repaired,
                last.were_contradicted + was,
            )
        else:
            found.append(Stretch(bar.open_time, bar.close_time, bar.knowledge, 1, int(bar.repaired), int(was)))
    return found


def counted(bars: Iterable[KnownBar]) -> dict[Knowledge, int]:
    """Return how many bars there are of each kind; kinds without one are left out."""
    found = dict.fromkeys(KNOWLEDGE, 0)
    for bar in bars:
        found[bar.knowledge] += 1
    return {knowledge: count for knowledge, count in found.items() if count}


def agree(ours: Bar, theirs: Bar) -> bool:
    """Whether the exchange's candle says the same of the period: open, high, low and close, to the last digit.

    Volume decides nothing here, and what was replayed on subscription is in it or not: it is not compared.
    """
    return (ours.open_time, ours.open, ours.high, ours.low, ours.close) == (
        theirs.open_time, theirs.open, theirs.high, theirs.low, theirs.close
    )  # fmt: skip


class Look(msgspec.Struct, frozen=True):
    """One request for candles of a `granularity`, from the first to the last open, and the timeframes it answers."""

    granularity: str
    first: datetime
    last: datetime
    timeframes: tuple[str, ...]


def looks(due: Sequence[Bar], most: int, *, own: bool = False) -> Iterator[Look]:
    """Yield few requests of at most `most` candles each that together cover the bars `due`, of any timeframes.

    Candles of one granularity add up to those of a longer one, so that one request answers several timeframes. With
    `own` every bar is looked up in its own granularity (12h, 1w and 1M: the longest that adds up), as repairs are.
    """
    spans: dict[str, tuple[datetime, datetime]] = {}
    for bar in due:
        first, last = spans.get(bar.timeframe, (bar.open_time, bar.close_time))
        spans[bar.timeframe] = (min(first, bar.open_time), max(last, bar.close_time))
    left = [timeframe for timeframe in TIMEFRAMES if timeframe in spans]
    while left:
        granularity = base_granularity(left[0])
        chosen, (first, ends) = [left[0]], spans[left[0]]
        for timeframe in left[1:]:
            adds_up = base_granularity(timeframe) == granularity or (not own and granularity in finer(timeframe))
            wider = min(first, spans[timeframe][0]), max(ends, spans[timeframe][1])
            if adds_up and _candles(granularity, *wider) <= most:
                chosen.append(timeframe)
                first, ends = wider
        left = [timeframe for timeframe in left if timeframe not in chosen]
        step = _length(granularity, first)
        # What is longer than a request, after a long silence, is looked up as far as one reaches back.
        yield Look(granularity, max(first, ends - most * step), ends - step, tuple(chosen))


def _candles(granularity: str, first: datetime, ends: datetime) -> int:
    return (ends - first) // _length(granularity, first)


def _length(granularity: str, at: datetime) -> timedelta:
    opened, closes = period(granularity, at)
    return closes - opened
