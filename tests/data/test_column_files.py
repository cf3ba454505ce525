"""Columns on disk are the candles they were made of, mapped and not read, and damage is noticed."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from atlas.data.column_files import ABOUT, check_columns, open_columns, write_columns
from atlas.data.past_file import read_past
from atlas.errors import DataError
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.past import past_candles, span
from tests.data.candle_csv import START, minutes, write_csv


@pytest.fixture
def candles(tmp_path: Path) -> CandleFile:
    return read_candles(write_csv(tmp_path / "venue_BTC-USD_1m.csv.gz", minutes(50)))


@pytest.fixture
def folder(tmp_path: Path, candles: CandleFile) -> Path:
    write_columns(candles, tmp_path / "kept" / "btc", "somewhere")
    return tmp_path / "kept" / "btc"


def test_columns_hold_every_bar_of_the_file(candles: CandleFile, folder: Path) -> None:
    opened = open_columns(folder)
    assert (opened.symbol, opened.interval, opened.tick, len(opened)) == ("BTC-USD", 60, candles.tick, 50)
    assert span(opened) == span(candles)
    wanted = list(past_candles(candles, *span(candles)))
    assert list(past_candles(opened, *span(opened))) == wanted
    assert wanted[0].open_time == datetime.fromtimestamp(START, UTC)


def test_columns_are_mapped_and_cannot_be_written_to(folder: Path) -> None:
    column = open_columns(folder).high
    assert isinstance(column, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1


def test_a_name_and_a_folder_mean_the_same(folder: Path) -> None:
    by_name = read_past(Path("btc"), lambda: folder.parent)
    assert isinstance(by_name, CandleFile)
    assert by_name.path == read_past(folder).path == folder


def test_a_file_of_that_name_comes_before_what_is_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "btc", minutes(3))
    monkeypatch.chdir(tmp_path)
    assert len(read_past(Path("btc"), lambda: folder.parent)) == 3


def test_what_is_there_is_replaced_only_when_asked(candles: CandleFile, folder: Path) -> None:
    with pytest.raises(DataError, match="is there already: give another name, or --force"):
        write_columns(candles, folder, "elsewhere")
    assert len(open_columns(folder)) == 50
    write_columns(candles.rows(START, START + 600), folder, "elsewhere", replace=True)
    assert len(open_columns(folder)) == 10
    assert [path.name for path in folder.parent.iterdir()] == ["btc"]


def test_changed_byte_is_found_by_its_hash(folder: Path) -> None:
    check_columns(folder)
    path = folder / "low.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"low\.npy has changed since it was written"):
        check_columns(folder)


def test_cut_missing_and_foreign_columns_are_refused_with_their_names(folder: Path) -> None:
    np.save(folder / "close.npy", np.arange(49, dtype=np.int64))
    with pytest.raises(DataError, match=r"close\.npy holds \(49,\) of int64, not 50"):
        open_columns(folder)
    np.save(folder / "close.npy", np.arange(50, dtype=np.float64))
    with pytest.raises(DataError, match=r"close\.npy holds \(50,\) of float64"):
        open_columns(folder)
    (folder / "close.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"close\.npy cannot be read"):
        open_columns(folder)
    (folder / "close.npy").unlink()
    with pytest.raises(DataError, match=r"close\.npy cannot be read"):
        open_columns(folder)


def test_wrong_description_is_refused(folder: Path) -> None:
    about = (folder / ABOUT).read_text()
    (folder / ABOUT).write_text(about.replace('"form": 1', '"form": 2'))
    with pytest.raises(DataError, match="has form 2, and this version reads 1"):
        open_columns(folder)
    (folder / ABOUT).write_text("{}")
    with pytest.raises(DataError, match="is not what was written there"):
        open_columns(folder)
    (folder / ABOUT).unlink()
    with pytest.raises(DataError, match=r"is a folder without candles\.json"):
        read_past(folder)
