"""What is known of each bar, its stretches, and how few requests answer for many bars."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from atlas.market.bar import Bar
from atlas.market.completeness import KnownBar, Stretch, agree, counted, looks, stretches
from atlas.market.timeframes import GRANULARITIES, TIMEFRAMES, finer, period

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MONTH_MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
"""A Monday and the first of a month: every timeframe ends there."""
BAR = Bar("1h", NOON, NOON + HOUR, Decimal(1), Decimal(4), Decimal("0.5"), Decimal(2), Decimal(9))


def known(hour: int, verified: bool = True, **more: object) -> KnownBar:
    opened = NOON + hour * HOUR
    return KnownBar(opened, opened + HOUR, verified, **more)  # type: ignore[arg-type]  # fields by name


def last(timeframe: str, until: datetime, count: int) -> list[Bar]:
    """The newest bars of a timeframe, the last of which closes at `until`."""
    found: list[Bar] = []
    for _ in range(count):
        opened, closes = period(timeframe, until - timedelta(microseconds=1))
        found.append(replace(BAR, timeframe=timeframe, open_time=opened, close_time=closes))
        until = opened
    return found[::-1]


# ── what is known ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bar", "knowledge"),
    [
        (known(0, verified=False), "unverified"),
        (known(0, verified=False, contradicted_at=NOON), "contradicted"),
        (known(0), "verified"),
        (known(0, repaired=True), "repaired"),
        (known(0, repaired=True, contradicted_at=NOON), "repaired"),
        (known(0, confirmed_at=NOON), "confirmed"),
        (known(0, repaired=True, confirmed_at=NOON), "confirmed"),
    ],
)
def test_what_is_known_of_a_bar(bar: KnownBar, knowledge: str) -> None:
    assert bar.knowledge == knowledge


def test_neighbours_of_which_the_same_is_known_are_one_stretch() -> None:
    bars = [
        known(0, confirmed_at=NOON), known(1, repaired=True, confirmed_at=NOON), known(2),
        known(3, repaired=True, contradicted_at=NOON),
    ]  # fmt: skip
    assert stretches(bars) == [
        Stretch(NOON, NOON + 2 * HOUR, "confirmed", 2, 1, 0),
        Stretch(NOON + 2 * HOUR, NOON + 3 * HOUR, "verified", 1, 0, 0),
        Stretch(NOON + 3 * HOUR, NOON + 4 * HOUR, "repaired", 1, 1, 1),
    ]
    assert counted(bars) == {"verified": 1, "repaired": 1, "confirmed": 2}


def test_a_period_without_a_bar_ends_a_stretch() -> None:
    assert [(each.begins, each.bars) for each in stretches([known(0), known(2)])] == [
        (NOON, 1), (NOON + 2 * HOUR, 1)
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.booleans(), st.booleans(), st.booleans())))
def test_stretches_are_disjoint_and_cover_exactly_the_bars(rows: list[tuple[int, bool, bool, bool, bool]]) -> None:
    hours = {row[0]: row for row in rows}
    bars = [
        known(hour, verified, repaired=repaired, confirmed_at=NOON if yes else None,
              contradicted_at=NOON if no else None)
        for hour, verified, repaired, yes, no in (hours[hour] for hour in sorted(hours))
    ]  # fmt: skip
    found = stretches(bars)
    assert all(before.ends <= after.begins for before, after in pairwise(found))
    covered = [(bar.open_time, bar.knowledge) for bar in bars]
    assert covered == [
        (each.begins + n * HOUR, each.knowledge) for each in found for n in range((each.ends - each.begins) // HOUR)
    ]
    assert sum(each.bars for each in found) == len(bars) == sum(counted(bars).values())
    assert all(
        (before.ends, before.knowledge) != (after.begins, after.knowledge)
        for before, after in pairwise(found)
    )


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
def test_candles_agree_to_the_last_digit(field: str) -> None:
    assert agree(BAR, replace(BAR, volume=Decimal(8)))
    assert agree(BAR, replace(BAR, **{field: getattr(BAR, field) + Decimal("0.00")}))
    assert not agree(BAR, replace(BAR, **{field: getattr(BAR, field) + Decimal("0.00000001")}))


# ── few requests ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("timeframes", "requests"),
    [
        (("1h",), [("1h", 3, "1h")]),
        (("15m", "1h", "4h"), [("15m", 48, "15m 1h 4h")]),
        (("15m", "1h", "4h", "1d", "1w", "1M"), [("15m", 288, "15m 1h 4h 1d"), ("1d", 92, "1w 1M")]),
        (TIMEFRAMES, [("1m", 180, "1m 5m 15m 30m 1h"), ("2h", 252, "2h 4h 6h 12h 1d 1w"), ("1d", 92, "1M")]),
    ],
)
def test_one_request_answers_for_several_timeframes(
    timeframes: tuple[str, ...], requests: list[tuple[str, int, str]]
) -> None:
    due = [bar for timeframe in timeframes for bar in last(timeframe, MONTH_MONDAY, 3)]
    found = []
    for look in looks(due, 300):
        opened, closes = period(look.granularity, look.first)
        found.append((look.granularity, (look.last - opened) // (closes - opened) + 1, " ".join(look.timeframes)))
    assert found == requests


def test_a_second_look_takes_each_bar_in_its_own_granularity() -> None:
    due = [bar for timeframe in ("15m", "1h", "12h", "1w", "1M") for bar in last(timeframe, MONTH_MONDAY, 3)]
    assert [(look.granularity, look.timeframes) for look in looks(due, 300, own=True)] == [
        ("15m", ("15m",)), ("1h", ("1h",)), ("6h", ("12h",)), ("1d", ("1w", "1M")),
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from(TIMEFRAMES), min_size=1, unique=True), st.integers(1, 5), st.booleans(),
    st.integers(0, 3000),
)  # fmt: skip
def test_requests_cover_every_bar_with_whole_candles_that_add_up(
    timeframes: list[str], count: int, own: bool, hours: int
) -> None:
    until = MONTH_MONDAY - hours * HOUR
    due = [bar for timeframe in timeframes for bar in last(timeframe, period(timeframe, until)[0], count)]
    found = list(looks(due, 350, own=own))
    assert sorted(name for look in found for name in look.timeframes) == sorted(timeframes)
    for look in found:
        assert look.granularity in GRANULARITIES
        opened, closes = period(look.granularity, look.first)
        assert opened == look.first
        assert (look.last - look.first) // (closes - opened) < 350
        for timeframe in look.timeframes:
            assert timeframe == look.granularity or look.granularity in finer(timeframe)
            bars = [bar for bar in due if bar.timeframe == timeframe]
            assert bars[-1].close_time <= look.last + (closes - opened)
            assert look.first <= bars[0].open_time or count * len(timeframes) > 3
