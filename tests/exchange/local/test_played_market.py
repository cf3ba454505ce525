"""Files as a market: ticks, paths, sizes, history, and what cannot be played."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from atlas.errors import DataError, UsageError
from atlas.exchange.local import listed, read_market
from atlas.exchange.local.instants import NS
from atlas.exchange.local.market import FIRST_TRADE_ID
from tests.exchange.local.scene import START, candle_file, played, wave

BIP = listed(["BIP-20DEC30-CDE"])[0]
SPOT = listed(["BTC-USD"])[0]


def test_a_candle_becomes_four_trades_a_quarter_apart(tmp_path: Path) -> None:
    market = read_market([(candle_file(tmp_path / "a.csv", [(10, 14, 9, 12, 10)]), BIP)])
    tick = market.products[BIP.product_id].tick
    trades = list(market.trades())
    assert [tick.value(trade.ticks) for trade in trades] == [10, 9, 14, 12]
    assert [trade.time - START * NS for trade in trades] == [0, 15 * NS, 30 * NS, 45 * NS]
    assert [trade.lots for trade in trades] == [3, 3, 2, 2]


def test_high_first_is_a_setting(tmp_path: Path) -> None:
    market = read_market([(candle_file(tmp_path / "a.csv", [(10, 14, 9, 12, 10)]), BIP)], always_high_first=True)
    assert [trade.ticks for trade in market.trades()] == [10, 14, 9, 12]


def test_an_open_outside_the_candle_is_clamped_in_trades_and_history(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", [(20, 14, 9, 12, 10), (3, 14, 9, 12, 10)])
    market = read_market([(path, BIP)], start=(START + 60) * NS)
    assert market.minutes_before(BIP.product_id).open.tolist() == [14]
    assert next(market.trades()).ticks == 9


def test_a_candle_without_volume_gives_no_trade_and_no_row(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", [(10, 11, 9, 10, 4), (10, 11, 9, 10, 0), None, (10, 11, 9, 10, 4)])
    market = read_market([(path, BIP)], start=(START + 180) * NS)
    assert len(market.minutes_before(BIP.product_id)) == 1
    assert len(list(market.trades())) == 4


def test_every_trade_has_at_least_one_lot(tmp_path: Path) -> None:
    market = read_market([(candle_file(tmp_path / "a.csv", [(10, 11, 9, 10, 0.3)]), BIP)])
    assert [trade.lots for trade in market.trades()] == [1, 1, 1, 1]


def test_trade_ids_are_dense_and_times_ascend(tmp_path: Path) -> None:
    trades = list(played(tmp_path, minutes=40).trades())
    assert [trade.trade_id for trade in trades] == list(range(FIRST_TRADE_ID, FIRST_TRADE_ID + 160))
    assert all(one.time < two.time for one, two in pairwise(trades))


def test_an_up_tick_is_a_buyer_and_prints_at_the_ask(tmp_path: Path) -> None:
    trades = list(played(tmp_path, minutes=40).trades())
    for before, trade in pairwise(trades):
        if trade.ticks != before.ticks:
            assert trade.maker_bought is (trade.ticks < before.ticks)
        assert trade.ticks == (trade.bid if trade.maker_bought else trade.ask)
        assert trade.ask == trade.bid + 1


def test_the_product_takes_the_files_tick(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", [(10, 14.5, 9.25, 12, 10)])
    assert read_market([(path, BIP)]).products[BIP.product_id].tick.decimal == Decimal("0.25")


def test_round_to_tick_keeps_the_products_tick_and_rounds_to_the_nearer(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", [(101, 112.5, 97.4, 104, 10)])
    market = read_market([(path, BIP)], round_to_tick=True)
    assert market.products[BIP.product_id].tick.decimal == 5
    assert [trade.ticks * 5 for trade in market.trades()] == [100, 95, 115, 105]


def test_products_of_several_files_are_played_in_one_order_of_time(tmp_path: Path) -> None:
    market = played(tmp_path, "BIP-20DEC30-CDE", "BTC-USD", minutes=3)
    trades = list(market.trades())
    assert [trade.time for trade in trades] == sorted(trade.time for trade in trades)
    assert [trade.product_id for trade in trades[:4]] == ["BIP-20DEC30-CDE", "BTC-USD"] * 2


def test_the_stretch_to_play_excludes_its_end(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", wave(10))
    market = read_market([(path, SPOT)], start=(START + 120) * NS, end=(START + 240) * NS)
    assert len(list(market.trades())) == 8
    assert market.minutes_before(SPOT.product_id).times.tolist() == [START, START + 60]
    assert (market.start, market.end) == ((START + 120) * NS, (START + 240) * NS)


def test_trades_of_a_file_keep_their_times_and_takers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        f"time,price,size,side\n{START}.5,100.5,1,buy\n{START + 60}.25,101,2,sell\n{START + 61},100.5,2,buy\n"
    )
    market = read_market([(path, BIP)], start=(START + 60) * NS)
    first, second = market.trades()
    assert (first.time, first.maker_bought, first.bid) == ((START + 60) * NS + NS // 4, True, first.ticks)
    assert (second.maker_bought, second.ask) == (False, second.ticks)
    assert len(market.minutes_before(BIP.product_id)) == 1


def test_candles_of_another_interval_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,open,high,low,close,volume\n0,1,2,1,1,1\n900,1,2,1,1,1\n")
    with pytest.raises(DataError, match=r"candles of 900 s; the local exchange plays candles of 1m"):
        read_market([(path, BIP)])


@pytest.mark.parametrize("header", ["time,price,amount,side", "time,price,size", "time,open,high,low,close", "a,b"])
def test_a_file_of_neither_candles_nor_trades_is_told_what_either_needs(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n0,1,1,buy\n")
    with pytest.raises(DataError) as refused:
        read_market([(path, BIP)])
    assert str(refused.value) == (
        f"{path}, line 1: '{header}' names neither the columns of candles (time,open,high,low,close,volume) nor those "
        "of trades (time,price,size,side); name them so"
    )


def test_a_file_in_which_nothing_traded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no candle has volume"):
        read_market([(candle_file(tmp_path / "a.csv", [(10, 11, 9, 10, 0)]), BIP)])


def test_a_stretch_outside_the_file_is_refused(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", wave(3))
    with pytest.raises(UsageError, match=r"nothing in .* lies between"):
        read_market([(path, BIP)], start=(START + 900) * NS, end=(START + 960) * NS)
    with pytest.raises(UsageError, match="is not before --to"):
        read_market([(path, BIP)], start=(START + 60) * NS, end=START * NS)


def test_volumes_that_would_overflow_are_refused(tmp_path: Path) -> None:
    path = candle_file(tmp_path / "a.csv", [(10, 11, 9, 10, 99_999_999_999)])
    with pytest.raises(DataError, match="too large to count in lots of 1E-8"):
        read_market([(path, SPOT)])
