"""Sessions: the exchange's breaks in New York time."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.market.sessions import breaks, closed_out_of_turn, closed_reason, inside_break, is_open, overlaps_break

BIP = built_in("BIP-20DEC30-CDE")
SPOT = built_in("BTC-USD")
INSTANTS = st.integers(1_735_689_600, 1_798_761_600).map(lambda second: datetime.fromtimestamp(second, UTC))
"""Any second of 2025 and 2026."""
WEEKDAYS_ONLY = msgspec.structs.replace(BIP, twenty_four_seven=False)


def utc(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("at", ["2026-01-16 22:30", "2026-07-17 21:30"], ids=["January", "July"])
def test_lesson_60_friday_half_past_five_in_new_york_is_closed_in_winter_and_summer(at: str) -> None:
    assert not is_open(BIP, utc(at))
    assert closed_reason(BIP, utc(at)) is not None


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-07-17 20:59:59", True),
        ("2026-07-17 21:00:00", False),
        ("2026-07-17 21:59:59", False),
        ("2026-07-17 22:00:00", True),
        ("2026-01-16 21:30:00", True),
        ("2026-07-16 21:30:00", True),
    ],
)
def test_the_break_is_half_open_and_on_fridays_only(at: str, open_: bool) -> None:
    assert is_open(BIP, utc(at)) is open_


@pytest.mark.parametrize("change", ["2026-03-06", "2026-03-13"])
def test_the_break_moves_with_daylight_saving(change: str) -> None:
    """New York went to daylight time on 8 March 2026."""
    opens = "22:00" if change == "2026-03-06" else "21:00"
    start = utc(f"{change} {opens}")
    assert breaks(BIP, utc(f"{change} 00:00"), utc(f"{change} 23:59")) == ((start, start + timedelta(hours=1)),)


def test_lesson_61_a_bar_overlaps_the_break_by_intersection_of_half_open_intervals() -> None:
    assert overlaps_break(BIP, utc("2026-07-17 20:00"), utc("2026-07-18 00:00"))
    assert overlaps_break(BIP, utc("2026-07-17 21:00"), utc("2026-07-17 22:00"))
    assert not overlaps_break(BIP, utc("2026-07-17 20:00"), utc("2026-07-17 21:00"))
    assert not overlaps_break(BIP, utc("2026-07-17 22:00"), utc("2026-07-17 23:00"))
    assert overlaps_break(BIP, utc("2026-07-13 00:00"), utc("2026-07-20 00:00"))


def test_lesson_61_spot_has_no_break() -> None:
    assert not overlaps_break(SPOT, utc("2026-07-13 00:00"), utc("2026-07-20 00:00"))
    assert is_open(SPOT, utc("2026-07-17 21:30"))


def test_maintenance_of_the_listing_closes_any_product() -> None:
    window = (utc("2026-04-18 14:00"), utc("2026-04-18 17:00"))
    for product in (BIP, SPOT):
        kept = msgspec.structs.replace(product, maintenance=window)
        assert not is_open(kept, window[0])
        assert is_open(kept, window[1])
        assert overlaps_break(kept, utc("2026-04-18 16:00"), utc("2026-04-18 20:00"))


def test_a_session_the_exchange_lists_as_closed_is_closed_whatever_the_calendar_says() -> None:
    closed = msgspec.structs.replace(BIP, session_open=False)
    assert closed_reason(closed, utc("2026-07-15 12:00")) == "the exchange lists the session as closed"


def listed_at(as_of: str, *, open_: bool) -> Product:
    """BIP as a listing read at that time had it."""
    return msgspec.structs.replace(BIP, session_open=open_, as_of=utc(as_of))


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-12-24 21:59:59", True),
        ("2026-12-24 22:00:06", False),
        ("2026-12-24 22:30:00", False),
        ("2026-12-25 21:59:59", False),
        ("2026-12-25 22:00:00", False),
        ("2026-12-25 23:00:00", True),
    ],
)
def test_what_the_listing_says_holds_until_the_calendar_changes(at: str, open_: bool) -> None:
    """Christmas of 2026 is a Friday: the break comes on Thursday, of which only the listing tells."""
    thursday = listed_at("2026-12-24 22:00:05", open_=False)
    before = listed_at("2026-12-24 21:58:00", open_=True)
    assert is_open(before if at < "2026-12-24 22:00:05" else thursday, utc(at)) is open_


def test_a_session_listed_as_open_within_the_usual_break_is_open() -> None:
    holiday = listed_at("2026-12-25 22:00:05", open_=True)
    assert is_open(holiday, utc("2026-12-25 22:00:05"))
    assert is_open(holiday, utc("2026-12-25 22:59:59"))
    stale = listed_at("2026-12-25 21:58:00", open_=True)
    assert closed_reason(stale, utc("2026-12-25 22:30:00")) == "break Fri 22:00–Fri 23:00 UTC"


def test_a_listing_read_in_the_break_does_not_keep_the_session_closed_after_it() -> None:
    in_the_break = listed_at("2026-07-17 21:00:05", open_=False)
    assert closed_reason(in_the_break, utc("2026-07-17 21:30")) == (
        "the exchange lists the session as closed, as of Fri 21:00 UTC"
    )
    assert is_open(in_the_break, utc("2026-07-17 22:00"))
    late_opening = listed_at("2026-07-17 22:00:05", open_=False)
    assert not is_open(late_opening, utc("2026-07-17 22:03"))


def test_a_listing_read_a_moment_ahead_of_the_feed_counts_already() -> None:
    assert not is_open(listed_at("2026-07-15 12:00:03", open_=False), utc("2026-07-15 12:00:01"))
    assert is_open(listed_at("2026-07-17 21:00:05", open_=False), utc("2026-07-17 20:59:59"))


def test_suspended_trading_is_closed_for_as_long_as_it_is_listed_so() -> None:
    paused = msgspec.structs.replace(BIP, suspended="trading_disabled", as_of=utc("2026-07-15 12:00"))
    for later in ("2026-07-15 12:01", "2026-07-19 12:00"):
        assert closed_reason(paused, utc(later)) == "trading is suspended: trading_disabled"


def test_only_a_session_closed_without_a_break_of_the_calendar_is_closed_out_of_turn() -> None:
    assert closed_out_of_turn(listed_at("2026-12-24 22:00:05", open_=False))
    assert not closed_out_of_turn(listed_at("2026-07-17 21:00:05", open_=False))
    assert not closed_out_of_turn(listed_at("2026-07-15 12:00", open_=True))


def test_an_expired_contract_is_closed() -> None:
    assert is_open(BIP, utc("2030-12-20 15:59"))
    assert closed_reason(BIP, utc("2030-12-20 16:00")) == "expired 2030-12-20 16:00 UTC"


def test_a_contract_that_is_not_24_7_pauses_every_day_and_over_the_weekend() -> None:
    assert not is_open(WEEKDAYS_ONLY, utc("2026-07-14 21:30"))
    assert is_open(WEEKDAYS_ONLY, utc("2026-07-14 22:00"))
    assert not is_open(WEEKDAYS_ONLY, utc("2026-07-18 12:00"))
    assert not is_open(WEEKDAYS_ONLY, utc("2026-07-19 21:59"))
    assert is_open(WEEKDAYS_ONLY, utc("2026-07-19 22:00"))


def test_breaks_that_touch_are_one() -> None:
    late = msgspec.structs.replace(BIP, maintenance=(utc("2026-07-17 22:00"), utc("2026-07-17 23:30")))
    assert breaks(late, utc("2026-07-17 00:00"), utc("2026-07-18 00:00")) == (
        (utc("2026-07-17 21:00"), utc("2026-07-17 23:30")),
    )
    assert inside_break(late, utc("2026-07-17 21:30"), utc("2026-07-17 22:30"))


@given(INSTANTS, st.integers(1, 2_000_000))
def test_an_interval_overlaps_exactly_when_a_moment_of_it_is_closed(start: datetime, seconds: int) -> None:
    end = start + timedelta(seconds=seconds)
    for product in (BIP, WEEKDAYS_ONLY):
        edges = [start, *(max(gap[0], start) for gap in breaks(product, start - timedelta(days=9), end))]
        closed = any(start <= edge < end and not is_open(product, edge) for edge in edges)
        assert overlaps_break(product, start, end) is closed
        if inside_break(product, start, end):
            assert not is_open(product, start)
            assert not is_open(product, end - timedelta(microseconds=1))
