"""Periods: anchors, halves open, months by calendar."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError
from atlas.market.timeframes import (
    GRANULARITIES,
    TIMEFRAMES,
    base_granularity,
    finer,
    period,
    period_end,
    require,
    seconds,
)

MOMENTS = st.datetimes(datetime(1969, 6, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  made UTC by timezones


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timeframe", "at", "opened", "closes"),
    [
        ("1m", utc(2026, 5, 8, 9, 41, 59), utc(2026, 5, 8, 9, 41), utc(2026, 5, 8, 9, 42)),
        ("15m", utc(2026, 5, 8, 9, 45), utc(2026, 5, 8, 9, 45), utc(2026, 5, 8, 10)),
        ("4h", utc(2026, 5, 8, 23, 59), utc(2026, 5, 8, 20), utc(2026, 5, 9)),
        ("6h", utc(2026, 5, 8, 11), utc(2026, 5, 8, 6), utc(2026, 5, 8, 12)),
        ("12h", utc(2026, 5, 8, 12), utc(2026, 5, 8, 12), utc(2026, 5, 9)),
        ("1d", utc(2026, 5, 8, 23), utc(2026, 5, 8), utc(2026, 5, 9)),
        ("1M", utc(2024, 2, 29, 23, 59), utc(2024, 2, 1), utc(2024, 3, 1)),
        ("1M", utc(2025, 12, 31), utc(2025, 12, 1), utc(2026, 1, 1)),
    ],
)
def test_period_of_a_moment(timeframe: str, at: datetime, opened: datetime, closes: datetime) -> None:
    assert period(timeframe, at) == (opened, closes)


def test_lesson_64_week_begins_on_monday_not_on_the_epochs_thursday() -> None:
    # 2026-05-04 was a Monday.
    week = (utc(2026, 5, 4), utc(2026, 5, 11))
    assert period("1w", utc(2026, 5, 4)) == week
    assert period("1w", utc(2026, 5, 10, 23, 59, 59, 999_999)) == week
    assert period("1w", utc(2026, 5, 11))[0] == utc(2026, 5, 11)


def test_a_microsecond_before_the_close_is_inside_and_the_close_is_not() -> None:
    for timeframe in TIMEFRAMES:
        opened, closes = period(timeframe, utc(2024, 2, 29, 13, 37, 11))
        assert period(timeframe, closes - timedelta(microseconds=1)) == (opened, closes)
        assert period(timeframe, closes)[0] == closes


@given(MOMENTS, st.sampled_from(TIMEFRAMES))
def test_period_contains_its_moment_and_is_the_same_from_its_open(at: datetime, timeframe: str) -> None:
    opened, closes = period(timeframe, at)
    assert opened <= at < closes
    assert period(timeframe, opened) == (opened, closes)
    length = seconds(timeframe)
    if length is not None:
        assert closes - opened == timedelta(seconds=length)
    else:
        assert (opened.day, closes.day) == (1, 1)
        assert timedelta(days=28) <= closes - opened <= timedelta(days=31)


@given(MOMENTS, st.sampled_from(TIMEFRAMES))
def test_a_period_ends_where_the_period_from_its_open_does(at: datetime, timeframe: str) -> None:
    opened, closes = period(timeframe, at)
    assert period_end(timeframe, opened) == closes
    assert period_end(timeframe, closes) == period(timeframe, closes)[1]


@given(MOMENTS, st.sampled_from(TIMEFRAMES))
def test_each_finer_period_lies_within_the_coarser(at: datetime, timeframe: str) -> None:
    opened, closes = period(timeframe, at)
    for part in finer(timeframe):
        part_opened, part_closes = period(part, at)
        assert opened <= part_opened
        assert part_closes <= closes
        assert period(part, opened)[0] == opened, "the coarser period begins with a finer one"


@given(MOMENTS, st.sampled_from(TIMEFRAMES), st.integers(-12, 12))
def test_lesson_94_the_zone_a_moment_is_written_in_changes_nothing(at: datetime, timeframe: str, hours: int) -> None:
    elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
    assert period(timeframe, elsewhere) == period(timeframe, at)
    assert period(timeframe, elsewhere)[0].tzinfo is UTC


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_moment_without_zone_is_refused(timeframe: str) -> None:
    with pytest.raises(TypeError):
        period(timeframe, datetime(2026, 5, 8))  # noqa: DTZ001  naive on purpose


def test_unknown_timeframe_names_the_value_and_the_allowed_ones() -> None:
    for call in (require, seconds, finer, base_granularity, lambda name: period(name, utc(2026, 1, 1))):
        with pytest.raises(ConfigurationError, match=r"'1H'.*15m.*1M"):
            call("1H")


def test_month_has_no_fixed_length() -> None:
    assert seconds("1M") is None
    assert [seconds(name) for name in ("1m", "12h", "1w")] == [60, 43_200, 604_800]


def test_finer_lists_only_what_adds_up_exactly() -> None:
    assert finer("6h") == ("2h", "1h", "30m", "15m", "5m", "1m"), "4h does not divide 6h"
    assert finer("1M")[0] == "1d", "a month is not whole weeks"
    assert finer("1w")[0] == "1d"
    assert finer("1m") == ()


def test_frames_the_exchange_lacks_are_made_of_the_coarsest_that_adds_up() -> None:
    assert {name: base_granularity(name) for name in TIMEFRAMES if name not in GRANULARITIES} == {
        "12h": "6h",
        "1w": "1d",
        "1M": "1d",
    }
    assert all(base_granularity(name) == name for name in GRANULARITIES)
