"""Higher bars are the exact aggregate of lower ones, in one step or in many."""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError, DataError, InternalError
from atlas.market.aggregation import FormingBar, aggregate
from atlas.market.bar import Bar
from atlas.market.candle_bars import read_bars, read_columns
from atlas.market.timeframes import TIMEFRAMES, finer, period
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType
from atlas.strat.series import Series
from atlas.strat.setup import Setup

DAY = datetime(2026, 5, 8, tzinfo=UTC)
LEVELS = st.integers(180, 220).map(lambda halves: halves / 2)


def bar(timeframe: str, at: datetime, opened: float, high: float, low: float, close: float, volume: int = 1) -> Bar:
    start, end = period(timeframe, at)
    assert start == at
    return Bar(timeframe, start, end, Decimal(opened), Decimal(high), Decimal(low), Decimal(close), Decimal(volume))


@st.composite
def minutes(draw: st.DrawFn, longest: int = 400) -> list[Bar]:
    """1m bars with holes, somewhere in a month with all its boundaries near."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 7, 61, 800, 3000]), min_size=1, max_size=longest))
    at = datetime(2026, 4, 29, 22, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 240)))
    found = []
    for step in steps:
        opened, close, one, other = (draw(LEVELS) for _ in range(4))
        found.append(bar("1m", at, opened, max(one, other), min(one, other), close, draw(st.integers(0, 9))))
        at += timedelta(minutes=step)
    return found


def test_first_open_max_high_min_low_last_close_sum_volume() -> None:
    rows = [(100, 104, 99, 101, 3), (101, 103, 95, 96, 4), (96, 120, 96, 97, 5), (97, 98, 97, 98, 6)]
    bars = [bar("15m", DAY + timedelta(minutes=15 * i), *row) for i, row in enumerate(rows)]
    assert aggregate(bars, "1h", starts_whole=False) == ([bar("1h", DAY, 100, 120, 95, 98, 18)], None)


def test_open_outside_the_range_widens_neither_high_nor_low() -> None:
    bars = [bar("30m", DAY, 130, 104, 99, 101), bar("30m", DAY + timedelta(minutes=30), 101, 103, 100, 90)]
    ((hour,), _) = aggregate(bars, "1h", starts_whole=True)
    assert (hour.open, hour.high, hour.low, hour.close) == (130, 104, 99, 90)


def test_lesson_63_partial_first_bucket_is_dropped() -> None:
    bars = [bar("15m", DAY + timedelta(minutes=15 * i), 100, 101, 99, 100) for i in range(1, 8)]
    closed, forming = aggregate(bars, "1h", starts_whole=False)
    assert [hour.open_time for hour in closed] == [DAY + timedelta(hours=1)]
    assert forming is None


def test_a_partial_first_bucket_is_no_forming_bar_either() -> None:
    assert aggregate([bar("15m", DAY + timedelta(minutes=15), 1, 1, 1, 1)], "1h", starts_whole=False) == ([], None)


def test_first_bucket_is_kept_when_the_market_was_asked_from_its_open() -> None:
    bars = [bar("15m", DAY + timedelta(minutes=15 * i), 100, 101, 99, 100) for i in range(1, 4)]
    closed, _ = aggregate(bars, "1h", starts_whole=True)
    assert [hour.open_time for hour in closed] == [DAY], "a hole at its beginning is not a missing part"


def test_only_the_first_bucket_can_be_partial() -> None:
    later = DAY + timedelta(hours=1, minutes=30)
    closed, _ = aggregate([bar("15m", DAY, 1, 1, 1, 1), bar("15m", later, 2, 2, 2, 2)], "1h", starts_whole=False,
                          complete_until=DAY + timedelta(hours=2))  # fmt: skip
    assert [hour.open_time for hour in closed] == [DAY, DAY + timedelta(hours=1)]


def test_last_bucket_is_forming_until_the_data_reach_its_close() -> None:
    bars = [bar("15m", DAY + timedelta(minutes=15 * i), 100 + i, 101 + i, 99, 100 + i) for i in range(3)]
    closed, forming = aggregate(bars, "1h", starts_whole=False)
    assert closed == []
    assert forming == bar("1h", DAY, 100, 103, 99, 102, 3)
    whole, nothing = aggregate(bars, "1h", starts_whole=False, complete_until=DAY + timedelta(hours=1))
    assert (whole, nothing) == ([forming], None), "no trade in the last quarter, and it is known"
    early = DAY + timedelta(minutes=40)
    assert aggregate(bars, "1h", starts_whole=False, complete_until=early) == ([], forming)


def test_a_period_without_trades_has_no_bar() -> None:
    bars = [bar("1h", DAY, 1, 2, 1, 2), bar("1h", DAY + timedelta(hours=9), 3, 4, 3, 4)]
    closed, forming = aggregate(bars, "4h", starts_whole=True)
    assert [four.open_time.hour for four in closed] == [0]
    assert forming is not None
    assert forming.open_time.hour == 8


def test_week_and_month_are_made_of_days() -> None:
    days = [bar("1d", DAY.replace(month=1, day=1) + timedelta(days=i), i, i + 2, i - 1, i + 1) for i in range(1, 91)]
    months, _ = aggregate(days, "1M", starts_whole=False)
    assert [(month.open_time.month, month.close_time.month) for month in months] == [(2, 3), (3, 4)]
    weeks, _ = aggregate(days, "1w", starts_whole=False)
    assert {week.open_time.weekday() for week in weeks} == {0}
    assert all(week.volume == 7 for week in weeks)


def test_bars_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="4h do not add up to 6h"):
        aggregate([bar("4h", DAY, 1, 1, 1, 1)], "6h", starts_whole=True)
    with pytest.raises(ConfigurationError, match="1w do not add up to 1M"):
        aggregate([bar("1w", DAY - timedelta(days=4), 1, 1, 1, 1)], "1M", starts_whole=True)


def test_doubled_or_unsorted_bars_are_an_error() -> None:
    once, next_one = bar("1h", DAY, 1, 1, 1, 1), bar("1h", DAY + timedelta(hours=1), 1, 1, 1, 1)
    for bars in ([once, once], [next_one, once]):
        with pytest.raises(DataError, match="2026-05-08 00:00"):
            aggregate(bars, "4h", starts_whole=True)


def test_a_bar_of_another_period_is_not_merged() -> None:
    forming = FormingBar.from_bar(bar("15m", DAY, 1, 1, 1, 1), "1h")
    with pytest.raises(InternalError, match="no part of the 1h bar"):
        forming.merge(bar("15m", DAY + timedelta(hours=1), 1, 1, 1, 1))


def test_no_bars_make_no_bars() -> None:
    assert aggregate([], "1h", starts_whole=False) == ([], None)


@given(minutes(), st.sampled_from([name for name in TIMEFRAMES if name != "1m"]), st.data())
def test_one_step_equals_many(bars: list[Bar], timeframe: str, data: st.DataObject) -> None:
    between = data.draw(st.sampled_from(finer(timeframe)))
    closed, forming = aggregate(bars, between, starts_whole=True)
    steps = [*closed, *([forming] if forming else [])]
    in_two = aggregate(steps, timeframe, starts_whole=True, complete_until=bars[-1].close_time)
    assert in_two == aggregate(bars, timeframe, starts_whole=True)


def frames_between(timeframe: str) -> list[str]:
    """Every frame from minutes to `timeframe` of which each adds up to the next, finest first."""
    chain = [timeframe]
    while chain[0] != "1m":
        chain.insert(0, finer(chain[0])[0])
    return chain


def allowed(timeframe: str, bars: list[Bar]) -> list[tuple[BarType | None, tuple[Setup, ...]]]:
    series = Series("X", timeframe)
    return [(closed.type, closed.setups) for closed in (series.close(bar, StratRules()) for bar in bars)]


def test_the_frames_between_are_all_that_add_up() -> None:
    assert frames_between("12h") == ["1m", "5m", "15m", "30m", "1h", "2h", "6h", "12h"]
    assert frames_between("1w")[-3:] == ["12h", "1d", "1w"]
    assert frames_between("1M")[-3:] == ["12h", "1d", "1M"]
    assert frames_between("4h") == ["1m", "5m", "15m", "30m", "1h", "2h", "4h"]


@given(minutes(), st.sampled_from(TIMEFRAMES[1:]))
def test_types_and_setups_agree_in_one_step_and_through_every_frame_between(bars: list[Bar], timeframe: str) -> None:
    steps = bars
    for name in frames_between(timeframe)[1:]:
        closed, forming = aggregate(steps, name, starts_whole=True, complete_until=bars[-1].close_time)
        steps = [*closed, *([forming] if forming else [])]
    at_once, still_forming = aggregate(bars, timeframe, starts_whole=True)
    assert (closed, forming) == (at_once, still_forming)
    assert allowed(timeframe, closed) == allowed(timeframe, at_once)


@pytest.mark.shared
@pytest.mark.parametrize("timeframe", ["15m", "4h", "6h", "12h", "1d", "1w"])
def test_real_minutes_agree_in_one_step_and_through_every_frame_between(shared: Path, timeframe: str) -> None:
    path = shared / "data" / "ohlcv" / "binance-perp_BTC-USDT_1m_2023-07_08.csv.gz"
    read = read_columns(path)
    bars = read.bars()
    assert bars[0].open_time.minute == 13, "begins within every bucket"
    steps = bars
    for name in frames_between(timeframe)[1:]:
        closed, forming = aggregate(steps, name, starts_whole=False, complete_until=bars[-1].close_time)
        steps = [*closed, *([forming] if forming else [])]
    found = read_bars(path, timeframe)
    assert (found.closed, found.forming) == (closed, forming)
    assert len(closed) > 2
    assert allowed(timeframe, found.closed) == allowed(timeframe, closed)

@given(minutes(), st.sampled_from(TIMEFRAMES))
def test_dropping_the_partial_first_bucket_changes_no_other(bars: list[Bar], timeframe: str) -> None:
    opened, _ = period(timeframe, bars[0].open_time)
    closed, forming = aggregate(bars, timeframe, starts_whole=True)
    if bars[0].open_time > opened:
        closed = [found for found in closed if found.open_time > opened]
        forming = forming if forming and forming.open_time > opened else None
    assert aggregate(bars, timeframe, starts_whole=False) == (closed, forming)


@given(minutes(), st.sampled_from(TIMEFRAMES))
def test_aggregate_holds_everything_and_nothing_else(bars: list[Bar], timeframe: str) -> None:
    closed, forming = aggregate(bars, timeframe, starts_whole=True)
    made = [*closed, *([forming] if forming else [])]
    assert [found.open_time for found in made] == sorted({period(timeframe, part.open_time)[0] for part in bars})
    for found in made:
        parts = [part for part in bars if found.open_time <= part.open_time < found.close_time]
        assert found.open == parts[0].open
        assert found.high == max(part.high for part in parts)
        assert found.low == min(part.low for part in parts)
        assert found.close == parts[-1].close
        assert found.volume == sum(part.volume for part in parts)


@given(st.lists(st.tuples(LEVELS, st.integers(1, 9)), min_size=1))
def test_trades_form_the_same_bar_as_their_candle(trades: list[tuple[float, int]]) -> None:
    (price, size), *rest = trades
    forming = FormingBar.from_trade("1h", DAY + timedelta(seconds=5), Decimal(price), Decimal(size))
    for price, size in rest:
        forming.add(Decimal(price), Decimal(size))
    prices = [price for price, _ in trades]
    assert forming.bar() == bar("1h", DAY, prices[0], max(prices), min(prices), prices[-1], sum(s for _, s in trades))


def coinbase(shared: Path, name: str, timeframe: str) -> list[Bar]:
    found = []
    with gzip.open(shared / "data" / "ohlcv" / name, "rt") as file:
        for row in csv.DictReader(file):
            start, end = period(timeframe, datetime.fromtimestamp(int(row["time"]), UTC))
            prices = (Decimal(row[name]) for name in ("open", "high", "low", "close", "volume"))
            found.append(Bar(timeframe, start, end, *prices))
    return found


def compared(made: list[Bar], listed: list[Bar]) -> tuple[int, int]:
    """How many bars both have, and how many of those differ in high or low."""
    by_time = {theirs.open_time: theirs for theirs in listed}
    both = [(ours, by_time[ours.open_time]) for ours in made if ours.open_time in by_time]
    return len(both), sum((ours.high, ours.low) != (theirs.high, theirs.low) for ours, theirs in both)


@pytest.mark.shared
@pytest.mark.parametrize(("symbol", "differing"), [("BTC", 1), ("SOL", 3)])
def test_coinbase_quarter_hours_make_its_hours(shared: Path, symbol: str, differing: int) -> None:
    quarters = coinbase(shared, f"coinbase_{symbol}-USD_15m_2024-2026.csv.gz", "15m")
    made, _ = aggregate(quarters, "1h", starts_whole=False)
    both = compared(made, coinbase(shared, f"coinbase_{symbol}-USD_1h_2024-2026.csv.gz", "1h"))
    assert both == (17_990, differing), "data/MANIFEST.md: 99.98 % agree; the others differ in the venue's own files"
    assert round(1 - Decimal(differing) / 17_990, 4) >= Decimal("0.9998")


@pytest.mark.shared
def test_coinbase_hours_make_its_six_hours(shared: Path) -> None:
    made, _ = aggregate(coinbase(shared, "coinbase_BTC-USD_1h_2024-2026.csv.gz", "1h"), "6h", starts_whole=False)
    count, differing = compared(made, coinbase(shared, "coinbase_BTC-USD_6h_2024-2026.csv.gz", "6h"))
    assert count > 2_900
    assert differing == 0, "data/MANIFEST.md: 100 % agree"
