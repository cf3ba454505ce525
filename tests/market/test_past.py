"""Past trades as a replay plays them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas.errors import DataError
from atlas.exchange.local import PRODUCTS
from atlas.exchange.local.played import read_market
from atlas.market.candle_file import read_candles
from atlas.market.past import bars_before, check_timeframe, past_candles, past_trades, span, walked
from atlas.market.trade_file import read_trades

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def candles(place: Path, rows: list[tuple[float, ...]], begins: datetime = NOON, step: int = 60) -> Path:
    """Write candles of `step` seconds: open, high, low, close, volume; None leaves a hole."""
    path = place / "a_TEST_1m_x.csv"
    first = int(begins.timestamp())
    lines = [f"{first + number * step},{','.join(map(str, row))}" for number, row in enumerate(rows) if row]
    path.write_text("\n".join(["time,open,high,low,close,volume", *lines]) + "\n")
    return path


RISING = (100, 104, 99, 103, 8)
FALLING = (103, 105, 98, 99, 4)


def test_the_trades_are_those_the_local_exchange_plays_from_the_same_file(tmp_path: Path) -> None:
    path = candles(tmp_path, [RISING, FALLING, (101, 100, 98, 99, 5), RISING])
    played = list(read_market([(path, PRODUCTS["BTC-USD"])]).trades())
    file = read_candles(path)
    ours = [tick for candle in past_candles(file, *span(file)) for tick in walked(candle, 1)]
    tick = PRODUCTS["BTC-USD"].with_tick(file.tick).tick.decimal
    assert [trade.ticks * tick for trade in played] == [each.price for each in ours]
    assert [trade.time // 1000 for trade in played] == [
        (each.time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for each in ours
    ]


def test_a_candle_without_volume_gives_no_trade(tmp_path: Path) -> None:
    file = read_candles(candles(tmp_path, [RISING, (103, 103, 103, 103, 0), FALLING]))
    assert [bar.open_time for bar in past_candles(file, *span(file))] == [NOON, NOON + 2 * MINUTE]


def test_a_file_that_tells_no_volume_is_no_market_without_a_trade(tmp_path: Path) -> None:
    file = read_candles(candles(tmp_path, [(*RISING[:4], 0), (*FALLING[:4], 0)]))
    assert len(list(past_candles(file, *span(file)))) == 2


def test_a_timeframe_that_the_candles_do_not_add_up_to_is_an_error(tmp_path: Path) -> None:
    file = read_candles(candles(tmp_path, [RISING] * 3, step=1800))
    check_timeframe(file, "1h")
    with pytest.raises(DataError, match=r"15m is no whole multiple of its candles of 1800 s"):
        check_timeframe(file, "15m")


def test_the_bars_before_are_the_same_whether_a_frame_between_is_asked_for_or_not(tmp_path: Path) -> None:
    rows = [(100 + n % 7, 110 + n % 11, 90 - n % 5, 100 + n % 3, 1) for n in range(700)]
    file = read_candles(candles(tmp_path, rows, NOON - timedelta(minutes=640)))
    several = {bars.timeframe: bars for bars in bars_before(file, ("15m", "1h", "4h"), NOON)}
    (alone,) = bars_before(file, ("4h",), NOON)
    assert several["4h"] == alone
    assert [bar.open_time.hour for bar in alone.closed] == [4, 8]


def test_a_first_bucket_that_the_file_does_not_begin_with_is_not_whole(tmp_path: Path) -> None:
    file = read_candles(candles(tmp_path, [RISING] * 10, NOON + 5 * MINUTE))
    (hour,) = bars_before(file, ("1h",), NOON + 10 * MINUTE)
    assert (hour.closed, hour.forming, hour.whole) == ([], None, False)
    (five,) = bars_before(file, ("5m",), NOON + 12 * MINUTE)
    assert (len(five.closed), five.whole) == (1, True)
    assert five.forming is not None
    assert five.forming.open_time == NOON + 10 * MINUTE


def test_trades_of_a_file_are_numbered_by_their_row_and_keep_their_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "a_TEST_trades.csv"
    first = int(NOON.timestamp())
    path.write_text(
        f"time,price,size,side\n{first}.25,100,1,buy\n{first}.25,99.5,2,sell\n{first + 61}.000001,101,3,buy\n"
    )
    file = read_trades(path)
    ticks = list(past_trades(file, NOON + timedelta(seconds=1), NOON + timedelta(hours=1)))
    assert [(tick.trade_id, tick.price, tick.size, tick.aggressor) for tick in ticks] == [
        (3, Decimal(101), Decimal(3), "buy")
    ]
    assert ticks[0].time == NOON + timedelta(seconds=61, microseconds=1)
    (minute,) = bars_before(file, ("1m",), NOON + timedelta(hours=1))
    only = [(bar.open_time, bar.close, bar.volume) for bar in minute.closed]
    assert only == [(NOON + MINUTE, Decimal(101), Decimal(3))], "the file begins within the first minute"
