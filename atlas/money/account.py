"""The account: equity, what is available, and the trading day with its loss limit (trading.md, Account)."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from atlas.errors import ConfigurationError
from atlas.money.book import AccountState
from atlas.rules import SizingRules


def equity(state: AccountState, unrealised: Iterable[Decimal]) -> Decimal:
    """Return cash + unrealised profit of all open positions, USD."""
    return state.cash + sum(unrealised, Decimal(0))


def available(state: AccountState, unrealised: Iterable[Decimal]) -> Decimal:
    """Return equity − reserved margin, USD: what a new entry may use. Below 0 when losses have eaten into margin."""
    return equity(state, unrealised) - state.reserved


def trading_day(at: datetime, timezone: str) -> date:
    """Return the trading day of an instant: it begins at midnight in the account's timezone.

    Raises ConfigurationError when the timezone is not in the IANA list.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"account.timezone {timezone!r} is not a known timezone: write one of the IANA list, e.g. America/New_York"
        ) from error
    return at.astimezone(zone).date()


def next_trading_day(at: datetime, timezone: str) -> datetime:
    """Return the instant the next trading day begins, UTC. Raises ConfigurationError for an unknown timezone."""
    following = trading_day(at, timezone) + timedelta(days=1)
    return datetime.combine(following, time(), ZoneInfo(timezone)).astimezone(UTC)


def day_loss(day_start: Decimal, now: Decimal) -> Decimal:
    """Return the day's loss as a share of its starting equity, open profit included; never below 0.

    An account that began the day with nothing has lost everything.
    """
    if day_start <= 0:
        return Decimal(1)
    return max((day_start - now) / day_start, Decimal(0))


def daily_loss_hit(day_start: Decimal, now: Decimal, rules: SizingRules) -> bool:
    """Return whether the day's loss has reached the limit: entries halt until the next day or a person's resume."""
    return day_loss(day_start, now) >= rules.daily_loss
