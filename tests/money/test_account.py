"""Equity, available cash, the trading day and its loss limit."""

from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from atlas.errors import ConfigurationError
from atlas.money.account import available, daily_loss_hit, day_loss, equity, next_trading_day, trading_day
from atlas.money.book import AccountState
from atlas.rules import SizingRules


def test_equity_is_cash_plus_unrealised_and_available_is_less_by_the_margin() -> None:
    state = AccountState(cash=D(10000), reserved=D(1500))
    assert equity(state, [D(200), D(-50)]) == 10150
    assert available(state, [D(200), D(-50)]) == 8650


def test_lesson_73_a_fully_reserved_account_has_nothing_available() -> None:
    assert available(AccountState(cash=D(1000), reserved=D(1000)), []) == 0


def test_a_trading_day_begins_at_midnight_in_the_accounts_timezone() -> None:
    at = datetime(2026, 7, 15, 3, 59, tzinfo=UTC)
    assert trading_day(at, "UTC") == date(2026, 7, 15)
    assert trading_day(at, "America/New_York") == date(2026, 7, 14)
    assert trading_day(at.replace(hour=4, minute=0), "America/New_York") == date(2026, 7, 15)


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        (datetime(2026, 3, 8, 4, 59, tzinfo=UTC), datetime(2026, 3, 8, 5, tzinfo=UTC)),
        (datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)),
        (datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)),
    ],
)
def test_the_next_day_begins_at_local_midnight_also_when_the_clocks_change(at: datetime, begins: datetime) -> None:
    assert next_trading_day(at, "America/New_York") == begins
    assert trading_day(begins, "America/New_York") > trading_day(at, "America/New_York")


@pytest.mark.parametrize("zone", ["New York", "", "../etc"])
def test_an_unknown_timezone_is_refused(zone: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a known timezone"):
        trading_day(datetime(2026, 7, 15, tzinfo=UTC), zone)


def test_the_daily_loss_limit_is_hit_at_the_limit_itself() -> None:
    rules = SizingRules()
    assert daily_loss_hit(D(10000), D(9500), rules)
    assert not daily_loss_hit(D(10000), D("9500.01"), rules)


def test_a_day_in_profit_has_no_loss_and_an_empty_account_has_lost_all() -> None:
    assert day_loss(D(10000), D(12000)) == 0
    assert day_loss(D(0), D(0)) == 1


def test_a_loss_is_a_share_of_what_the_day_began_with_however_little() -> None:
    assert day_loss(D("0.50"), D("0.25")) == D("0.5")
