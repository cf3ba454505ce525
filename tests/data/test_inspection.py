"""What is odd about candles is told with file, line and value; what is right is not told at all."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.data.inspection import SHOWN
from atlas.data.past_file import read_inspected, refuse_fatal
from atlas.errors import DataError
from atlas.market.candle_file import read_candles
from tests.data.candle_csv import START, minutes, write_csv


def test_a_plain_file_has_nothing_odd(tmp_path: Path) -> None:
    _, found = read_inspected(write_csv(tmp_path / "plain.csv", minutes(10)))
    assert (found.rows, found.step, found.missing, found.counts, found.findings) == (10, 60, 0, {}, [])


ODD = {
    "not_ascending": ("{before},100,101,99,100,1", "is earlier than the row before: sort the file"),
    "duplicate": ("{same},100,101,99,100,1", "is a duplicate of the row before: leave one out"),
    "off_step": ("{half},100,101,99,100,1", "is no whole number of steps of 60 s after the row before"),
    "no_such_time": ("{milli},100,101,99,100,1", "is no time of a market: write unix seconds, not milliseconds"),
    "price_zero": ("{next},100,101,0,100,1", "as low: a price is above 0"),
    "high_below_low": ("{next},100,98,99,100,1", "as high is below the low"),
    "close_outside": ("{next},100,101,99,102,1", "as close lies outside low and high"),
    "gap": ("{later},100,101,99,100,1", "comes after 4 missing candles"),
    "jump": ("{next},105.8,106,105,105.5,1", "opens +5.7% from the close before"),
    "open_outside": ("{next},101.5,101,99,100,1", "as open lies outside low and high: clamped where it is played"),
    "zero_range": ("{next},100,100,100,100,1", "is high and low at once"),
    "no_volume": ("{next},100,101,99,100,0", "as volume: nothing was traded, so this is no bar"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_row_is_told_with_line_and_value(tmp_path: Path, kind: str) -> None:
    last = START + 60 * 7
    times = {"before": last - 60, "same": last, "half": last + 30, "milli": (last + 60) * 1000, "next": last + 60}
    row, said = ODD[kind]
    row = row.format(**times, later=last + 300)
    path = write_csv(tmp_path / "odd.csv", [*minutes(8), row])
    _, found = read_inspected(path)
    mine = [finding for finding in found.findings if finding.kind == kind]
    assert found.counts[kind] == 1
    assert [(finding.line, finding.text) for finding in mine] == [(10, said)]
    assert mine[0].value in row.split(",")
    assert str(mine[0]).startswith(f"{path}, line 10")


def test_first_row_is_compared_with_none_before_it(tmp_path: Path) -> None:
    _, found = read_inspected(write_csv(tmp_path / "first.csv", [f"{START},100,101,99,100,1"]))
    assert found.counts == {}


def test_a_move_below_the_share_asked_for_is_no_jump(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "moves.csv", [f"{START},100,100,99,100,1", f"{START + 60},104.99,105,104,105,1"])
    assert read_inspected(path)[1].counts == {}
    assert read_inspected(path, Decimal("0.0499"))[1].counts == {"jump": 1}


def test_many_findings_are_counted_all_and_shown_in_part(tmp_path: Path) -> None:
    rows = [f"{START + 60 * n},100,100,100,100,1" for n in range(SHOWN + 5)]
    _, found = read_inspected(write_csv(tmp_path / "still.csv", rows))
    assert found.counts == {"zero_range": SHOWN + 5}
    assert len(found.findings) == SHOWN


rows = st.lists(
    st.tuples(
        st.sampled_from([-60, 0, 30, 60, 60, 60, 60, 60, 300]),
        *[st.integers(0, 5).map(lambda n: n + 3 if n else 0) for _ in range(4)],
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=8,
)


@given(rows)
def test_what_is_refused_holds_all_that_reading_candles_refuses(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, ...]]
) -> None:
    at, lines = START, []
    for step, *numbers in steps:
        at += step
        lines.append(",".join(map(str, (at, *numbers))))
    path = write_csv(tmp_path_factory.mktemp("rows") / "some.csv", lines)
    file, found = read_inspected(path)
    try:
        refuse_fatal(found)
    except DataError:
        return
    same = read_candles(path)
    assert (file.interval, file.scale, file.tick_units) == (same.interval, same.scale, same.tick_units)
    assert (file.times.tolist(), file.high.tolist()) == (same.times.tolist(), same.high.tolist())


def test_real_outages_are_found(shared: Path) -> None:
    _, found = read_inspected(shared / "data/ohlcv/coinbase_BTC-USD_15m_2024-2026.csv.gz")
    assert (found.rows, found.step, found.missing, found.fatal) == (71_946, 900, 56, [])
    gaps = {f"{each.time:%Y-%m-%d %H:%M}": each.text for each in found.findings if each.kind == "gap"}
    assert len(gaps) == 4
    assert "comes after 25 missing candles" in gaps.values()
