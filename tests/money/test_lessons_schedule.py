"""Lesson 95: no weekday is left out; and a deadline is found however a timeframe is spelt or whichever day it is (92).

The numbers are those of docs/lessons.md.
"""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError
from atlas.market.sessions import NEW_YORK
from atlas.market.timeframes import require
from atlas.money.windows import DEADLINE, next_deadline, next_window_end, tier_at

MONDAY_TO_FRIDAY = {0, 1, 2, 3, 4}
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
instants = st.integers(0, int((LAST - FIRST).total_seconds())).map(lambda seconds: FIRST + timedelta(seconds=seconds))


def deadlines(window: str, start: datetime, until: datetime) -> list[datetime]:
    """Every deadline of a preset in (start, until], one after the other."""
    found = [start]
    while (following := next_deadline(window, found[-1])) is not None and following <= until:
        assert following > found[-1]
        found.append(following)
    return found[1:]


@pytest.mark.parametrize("window", ["guide_2026_07", "long_window"])
@given(start=instants)
def test_lesson_95_any_seven_days_have_a_deadline_on_each_weekday(window: str, start: datetime) -> None:
    """Five minutes before four in the afternoon in New York, summer and winter, from Monday to Friday."""
    found = [deadline.astimezone(NEW_YORK) for deadline in deadlines(window, start, start + timedelta(days=7, hours=1))]
    assert {deadline.weekday() for deadline in found} == MONDAY_TO_FRIDAY
    assert {deadline.time() for deadline in found} == {time(15, 55)}
    assert len({deadline.date() for deadline in found}) == len(found)


@pytest.mark.parametrize("window", ["guide_2026_07", "long_window"])
@given(at=instants)
@example(at=datetime(2026, 1, 14, 20, 55, tzinfo=UTC))
@example(at=datetime(2026, 1, 14, 20, 57, tzinfo=UTC))
@example(at=datetime(2026, 7, 17, 19, 59, 59, tzinfo=UTC))
def test_lesson_92_whenever_rates_are_intraday_a_deadline_is_ahead_within_a_day(window: str, at: datetime) -> None:
    """The examples: the deadline itself and the five minutes after it, in January and on a Friday in July."""
    if tier_at(window, at) == "intraday":
        end = next_window_end(window, at)
        assert end is not None
        assert at < end <= at + timedelta(hours=24)
        assert tier_at(window, end - timedelta(microseconds=1)) == "intraday"
        assert tier_at(window, end) == "overnight"
        following = next_deadline(window, at)
        assert following is not None
        assert following > at
        assert (following == end - DEADLINE) is (at < end - DEADLINE)


@pytest.mark.parametrize("spelt", ["1H", "60m", "1 h", "H1", ""])
def test_lesson_92_a_timeframe_spelt_otherwise_is_refused_by_name(spelt: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown timeframe {spelt!r}: use one of 1m 5m 15m"):
        require(spelt)
