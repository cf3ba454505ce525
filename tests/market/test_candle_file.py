"""Candle and trade files: exact numbers, and an error that names file, line and value."""

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.data.unpack import unpacked
from atlas.errors import DataError
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.number_columns import Unpack, read_header, read_numbers, read_table
from atlas.market.trade_file import read_trades

HEAD = "time,open,high,low,close,volume\n"
ROW = "1577836800,7163.5,7170.0,7156.0,7157.0,10.25\n"


def written(folder: Path, text: str, name: str = "venue_XBT-USD_1m_2020.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_prices_and_volumes_are_read_exactly(tmp_path: Path) -> None:
    file = read_candles(written(tmp_path, HEAD + ROW + "1577836860,7157.0,7158.0,7156.5,7158.0,0.00000001\n"))
    assert file.symbol == "XBT-USD"
    assert file.interval == 60
    assert [file.price(units) for units in file.open.tolist()] == [Decimal("7163.5"), Decimal(7157)]
    assert file.tick == Decimal("0.5")
    assert file.volume.tolist() == [1_025_000_000, 1]
    assert file.volume_scale == 8


def test_a_gzipped_file_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress((HEAD + ROW).encode()))
    file = read_candles(path)
    assert file.price(file.close[0]) == Decimal(7157)
    assert file.symbol == "a"


def test_columns_may_stand_in_any_order_and_lines_end_in_any_way(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"Volume,close,low,high,open,time,extra\r\n1e-05,10,9,11,10,60,x\r\n")
    file = read_candles(path)
    assert (file.volume.tolist(), file.volume_scale) == ([1], 5)
    assert file.high.tolist() == [11]


def test_an_open_outside_the_range_is_kept(tmp_path: Path) -> None:
    assert read_candles(written(tmp_path, HEAD + "60,20,11,9,10,1\n")).open.tolist() == [20]


def test_a_price_that_never_moves_does_not_make_itself_the_tick(tmp_path: Path) -> None:
    assert read_candles(written(tmp_path, HEAD + "60,7.50,7.50,7.50,7.50,1\n")).tick == Decimal("0.1")


def test_rows_of_a_stretch_keep_the_files_tick(tmp_path: Path) -> None:
    file = read_candles(written(tmp_path, HEAD + ROW + "1577836860,7157,7158,7157,7158,1\n"))
    cut = file.rows(1577836860, 1577836920)
    assert len(cut) == 1
    assert cut.tick == file.tick == Decimal("0.5")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("time,open,high,low,close\n60,1,1,1,1\n", "line 1: no column volume"),
        (HEAD, "no rows below the header"),
        (HEAD + "60,1,1,1,1\n", "line 2: 5 fields, not 6: '60,1,1,1,1'"),
        (HEAD + "60,1,2,1,1,1\n120,1,nan,1,1,1\n", "line 3: high 'nan' is not a number"),
        (HEAD + "60,1,2,1,,1\n", "line 2: close '' is not a number"),
        (HEAD + "60,1,2,-1,1,1\n", "line 2: low '-1' is not a number"),
        (HEAD + "60,1,2,1,1,1.2.3\n", "line 2: volume '1.2.3' is not a number"),
        (HEAD + "60,1,2,1,1,1234567890123456789012\n", "line 2: volume 1234567890123456789012 has too many digits"),
        (HEAD + "60,1,2,1,1,1234567890123\n120,1,2,1,1,0.00000001\n", "line 2: volume 1234567890123 has too many"),
        (HEAD + "60,1,1,2,1,1\n", "line 2: high 1 is below the low"),
        (HEAD + "60,1,2,1,3,1\n", "line 2: close 3 lies outside"),
        (HEAD + "60,1,2,0,1,1\n", "line 2: low 0 is 0"),
        (HEAD + "60,1,2,1,1,1\n60,1,2,1,1,1\n", "line 3: time 60 is a duplicate"),
        (HEAD + "120,1,2,1,1,1\n60,1,2,1,1,1\n", "line 3: time 60 is earlier"),
        (HEAD + "60.5,1,2,1,1,1\n", "line 2: time 60.5 is not in whole seconds"),
    ],
)
def test_a_wrong_candle_file_is_refused_with_line_and_value(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_candles(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_file_of_several_gzip_members_reads_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress((HEAD + ROW).encode()) + gzip.compress(ROW.replace("77836800", "77836860").encode()))
    for unpack in (gzip.decompress, unpacked):
        assert read_candles(path, unpack).times.tolist() == [1577836800, 1577836860]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_candles(tmp_path / "none.csv")


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress((HEAD + ROW * 50).encode())[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_candles(path)


@pytest.mark.parametrize("unpack", [gzip.decompress, unpacked])
@given(place=st.integers(min_value=0), mask=st.integers(1, 255))
def test_a_damaged_gzip_file_is_refused_whichever_byte_it_is(
    tmp_path_factory: pytest.TempPathFactory, unpack: Unpack, place: int, mask: int
) -> None:
    rows = "".join(f"{60 * n},1,2,1,2,{n * 7919 % 1000}\n" for n in range(1, 400))
    whole = gzip.compress((HEAD + rows).encode(), mtime=0)
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= mask
    path = tmp_path_factory.mktemp("damaged") / "a.csv.gz"
    path.write_bytes(whole)
    undamaged = read_candles(path, unpack)
    path.write_bytes(damaged)
    told(read_header, path)  # Of the first line alone, which may say anything now; but nothing else is raised.
    candles = told(lambda path: read_candles(path, unpack), path)
    # What says when and where it was packed is of no matter.
    assert str(path) in candles if isinstance(candles, str) else same(candles, undamaged)


def told(read: Callable[[Path], Any], path: Path) -> Any:
    try:
        return read(path)
    except DataError as error:
        return str(error)


def same(one: CandleFile, other: CandleFile) -> bool:
    return bool((one.times == other.times).all() and (one.volume == other.volume).all())


numbers = st.decimals(min_value=0, max_value=10**8, allow_nan=False, allow_infinity=False, places=8)


@given(st.lists(numbers, min_size=1, max_size=30))
def test_every_number_comes_back_as_written(tmp_path_factory: pytest.TempPathFactory, values: list[Decimal]) -> None:
    path = tmp_path_factory.mktemp("numbers") / "a.csv"
    path.write_text("x\n" + "".join(f"{value}\n" for value in values))
    column = read_numbers(read_table(path, ["x"]), "x")
    assert [Decimal(units).scaleb(-column.scale) for units in column.units.tolist()] == values


TRADES = "time,price,size,side,id\n1569888000.719213,8297.5,3,buy,a\n1569888000.719213,8298.5,10038,Sell,b\n"


def test_trades_are_read_exactly(tmp_path: Path) -> None:
    file = read_trades(written(tmp_path, TRADES))
    assert file.times.tolist() == [1569888000719213] * 2
    assert file.price.tolist() == [82975, 82985]
    assert file.tick == Decimal("0.5")
    assert file.bought.tolist() == [True, False]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1569888000,1,1,buy,c", "line 4: time 1569888000 is earlier"),
        ("1569888009,1,1,long,c", "line 4: side long is neither"),
        ("1569888009,0,1,buy,c", "line 4: price 0 is 0"),
        ("1569888009,1,0,buy,c", "line 4: size 0 is 0"),
        ("1569888009.1234567,1,1,buy,c", "time has 7 decimals"),
    ],
)
def test_a_wrong_trade_file_is_refused_with_line_and_value(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        read_trades(written(tmp_path, TRADES + row + "\n"))


@pytest.mark.shared
def test_a_year_of_real_minutes_is_read(shared: Path) -> None:
    file = read_candles(shared / "data" / "ohlcv" / "bitmex_XBTUSD-PERP_1m_2020.csv.gz")
    assert (len(file), file.symbol, file.interval, file.tick) == (527_040, "XBTUSD-PERP", 60, Decimal("0.5"))
    assert int((file.volume == 0).sum()) == 139
    assert int(((file.open > file.high) | (file.open < file.low)).sum()) == 17_265
