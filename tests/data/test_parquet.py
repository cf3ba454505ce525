"""Parquet gives the candles a CSV file of the same numbers gives."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from atlas.data.past_file import read_past
from atlas.errors import DataError
from atlas.market.candle_file import COLUMNS, CandleFile, read_candles
from tests.data.candle_csv import START, minutes, write_csv


def columns(rows: list[str]) -> dict[str, list[Any]]:
    """Return rows of CSV as columns of text."""
    return dict(zip(COLUMNS, map(list, zip(*(row.split(",") for row in rows), strict=True)), strict=True))


def written(path: Path, table: dict[str, Any]) -> Path:
    parquet.write_table(pyarrow.table(table), path)
    return path


def same(one: object, other: object) -> bool:
    assert isinstance(one, CandleFile)
    assert isinstance(other, CandleFile)
    assert (one.scale, one.volume_scale, one.tick_units) == (other.scale, other.volume_scale, other.tick_units)
    return all(
        getattr(one, name).tolist() == getattr(other, name).tolist()
        for name in ("times", "open", "high", "low", "close", "volume")
    )


@pytest.mark.parametrize("kind", ["s", "ms", "us", "ns", "int", "text"])
@pytest.mark.parametrize("numbers", [float, Decimal, str])
def test_every_way_to_write_the_numbers_gives_the_same_candles(tmp_path: Path, kind: str, numbers: Any) -> None:
    rows = minutes(40)
    table: dict[str, Any] = columns(rows)
    seconds = [int(text) for text in table["time"]]
    if kind == "int":
        table["time"] = seconds
    elif kind != "text":
        at = [datetime.fromtimestamp(each, UTC).replace(tzinfo=None) for each in seconds]
        table["time"] = pyarrow.array(at, pyarrow.timestamp(kind))
    table |= {name: [numbers(text) for text in table[name]] for name in COLUMNS[1:]}
    found = read_past(written(tmp_path / "a.parquet", table))
    assert same(found, read_candles(write_csv(tmp_path / "a.csv", rows)))


def test_zone_of_a_timestamp_is_minded(tmp_path: Path) -> None:
    east = pyarrow.array([datetime.fromtimestamp(START, UTC)], pyarrow.timestamp("ms", tz="+02:00"))
    table: dict[str, Any] = columns(minutes(1)) | {"time": east}
    found = read_past(written(tmp_path / "a.parquet", table))
    assert isinstance(found, CandleFile)
    assert found.times.tolist() == [START]


def test_date_is_another_name_of_time_and_volumes_keep_eight_decimals(tmp_path: Path) -> None:
    table: dict[str, Any] = columns(minutes(2))
    table["date"] = [int(text) for text in table.pop("time")]
    table["volume"] = [55.012345678901235, 0.012345678901234568]
    found = read_past(written(tmp_path / "a.pq", table))
    assert isinstance(found, CandleFile)
    assert (found.volume.tolist(), found.volume_scale) == ([5501234568, 1234568], 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"high": [100.0, None]}, "line 3: high 'None' is not a number"),
        ({"low": [99.95, float("nan")]}, "line 3: low 'nan' is not a number"),
        ({"low": [99.95, 300.0]}, "line 3 at 2026-01-01 00:01:00: 100.06 as high is below the low"),
        (
            {"time": pyarrow.array([START * 1000, START * 1000 + 1], pyarrow.timestamp("ms"))},
            f"line 3: time {START * 1000 + 1} ms is not in whole seconds",
        ),
    ],
)
def test_wrong_value_is_named_by_file_line_and_value(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    table = {name: [float(text) for text in texts] for name, texts in columns(minutes(2)).items()}
    path = written(tmp_path / "a.parquet", {**table, "time": [START, START + 60], **change})
    with pytest.raises(DataError) as raised:
        read_past(path)
    assert str(raised.value).startswith(f"{path}, {said}")


def test_file_that_is_none_or_lacks_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"time,open\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_past(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"none\.parquet"):
        read_past(tmp_path / "none.parquet")
    table = columns(minutes(1))
    del table["low"]
    with pytest.raises(DataError, match="no column low among time, open"):
        read_past(written(tmp_path / "b.parquet", table))


def test_times_of_a_day_are_whole_days(tmp_path: Path) -> None:
    days = [(datetime.fromtimestamp(START, UTC) + timedelta(days=n)).date() for n in range(3)]
    table: dict[str, Any] = columns(minutes(3)) | {"time": pyarrow.array(days, pyarrow.date32()).cast("timestamp[s]")}
    found = read_past(written(tmp_path / "a.parquet", table))
    assert isinstance(found, CandleFile)
    assert found.interval == 86_400
