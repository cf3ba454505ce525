"""Leverage windows in New York time, in winter and in summer."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError
from atlas.money.windows import DEADLINE, WINDOWS, intraday_window, next_deadline, next_window_end, tier_at

INSTANTS = st.integers(1_735_689_600, 1_798_761_600).map(lambda second: datetime.fromtimestamp(second, UTC))
"""Any second of 2025 and 2026."""
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    """A New York wall-clock time as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "new_york", "tier"),
    [
        ("overnight", "2026-01-14 12:00", "overnight"),
        ("guide_2026_07", "2026-01-14 07:59", "overnight"),
        ("guide_2026_07", "2026-01-14 08:00", "intraday"),
        ("guide_2026_07", "2026-07-15 15:59", "intraday"),
        ("guide_2026_07", "2026-07-15 16:00", "overnight"),
        ("guide_2026_07", "2026-07-18 12:00", "overnight"),
        ("long_window", "2026-07-19 17:59", "overnight"),
        ("long_window", "2026-07-19 18:00", "intraday"),
        ("long_window", "2026-07-20 03:00", "intraday"),
        ("long_window", "2026-07-20 16:00", "overnight"),
        ("long_window", "2026-07-20 18:00", "intraday"),
        ("long_window", "2026-07-24 15:59", "intraday"),
    ],
)
def test_the_tier_follows_the_window(window: str, new_york: str, tier: str) -> None:
    assert tier_at(window, at(new_york)) == tier


def test_lesson_86_from_friday_16_to_sunday_18_every_preset_is_overnight() -> None:
    hour = at("2026-07-24 16:00")
    while hour < at("2026-07-26 18:00"):
        assert {tier_at(window, hour) for window in WINDOWS} == {"overnight"}, hour
        hour += timedelta(minutes=30)


def test_lesson_94_the_same_utc_time_is_in_the_window_in_summer_only() -> None:
    assert tier_at("guide_2026_07", datetime(2026, 7, 15, 12, 30, tzinfo=UTC)) == "intraday"
    assert tier_at("guide_2026_07", datetime(2026, 1, 14, 12, 30, tzinfo=UTC)) == "overnight"


def test_the_deadline_is_five_minutes_before_the_window_ends() -> None:
    assert next_deadline("guide_2026_07", at("2026-07-15 10:00")) == at("2026-07-15 15:55")
    assert next_deadline("guide_2026_07", at("2026-07-15 15:55")) == at("2026-07-16 15:55")
    assert next_deadline("guide_2026_07", at("2026-07-17 15:58")) == at("2026-07-20 15:55")
    assert next_deadline("long_window", at("2026-07-24 15:54")) == at("2026-07-24 15:55")
    assert next_deadline("overnight", at("2026-07-15 10:00")) is None


@given(INSTANTS)
def test_the_next_end_is_the_end_of_the_window_one_is_in(instant: datetime) -> None:
    for window in ("guide_2026_07", "long_window"):
        inside = intraday_window(window, instant)
        following = next_window_end(window, instant)
        assert following is not None
        assert instant < following <= instant + timedelta(days=4)
        if inside is not None:
            assert following == inside[1]
        deadline = next_deadline(window, instant)
        assert deadline is not None
        assert deadline > instant
        assert next_window_end(window, deadline) == deadline + DEADLINE
        assert tier_at(window, deadline) == "intraday"


def test_an_unknown_window_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'swing' is not known: write one of overnight, guide_2026_07"):
        tier_at("swing", at("2026-07-15 10:00"))
