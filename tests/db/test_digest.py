"""What a digest tells: the day or week that ended, none where nothing had begun before."""

from datetime import date

import pytest
from sqlalchemy import Connection

from db.digest import digest

BEGAN, SECOND, THIRD = "2026-03-04", "2026-03-05", "2026-03-06"
"""The days of the lively account: a Wednesday to a Friday."""


@pytest.mark.parametrize("weekly", [False, True])
def test_when_its_first_day_begins_nothing_has_ended(lively_connection: Connection, weekly: bool) -> None:
    assert digest(lively_connection, "paper", BEGAN, weekly=weekly) is None


@pytest.mark.parametrize("weekly", [False, True])
def test_a_day_that_has_not_begun_ends_none(lively_connection: Connection, weekly: bool) -> None:
    assert digest(lively_connection, "paper", "2026-03-07", weekly=weekly) is None


def test_a_day_is_told_when_the_next_begins_and_the_week_as_far_as_the_account_has_lived_in_it(
    lively_connection: Connection,
) -> None:
    day = digest(lively_connection, "paper", THIRD, weekly=False)
    week = digest(lively_connection, "paper", THIRD, weekly=True)
    first = digest(lively_connection, "paper", SECOND, weekly=False)
    assert day is not None
    assert week is not None
    assert first is not None
    assert (day.first_day, day.last_day) == (date(2026, 3, 5), date(2026, 3, 5))
    assert (week.first_day, week.last_day) == (date(2026, 3, 4), date(2026, 3, 5))
    assert (week.equity_before, week.equity) == (first.equity_before, day.equity)
    assert first.equity == day.equity_before
    assert week.triggers == first.triggers + day.triggers > 0
    assert week.performance.net_profit == first.performance.net_profit + day.performance.net_profit
