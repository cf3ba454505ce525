"""Steps, instants, rate limits: what the wire's numbers and times are made of."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.exchange.local.instants import from_datetime, go_time, in_break, rfc3339, to_datetime
from atlas.exchange.local.rate_limit import TokenBucket
from atlas.exchange.local.step import Step, decimal_text


@pytest.mark.parametrize(
    ("tick", "count", "text"),
    [("0.01", 6411900, "64119"), ("0.01", 6415160, "64151.6"), ("5", 14515, "72575"), ("0.00000001", 14, "0.00000014"),
     ("0.5", 1, "0.5"), ("1", 0, "0"), ("100", 3, "300")],
)  # fmt: skip
def test_numbers_have_no_trailing_zeros_and_no_exponent(tick: str, count: int, text: str) -> None:
    assert Step.of(Decimal(tick)).text(count) == text


@given(st.integers(min_value=0, max_value=10**17), st.integers(min_value=0, max_value=12))
def test_the_text_of_a_number_is_its_value(units: int, scale: int) -> None:
    assert Decimal(decimal_text(units, scale)) == Decimal(units).scaleb(-scale)


@pytest.mark.parametrize("value", ["0", "-1", "NaN"])
def test_a_step_is_above_zero(value: str) -> None:
    with pytest.raises(ValueError, match="a step is above 0"):
        Step.of(Decimal(value))


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "2026-09-26T04:15:00Z"), (200_000_000, "2026-09-26T04:15:00.2Z"), (7, "2026-09-26T04:15:00.000000007Z")],
)
def test_fraction_digits_are_trimmed(fraction: int, text: str) -> None:
    assert rfc3339(from_datetime(datetime(2026, 9, 26, 4, 15, tzinfo=UTC)) + fraction) == text


def test_a_heartbeats_time_is_a_go_time() -> None:
    instant = from_datetime(datetime(2026, 9, 5, 22, 10, 30, tzinfo=UTC)) + 257_889_610
    assert go_time(instant, 139_651_272_674_714) == ("2026-09-05 22:10:30.25788961 +0000 UTC m=+139651.272674714")


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - made aware below
def test_a_datetime_comes_back(time: datetime) -> None:
    aware = time.replace(tzinfo=UTC)
    assert to_datetime(from_datetime(aware)) == aware


@pytest.mark.parametrize(
    ("time", "closed"),
    [
        ("2026-07-03T20:59:59.999999Z", False),
        ("2026-07-03T21:00:00Z", True),
        ("2026-07-03T21:59:59Z", True),
        ("2026-07-03T22:00:00Z", False),
        ("2026-01-02T21:30:00Z", False),
        ("2026-01-02T22:30:00Z", True),
        ("2026-07-04T21:30:00Z", False),
    ],
)
def test_the_weekly_break_is_friday_five_to_six_in_new_york(time: str, closed: bool) -> None:
    assert in_break(from_datetime(datetime.fromisoformat(time))) is closed


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = [100.0]
    bucket = TokenBucket(10, 15, lambda: now[0])
    assert [bucket.take() for _ in range(16)] == [True] * 15 + [False]
    now[0] += 0.125
    assert (bucket.take(), bucket.take()) == (True, False)
    now[0] += 60
    assert sum(bucket.take() for _ in range(40)) == 15
