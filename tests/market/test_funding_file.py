"""Past funding: whose hour a rate is, and what is wrong with a file."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas.errors import DataError
from atlas.market.funding_file import read_funding

EIGHT = datetime(2022, 1, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT_EIGHT = int(EIGHT.timestamp())


def written(tmp_path: Path, *rows: tuple[int, str]) -> Path:
    path = tmp_path / "funding.csv"
    path.write_text("time,rate\n" + "".join(f"{at},{rate}\n" for at, rate in rows))
    return path


def test_hourly_rate_is_due_at_its_own_hour_only(tmp_path: Path) -> None:
    found = read_funding(written(tmp_path, (AT_EIGHT, "5.8615e-06"), (AT_EIGHT + 3600, "-0.0003")))
    assert found.rate(EIGHT) == Decimal("0.0000058615")
    assert found.rate(EIGHT + HOUR) == Decimal("-0.0003")
    assert found.rate(EIGHT - HOUR) is None
    assert found.rate(EIGHT + 2 * HOUR) is None


def test_eight_hourly_rate_is_spread_over_the_hours_that_end_at_it(tmp_path: Path) -> None:
    rows = (AT_EIGHT, "0.0008"), (AT_EIGHT + 8 * 3600, "-0.0016"), (AT_EIGHT + 24 * 3600, "0.0004")
    found = read_funding(written(tmp_path, *rows))
    assert [found.rate(EIGHT + n * HOUR) for n in (-8, -7, 0, 1, 8)] == [
        None, Decimal("0.0001"), Decimal("0.0001"), Decimal("-0.0002"), Decimal("-0.0002")
    ]  # fmt: skip
    assert found.rate(EIGHT + 9 * HOUR) is None  # the row that would tell it is missing
    assert found.rate(EIGHT + 17 * HOUR) == Decimal("0.00005")


def test_hours_between_are_those_after_the_first_instant_up_to_the_second(tmp_path: Path) -> None:
    found = read_funding(written(tmp_path, *((AT_EIGHT + n * 3600, f"0.000{n}") for n in range(1, 6))))
    told = list(found.between(EIGHT + 2 * HOUR, EIGHT + 4 * HOUR))
    assert told == [(EIGHT + 3 * HOUR, Decimal("0.0003")), (EIGHT + 4 * HOUR, Decimal("0.0004"))]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (((AT_EIGHT, "0.1"), (AT_EIGHT + 3601, "0.1")), f"line 3: time {AT_EIGHT + 3601} is off the full hour"),
        (((AT_EIGHT, "0.1"), (AT_EIGHT, "0.1")), "line 3: time 1641024000 is a duplicate"),
        (
            ((AT_EIGHT, "0"), (AT_EIGHT + 7200, "0"), (AT_EIGHT + 18000, "0")),
            "line 4: time 1641042000 is not a multiple of 2 h",
        ),
        (((AT_EIGHT, "0.01 %"),), "line 2: rate '0.01 %' is no share of notional"),
        (((AT_EIGHT, "nan"),), "line 2: rate 'nan' is no share"),
        (((AT_EIGHT, "-1"),), "line 2: rate '-1' is no share"),
        ((), "no rows below the header"),
    ],
)
def test_wrong_row_is_named_by_file_line_and_value(
    tmp_path: Path, rows: tuple[tuple[int, str], ...], said: str
) -> None:
    path = written(tmp_path, *rows)
    with pytest.raises(DataError) as raised:
        read_funding(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_real_funding_of_two_exchanges_is_read_whole(shared: Path) -> None:
    hourly = read_funding(shared / "data/funding/dydx-perp_BTC_funding_2022-2023.csv.gz")
    assert len(hourly.rates) == 17_520
    assert (min(hourly.rates), max(hourly.rates)) == (Decimal("-0.0003007372"), Decimal("0.0005937327"))
    eight_hourly = read_funding(shared / "data/funding/binance-perp_BTC_funding_2022-2025.csv.gz")
    assert len(eight_hourly.rates) == 8 * 4_188
    assert eight_hourly.rate(EIGHT) == Decimal("0.0001") / 8
