"""The bars of a track are what its rows make of each period, however far apart the rows are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from atlas.backtest.frames import frames_of
from atlas.backtest.track import instant, instants, track_of
from atlas.market.candle_file import CandleFile
from atlas.market.past import span
from atlas.market.path import GUESSED
from atlas.market.products import built_in
from atlas.market.timeframes import period

MONDAY = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())


def file_of(minutes: list[int]) -> CandleFile:
    """Return candles at these minutes from a Monday on, no two alike."""
    low = np.array([1000 + 7 * (at % 13) for at in minutes], np.int64)
    times, ones = MONDAY + 60 * np.array(minutes, np.int64), np.ones(len(minutes), np.int64)
    return CandleFile(Path("made"), "made", 60, 2, 1, 0, times, low + 1, low + 5 + ones, low, low + 3, ones)


@pytest.mark.parametrize(
    "minutes",
    [
        [*range(4000)],
        [at for at in range(4000) if at % 17 != 3 and not 900 < at < 1300],
        [0, 5, 100_000, 100_001, 400_000, 2_000_000],  # more periods than rows
        [0],
    ],
    ids=["all", "holes", "sparse", "one"],
)
@pytest.mark.parametrize("timeframe", ["15m", "1h", "4h", "1d", "1w", "1M"])
def test_a_bar_is_of_the_rows_of_its_period(minutes: list[int], timeframe: str) -> None:
    file = file_of(minutes)
    start, end = span(file)
    track = track_of(built_in("BIP-20DEC30-CDE"), file, start, end, GUESSED)
    wanted: dict[datetime, list[int]] = {}
    for row, at in enumerate(track.times.tolist()):
        wanted.setdefault(period(timeframe, instant(at))[0], []).append(row)
    if timeframe == "1M":
        del wanted[min(wanted)]  # the file does not begin with it
    for frames in (frames_of(track, [timeframe], start), frames_of(track, ["15m", timeframe], start)):
        bars = frames[timeframe]
        assert instants(bars.opens.tolist()) == list(wanted)
        assert bars.rows[:-1].tolist() == [rows[0] for rows in wanted.values()]
        assert bars.high.tolist() == [int(track.high[rows].max()) for rows in wanted.values()]
        assert bars.low.tolist() == [int(track.low[rows].min()) for rows in wanted.values()]


def test_an_open_outside_its_candle_is_clamped() -> None:
    file = file_of([0, 1, 2])
    file.open[1], file.open[2] = file.low[1] - 4, file.high[2] + 4
    start, end = span(file)
    track = track_of(built_in("BIP-20DEC30-CDE"), file, start, end + timedelta(hours=1), GUESSED)
    assert track.open.tolist() == [int(file.open[0]), int(file.low[1]), int(file.high[2])]
