"""`atlas label FILE` as somebody types it: what it prints, and what it says of a wrong file."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas.errors import DataError
from atlas.market.bar import Bar
from atlas.market.candle_bars import read_bars
from tests.cli.command import Commands

HEAD = "time,open,high,low,close,volume\n"
START = 1767225600  # Thursday 2026-01-01 00:00 UTC
HOUR = 3600


def written(place: Path, rows: list[tuple[float, ...]], step: int = HOUR, name: str = "XBT-USD.1h.csv") -> Path:
    """Write rows of open, high, low, close from START on; a fifth number is the volume, else 1."""
    stretched = [(START + i * step, *row[:4], row[4] if len(row) > 4 else 1) for i, row in enumerate(rows)]
    lines = [",".join(map(str, row)) for row in stretched]
    path = place / name
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return path


HOURS: list[tuple[float, ...]] = [
    (100, 105, 95, 102),
    (101, 104.5, 96, 101),
    (101, 110, 97, 109.5),
    (109, 112, 98, 99),
    (99, 113, 90, 112.5),
]


def test_every_closed_bar_is_listed_with_its_type_and_labels(tmp_path: Path) -> None:
    listed = Commands(tmp_path)("label", str(written(tmp_path, HOURS)), "--json").json
    assert list(listed[0]) == ["time", "open", "high", "low", "close", "type", "color", "shape", "failed", "in_force"]
    assert [(bar["type"], bar["color"], bar["shape"], bar["failed"], bar["in_force"]) for bar in listed] == [
        (None, "green", None, None, None),
        ("1", "neutral", None, False, False),
        ("2U", "green", None, False, True),
        ("2U", "red", None, True, False),
        ("3", "green", None, False, True),
    ]
    assert listed[1] == {
        "time": "2026-01-01T01:00:00Z", "open": "101", "high": "104.5", "low": "96", "close": "101", "type": "1",
        "color": "neutral", "shape": None, "failed": False, "in_force": False,
    }  # fmt: skip


def test_the_setting_of_the_failed_2_is_the_one_in_use(tmp_path: Path) -> None:
    rows = [(100, 105, 95, 102), (101, 106, 100, 103)]  # a green 2U that closes back within
    path = str(written(tmp_path, rows))
    command = Commands(tmp_path)
    assert command("label", path, "--json").json[1]["failed"] is False
    assert command("label", path, "--json", "--set", "strat.failed=reclaim").json[1]["failed"] is True
    refused = command("label", path, "--set", "strat.failed=either")
    assert refused.code == 78
    assert "`strat.failed` = 'either' is wrong: one of color, reclaim" in refused.said()


def test_the_table_shows_the_same_and_nothing_of_the_forming_bar(tmp_path: Path) -> None:
    path = written(tmp_path, [*HOURS, (112, 120, 110, 111)])  # 2h: the third and last bucket is whole
    lines = Commands(tmp_path)("label", str(path), "--timeframe", "2h").out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["2026-01-01", "00:00:00", "100", "105", "95", "101", "-", "green", "-", "-", "-"],
        ["2026-01-01", "02:00:00", "101", "112", "97", "99", "2U", "red", "shooter", "yes", "no"],
        ["2026-01-01", "04:00:00", "99", "120", "90", "111", "3", "green", "-", "no", "no"],
    ]
    path = written(tmp_path, HOURS)
    assert len(Commands(tmp_path)("label", str(path), "--timeframe", "2h").out.splitlines()) == 3


def opens(bars: list[Bar]) -> list[str]:
    return [f"{bar.open_time:%Y-%m-%d %H:%M}" for bar in bars]


def test_a_first_bucket_the_file_begins_within_is_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text(HEAD + "".join(f"{START + hour * HOUR},5,6,4,5,1\n" for hour in range(1, 8)))
    found = read_bars(path, "4h")
    assert opens(found.closed) == ["2026-01-01 04:00"]
    assert found.forming is None
    assert opens(read_bars(path, "6h").closed) == []


def test_a_bucket_that_ends_after_the_file_is_forming_even_if_it_has_rows(tmp_path: Path) -> None:
    found = read_bars(written(tmp_path, HOURS), "2h")
    assert opens(found.closed) == ["2026-01-01 00:00", "2026-01-01 02:00"]
    assert found.forming is not None
    assert (found.forming.open_time.hour, found.forming.close) == (4, 112.5)


def test_a_hole_is_no_error_and_bars_across_it_are_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text(HEAD + "".join(f"{START + minute * 60},5,6,4,5,1\n" for minute in (0, 1, 5, 1440, 1441)))
    assert opens(read_bars(path).closed)[2:4] == ["2026-01-01 00:05", "2026-01-02 00:00"]
    assert opens(read_bars(path, "1h").closed) == ["2026-01-01 00:00"], "the last hour has only two minutes"


def test_a_row_without_volume_is_a_period_without_a_trade_and_no_bar(tmp_path: Path) -> None:
    quiet = [*HOURS[:2], (101, 101, 101, 101, 0), *HOURS[2:]]
    assert [bar.open_time.hour for bar in read_bars(written(tmp_path, quiet)).closed] == [0, 1, 3, 4, 5]
    first = [(100, 100, 100, 100, 0), *HOURS]
    assert [bar.open_time.hour for bar in read_bars(written(tmp_path, first), "2h").closed] == [0, 2, 4]
    untold = [(*row, 0) for row in HOURS]
    assert len(read_bars(written(tmp_path, untold)).closed) == 5, "a file that tells no volumes"


def test_open_and_close_outside_the_range_are_taken_as_they_stand(tmp_path: Path) -> None:
    (bar,) = read_bars(written(tmp_path, [(20, 11, 9, 12)]), "1h").closed
    assert (bar.open, bar.high, bar.low, bar.close) == (20, 11, 9, 12)


def test_weeks_begin_on_monday_and_months_on_the_first(tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text(HEAD + "".join(f"{START + day * 86400},5,6,4,5,1\n" for day in range(31 + 28 + 3)))
    assert opens(read_bars(path, "1w").closed)[:2] == ["2026-01-05 00:00", "2026-01-12 00:00"]
    assert opens(read_bars(path, "1M").closed) == ["2026-01-01 00:00", "2026-02-01 00:00"]


def test_a_file_of_months_or_weeks_is_its_own_frame(tmp_path: Path) -> None:
    firsts = [int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) for month in range(1, 5)]
    path = tmp_path / "X.csv"
    path.write_text(HEAD + "".join(f"{at},5,6,4,5,1\n" for at in firsts))
    found = read_bars(path)
    assert (found.timeframe, len(found.closed), found.forming) == ("1M", 4, None)
    path.write_text(HEAD + "".join(f"{START + day * 86400},5,6,4,5,1\n" for day in (4, 11, 18)))
    assert (read_bars(path).timeframe, len(read_bars(path).closed)) == ("1w", 3)


def test_a_step_that_is_no_timeframe_still_adds_up_to_one(tmp_path: Path) -> None:
    for step in (1, 10, 180):
        rows = [(10 + i % 7, 20 + i % 11, 5 - i % 3, 11) for i in range(3600 // step)]
        (bar,) = read_bars(written(tmp_path, rows, step), "1h").closed
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10, 30, 3, 11, len(rows))
        assert bar.timeframe == "1h"


def test_the_only_row_is_a_bar_of_the_frame_it_is_said_to_be(tmp_path: Path) -> None:
    (bar,) = read_bars(written(tmp_path, HOURS[:1]), "4h").closed
    assert (bar.close_time - bar.open_time).total_seconds() == 4 * HOUR


@pytest.mark.parametrize(
    ("text", "timeframe", "said"),
    [
        (f"time,open,high,low,close\n{START},1,2,1,1\n", None, "line 1: no column volume"),
        (HEAD, None, "no rows below the header"),
        ("", None, "line 1: no column time"),
        (f"{HEAD}{START},1,2,1,1,1\n", None, f"line 2: time {START} is the only row, which tells no step"),
        (f"{HEAD}60,1,2,1,1,1\n0,1,2,1,1,1\n", None, "line 3: time 0 is earlier than the row before"),
        (f"{HEAD}60,1,2,1,1,1\n60,1,2,1,1,1\n", None, "line 3: time 60 is a duplicate"),
        (f"{HEAD}0,1,2,1,1,1\n60,1,2,nan,1,1\n", None, "line 3: low 'nan' is not a number"),
        (f"{HEAD}0,1,2,1,1,1\n60,1,1.5,2.5,1,1\n", None, "line 3: high 1.5 is below the low 2.5"),
        (f"{HEAD}0,1,2,0,1,1\n60,1,2,1,1,1\n", None, "line 2: low 0 is 0"),
        (f"{HEAD}0,1,2,1,1,1\n60,1,2,1,1,1\n105,1,2,1,1,1\n", None, "line 4: time 105 is 45 seconds after"),
        (f"{HEAD}0,1,2,1,1,1\n60,1,2,1,1,1\n150,1,2,1,1,1\n", None, "line 4: time 150 is off the boundaries of 1m"),
        (f"{HEAD}30,1,2,1,1,1\n90,1,2,1,1,1\n", None, "line 2: time 30 is off the boundaries of 1m"),
        (f"{HEAD}0,1,2,1,1,1\n604800,1,2,1,1,1\n", None, "line 2: time 0 is off the boundaries of 1w"),
        (f"{HEAD}0,1,2,1,1,1\n2505600,1,2,1,1,1\n", None, "line 3: time 2505600 is off the boundaries of 1M"),
        (f"{HEAD}0,1,2,1,1,1\n14400,1,2,1,1,1\n", "6h", "of which 6h is no whole multiple"),
        (f"{HEAD}0,1,2,1,1,1\n14400,1,2,1,1,1\n", "1h", "of which 1h is no whole multiple"),
        (f"{HEAD}1767225600000,1,2,1,1,1\n", "1h", "write unix seconds, not milliseconds"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_file_line_and_value(
    tmp_path: Path, text: str, timeframe: str | None, said: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        read_bars(path, timeframe)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_a_wrong_file_is_one_line_on_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(f"{HEAD}0,1,2,1,1,1\n60,1,2,nan,1,1\n")
    ended = Commands(tmp_path)("label", str(path), "--json")
    assert (ended.code, ended.out) == (65, "")
    assert ended.said() == f"{path}, line 3: low 'nan' is not a number ≥ 0; mend the row"


def test_prices_of_very_different_size_are_compared_exactly(tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text(f"{HEAD}0,1,900000000000,1,1,1\n60,1,1,0.0000000001,1,1\n")
    assert [bar.high > bar.low for bar in read_bars(path).closed] == [True, True]


def test_no_such_file_and_no_such_timeframe(tmp_path: Path) -> None:
    command = Commands(tmp_path)
    missing = command("label", "none.csv")
    assert (missing.code, "none.csv: no such file" in missing.said()) == (65, True)
    wrong = command("label", "none.csv", "--timeframe", "3h")
    assert (wrong.code, "'3h' is not one of '1m'" in wrong.said()) == (2, True)


def test_a_gzipped_file_reads_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, HOURS)
    zipped = tmp_path / "XBT-USD.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    here, there = read_bars(plain), read_bars(zipped)
    assert here.closed == there.closed
    assert (here.symbol, there.symbol) == ("XBT-USD", "XBT-USD")


@pytest.mark.shared
def test_the_exchanges_own_hours_are_those_made_of_its_quarters(shared: Path) -> None:
    place = shared / "data" / "ohlcv"
    made = {bar.open_time: bar for bar in read_bars(place / "coinbase_BTC-USD_15m_2024-2026.csv.gz", "1h").closed}
    own = {bar.open_time: bar for bar in read_bars(place / "coinbase_BTC-USD_1h_2024-2026.csv.gz").closed}
    both = made.keys() & own.keys()
    alike = sum(_prices(made[at]) == _prices(own[at]) for at in both)
    assert len(both) > 10_000
    assert alike / len(both) > 0.99


def _prices(bar: Bar) -> tuple[object, ...]:
    return bar.open, bar.high, bar.low, bar.close
