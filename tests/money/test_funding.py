"""Funding at every full hour a position is open."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.market.product import Product
from atlas.money.funding import HOUR, funding, hourly_rate, hours_crossed, hours_due, is_due
from atlas.rules import MarginRules


def utc(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_lesson_96_funding_counts_hours_of_the_clock_not_elapsed_time() -> None:
    assert list(hours_crossed(utc("2026-03-04 10:59"), utc("2026-03-04 11:01"))) == [utc("2026-03-04 11:00")]
    assert list(hours_crossed(utc("2026-03-04 10:01"), utc("2026-03-04 10:59"))) == []


def test_opening_on_the_hour_owes_nothing_closing_on_the_hour_owes_it() -> None:
    ten, eleven = utc("2026-03-04 10:00"), utc("2026-03-04 11:00")
    assert list(hours_crossed(ten, eleven)) == [eleven]


@given(st.integers(0, 86_400), st.integers(0, 5_000_000), st.integers(0, 5_000_000))
def test_hours_of_two_stretches_are_those_of_the_whole(begin: int, first: int, second: int) -> None:
    start = utc("2026-03-04 00:00") + timedelta(seconds=begin)
    middle = start + timedelta(seconds=first)
    end = middle + timedelta(seconds=second)
    whole = list(hours_crossed(start, end))
    assert whole == [*hours_crossed(start, middle), *hours_crossed(middle, end)]
    assert all(start < hour <= end and hour.minute == hour.second == hour.microsecond == 0 for hour in whole)


@pytest.mark.parametrize(
    ("friday", "reopens"), [("2026-01-16", "2026-01-16 23:00"), ("2026-07-17", "2026-07-17 22:00")]
)
def test_over_a_weekend_only_the_hour_of_the_friday_break_is_free(bip: Product, friday: str, reopens: str) -> None:
    start = utc(f"{friday} 12:30")
    end = start + timedelta(days=3)
    missing = set(hours_crossed(start, end)) - set(hours_due(bip, start, end))
    assert missing == {utc(reopens)}


def test_an_hour_only_partly_in_a_break_is_due(bip: Product) -> None:
    half = msgspec.structs.replace(bip, maintenance=(utc("2026-03-04 10:30"), utc("2026-03-04 12:30")))
    assert is_due(half, utc("2026-03-04 11:00"))
    assert not is_due(half, utc("2026-03-04 12:00"))
    assert is_due(half, utc("2026-03-04 13:00"))


def test_spot_never_pays_funding(bitcoin: Product) -> None:
    start = utc("2026-03-04 10:30")
    assert list(hours_due(bitcoin, start, start + 30 * HOUR)) == []


def test_longs_pay_a_positive_rate_and_shorts_receive_it(bip: Product) -> None:
    assert funding("long", D(10), bip, D(68000), D("0.000013")) == D("0.0884")
    assert funding("short", D(10), bip, D(68000), D("0.000013")) == D("-0.0884")
    assert funding("long", D(10), bip, D(68000), D("-0.000013")) == D("-0.0884")


def test_the_rate_is_the_listings_else_ten_percent_a_year(bip: Product) -> None:
    assert hourly_rate(msgspec.structs.replace(bip, funding_rate=D("0.000013")), MarginRules()) == D("0.000013")
    assert hourly_rate(msgspec.structs.replace(bip, funding_rate=D(0)), MarginRules()) == 0
    assert hourly_rate(bip, MarginRules()) * 8760 == pytest.approx(D("0.1"))
