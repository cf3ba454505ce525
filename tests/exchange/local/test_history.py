"""Candles as of the market's clock: the file's minutes before the start, and the trades since."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlas.exchange.local.history import Candle, CandleHistory
from atlas.exchange.local.instants import NS
from atlas.exchange.local.market import MinuteRows
from atlas.exchange.local.timeline import Timeline
from tests.exchange.local.scene import START, played

trades = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=3 * 86_400), st.integers(min_value=1, max_value=50),
        st.integers(min_value=1, max_value=9),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def nothing_before() -> MinuteRows:
    return MinuteRows(*(np.array([], dtype=np.int64) for _ in range(6)))


def plain(made: list[tuple[int, int, int]], seconds: int) -> list[Candle]:
    """Make candles the slow way."""
    candles: dict[int, list[tuple[int, int]]] = {}
    for second, ticks, lots in made:
        candles.setdefault(second // seconds * seconds, []).append((ticks, lots))
    return [
        Candle(start, rows[0][0], max(row[0] for row in rows), min(row[0] for row in rows), rows[-1][0],
               sum(row[1] for row in rows))
        for start, rows in sorted(candles.items())
    ]  # fmt: skip


@given(trades, st.sampled_from([60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 86_400]))
def test_candles_are_those_of_their_trades(made: list[tuple[int, int, int]], seconds: int) -> None:
    history, ordered = CandleHistory(nothing_before), sorted(made, key=lambda trade: trade[0])
    for second, ticks, lots in ordered:
        history.add(second * NS, ticks, lots)
    assert history.candles(seconds, 0, 4 * 86_400) == plain(ordered, seconds)


@given(trades)
def test_the_days_figures_are_those_of_its_trades(made: list[tuple[int, int, int]]) -> None:
    history, made_so_far = CandleHistory(nothing_before), sorted(made, key=lambda trade: trade[0])
    for place, (second, ticks, lots) in enumerate(made_so_far):
        history.add(second * NS, ticks, lots)
        seen = made_so_far[: place + 1]
        day = [row for row in seen if row[0] // 60 >= second // 60 - 1440]
        figures = history.figures(second * NS, ticks)
        assert figures.volume == sum(row[2] for row in day)
        assert (figures.low, figures.high) == (min(row[1] for row in day), max(row[1] for row in day))
        assert (figures.low_52_weeks, figures.high_52_weeks) == (min(r[1] for r in seen), max(r[1] for r in seen))


def test_start_and_end_are_both_included() -> None:
    history = CandleHistory(nothing_before)
    for minute in range(5):
        history.add(minute * 60 * NS, 10 + minute, 1)
    assert [candle.start for candle in history.candles(60, 60, 180)] == [60, 120, 180]
    assert [candle.start for candle in history.candles(60, 61, 179)] == [120]


def test_history_before_the_start_and_trades_since_make_one_candle(tmp_path: Path) -> None:
    timeline = Timeline(played(tmp_path, minutes=30, start=10))
    history = timeline.tapes["BIP-20DEC30-CDE"].history
    assert [candle.start for candle in history.candles(60, START, START + 1800)] == [
        START + 60 * minute for minute in range(10)
    ]
    while not timeline.finished:
        timeline.step()
    whole = Timeline(played(tmp_path, minutes=30))
    while not whole.finished:
        whole.step()
    for seconds in (60, 300, 900):
        found = history.candles(seconds, START, START + 1800)
        assert found == whole.tapes["BIP-20DEC30-CDE"].history.candles(seconds, START, START + 1800)
        assert len(found) == 1800 // seconds


def test_nothing_after_the_markets_clock_is_told(tmp_path: Path) -> None:
    timeline = Timeline(played(tmp_path, minutes=30, start=10))
    history = timeline.tapes["BIP-20DEC30-CDE"].history
    while (now := timeline.next_instant()) is not None and now < (START + 1230) * NS:
        timeline.step()
        candles = history.candles(60, START, START + 3600)
        assert all(candle.start * NS <= timeline.now for candle in candles)
    forming = candles[-1]
    assert forming.start == START + 1200
    assert forming.volume == 3 + 3  # the first two of the four trades of a candle of 10 contracts: 3, 3, 2, 2
