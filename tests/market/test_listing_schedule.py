"""When the listing is read again."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.market.listing_schedule import AFTER_A_CHANGE, HOUR, next_reading
from atlas.market.products import built_in
from atlas.market.sessions import breaks

BIP = built_in("BIP-20DEC30-CDE")
SPOT = built_in("BTC-USD")
INSTANTS = st.integers(1_735_689_600, 1_798_761_600).map(lambda second: datetime.fromtimestamp(second, UTC))
"""Any second of 2025 and 2026."""


def utc(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-07-15 12:00", "2026-07-15 12:58"),
        ("2026-07-15 12:57:59", "2026-07-15 12:58"),
        ("2026-07-15 12:58", "2026-07-15 13:58"),
        ("2026-07-15 23:58", "2026-07-16 00:58"),
    ],
)
def test_it_is_read_two_minutes_before_every_hour_so_that_the_hours_rate_is_known(at: str, due: str) -> None:
    assert next_reading([SPOT], utc(at)) == utc(due)


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-07-17 20:58:00", "2026-07-17 21:00:05"),
        ("2026-07-17 21:58:00", "2026-07-17 22:00:05"),
        ("2026-12-24 21:58:00", "2026-12-24 22:00:05"),
        ("2026-07-15 21:00:05", "2026-07-15 21:58:00"),
    ],
    ids=["break begins", "break ends", "a Thursday, before a holiday", "read just now"],
)
def test_it_is_read_just_after_a_session_may_have_changed(at: str, due: str) -> None:
    assert next_reading([BIP], utc(at)) == utc(due)


def test_it_is_read_just_after_maintenance_begins_and_ends() -> None:
    kept = msgspec.structs.replace(SPOT, maintenance=(utc("2026-04-18 14:00"), utc("2026-04-18 16:30")))
    assert next_reading([kept], utc("2026-04-18 13:59")) == utc("2026-04-18 14:00:05")
    assert next_reading([kept], utc("2026-04-18 16:00")) == utc("2026-04-18 16:30:05")


@pytest.mark.parametrize("shut", [{"session_open": False}, {"suspended": "cancel_only"}])
def test_while_one_is_closed_it_is_read_every_minute(shut: dict[str, object]) -> None:
    closed = msgspec.structs.replace(BIP, **shut)
    assert next_reading([SPOT, closed], utc("2026-07-15 12:00")) == utc("2026-07-15 12:01")


@given(INSTANTS)
def test_it_is_read_within_the_hour_and_no_change_of_a_session_goes_unread(at: datetime) -> None:
    due = next_reading([BIP, SPOT], at)
    assert at < due <= at + HOUR
    for gap in breaks(BIP, at - HOUR, at + 2 * HOUR):
        for edge in gap:
            assert not at < edge + AFTER_A_CHANGE < due
    assert not at < due.replace(minute=0, second=0, microsecond=0) - timedelta(minutes=2) < due
