"""Bars of candle files: made over whole columns, they are what the rows add up to one by one."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.cli.label import label_bars
from atlas.errors import DataError
from atlas.market.aggregation import aggregate
from atlas.market.bar import Bar
from atlas.market.candle_bars import read_bars, read_columns, same_scale
from atlas.market.timeframes import period
from atlas.rules import StratRules
from atlas.strat.series import Series

HEAD = "time,open,high,low,close,volume\n"
START = datetime(2026, 2, 27, 22, tzinfo=UTC)  # a Friday, near the end of a month
QUARTER = timedelta(minutes=15)
PRICES = st.integers(1, 400).map(lambda cents: cents * Decimal("0.01"))


@st.composite
def quarters(draw: st.DrawFn) -> list[Bar]:
    """Bars of 15 minutes with holes, some without volume, open and close at times outside the range."""
    steps = [draw(st.integers(0, 20)), 1, *draw(st.lists(st.sampled_from([1, 1, 1, 2, 9, 700]), max_size=40))]
    found, opens = [], START
    for step in steps:
        opens += step * QUARTER
        high, low = sorted([draw(PRICES), draw(PRICES)], reverse=True)
        volume = Decimal(draw(st.sampled_from([0, 1, 10**17])))
        found.append(Bar("15m", opens, opens + QUARTER, draw(PRICES), high, low, draw(PRICES), volume))
    return found


def line_of(bar: Bar) -> str:
    fields = (int(bar.open_time.timestamp()), bar.open, bar.high, bar.low, bar.close, bar.volume)
    return ",".join(map(str, fields)) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bars") / "X.csv"


@given(quarters(), st.sampled_from(["15m", "1h", "6h", "1d", "1w", "1M"]))
def test_bars_of_a_file_are_what_its_rows_add_up_to_one_by_one(place: Path, rows: list[Bar], timeframe: str) -> None:
    place.write_text(HEAD + "".join(line_of(bar) for bar in rows))
    traded = [bar for bar in rows if bar.volume] or rows
    opened, closes = period(timeframe, rows[0].open_time)
    whole_from = opened if opened == rows[0].open_time else closes
    closed, forming = aggregate(
        [bar for bar in traded if bar.open_time >= whole_from],
        timeframe,
        starts_whole=True,
        complete_until=rows[-1].close_time,
    )
    found = read_bars(place, timeframe)
    assert (found.closed, found.forming) == (closed, forming)


def test_prices_no_common_unit_can_hold_have_none_and_are_labelled_all_the_same(place: Path) -> None:
    place.write_text(f"{HEAD}0,1,900000000000,1,1,1\n60,1,900000000001,0.0000000001,0.5,1\n")
    read = read_columns(place)
    assert same_scale(read.prices) is None
    labelled = list(label_bars(read, "color"))
    assert [(bar.type, bar.color, bar.failed, bar.in_force) for bar in labelled] == [
        (None, "neutral", None, None),
        ("3", "red", False, True),
    ]
    assert labelled[1].low == "0.0000000001"


def test_floats_written_to_their_last_digit_are_bars_like_any_others(place: Path) -> None:
    place.write_text(
        f"{HEAD}0,55.5,1234567.890123456,0.012345678901234568,55.5,0.012345678901234568\n"
        "60,55.5,1234567.890123455,0.012345678901234569,0.012345678901234569,55.012345678901235\n"
        "120,55.5,1234567.890123457,0.012345678901234568,1234567.890123457,1234567.5\n"
    )
    closed = read_bars(place).closed
    assert [str(bar.low) for bar in closed] == ["0.012345678901234568", "0.012345678901234569", "0.012345678901234568"]
    assert sum(bar.volume for bar in closed) == Decimal("1234622.524691357802469568")
    labelled = list(label_bars(read_columns(place), "color"))
    assert [(bar.type, bar.color, bar.shape, bar.in_force) for bar in labelled] == [
        (None, "neutral", "shooter", None),
        ("1", "red", "shooter", False),
        ("3", "green", None, True),
    ]
    assert labelled[2].close == "1234567.890123457"
    whole = read_bars(place, "5m").forming
    assert whole is not None
    assert (str(whole.high), str(whole.low)) == ("1234567.890123457", "0.012345678901234568")


def test_closed_bars_without_the_long_number_of_the_forming_one_are_labelled_all_the_same(place: Path) -> None:
    place.write_text(f"{HEAD}0,5,9,2,6,1\n240,6,7,3,4,1\n300,55.5,1234567.890123456,0.012345678901234568,1,1\n")
    labelled = list(label_bars(read_columns(place, "5m"), "color"))
    assert [(bar.high, bar.low, bar.color, bar.shape) for bar in labelled] == [("9", "2", "red", None)]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("1234567890123456789012345678.5", "has too many digits; at most 28 in all"),
        ("1e-29", "has too many digits; at most 28 in all"),
        ("0.99999999999999999999999999999", "has too many digits; at most 28 in all"),
        ("1e999999999", "has too many digits; at most 28 in all"),
    ],
)
def test_more_digits_than_decimals_are_calculated_with_are_an_error(place: Path, number: str, said: str) -> None:
    place.write_text(f"{HEAD}0,1,2,1,1,1\n60,1,{number},1,1,1\n")
    with pytest.raises(DataError, match=rf"line 3: high {re.escape(number)} {said}"):
        read_columns(place)


@given(quarters(), st.sampled_from(["color", "reclaim"]))
def test_bars_labelled_at_once_are_labelled_as_one_by_one(place: Path, rows: list[Bar], setting: str) -> None:
    place.write_text(HEAD + "".join(line_of(bar) for bar in rows))
    series = Series("X", "15m")
    expected = []
    for bar in read_bars(place).closed:
        closed = series.close(bar, StratRules())
        labels = closed.labels(setting)
        expected.append((closed.type, labels.color, labels.shape, labels.failed_two, labels.in_force))
    found = label_bars(read_columns(place), setting)
    assert [(bar.type, bar.color, bar.shape, bar.failed, bar.in_force) for bar in found] == expected
