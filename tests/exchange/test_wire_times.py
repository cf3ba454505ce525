"""Times as the exchange spells them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import DataError
from atlas.exchange.times import parse_time, parse_unix


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [("", 0), (".2", 200_000), (".25", 250_000), (".123456", 123_456), (".1234567", 123_456), (".999999999", 999_999)],
)
def test_fractions_of_any_length_are_cut_at_the_microsecond(fraction: str, microseconds: int) -> None:
    parsed = parse_time(f"2031-03-04T12:59:59{fraction}Z")
    assert parsed == datetime(2031, 3, 4, 12, 59, 59, microseconds, tzinfo=UTC)
    assert parsed.utcoffset() == timedelta(0)


@given(st.integers(0, 999_999_999), st.integers(0, 9))
def test_both_spellings_of_one_instant_agree(nanoseconds: int, digits: int) -> None:
    fraction = f".{nanoseconds:09d}"[: digits + 1] if digits else ""
    assert parse_time(f"2031-03-04T12:59:59{fraction}Z") == parse_time(
        f"2031-03-04 12:59:59{fraction} +0000 UTC m=+1.5"
    )


def test_an_offset_is_turned_into_utc() -> None:
    assert parse_time("2031-03-04 14:00:00.5+02:00") == datetime(2031, 3, 4, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "noon", "2031-03-04", "2031-03-04T12:00:00", "2031-13-04T12:00:00Z", "2031-03-04T25:00:00Z",
     "2031-03-04T12:00:00.0000000001Z ", "1931512800"],
)  # fmt: skip
def test_lesson_68_what_is_no_time_is_an_error_that_names_itself(text: str) -> None:
    with pytest.raises(DataError, match="was expected") as raised:
        parse_time(text)
    assert repr(text) in str(raised.value)


def test_lesson_68_unix_seconds_in_text_or_number_are_one_instant() -> None:
    assert parse_unix("1931512800") == parse_unix(1931512800) == datetime(2031, 3, 17, 11, 20, tzinfo=UTC)
    for wrong in ("", "x", "1.5", "99999999999999999999"):
        with pytest.raises(DataError, match="unix seconds"):
            parse_unix(wrong)
