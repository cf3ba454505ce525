"""Backtest and replay of real candles and trades: every file there is, a stretch of each."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from atlas.backtest.engine import Played, backtest
from atlas.market.candle_file import read_candles
from atlas.market.funding_file import read_funding
from atlas.market.past import PastFile, span
from atlas.market.products import built_in
from atlas.market.trade_file import read_trades
from atlas.rules import AlertRules, GateRules, MarginRules, Rules, SizingRules, StratRules
from tests.backtest.oracle import differences

BIP, SLP, BTC = "BIP-20DEC30-CDE", "SLP-20DEC30-CDE", "BTC-USD"
LOOSE = Rules(
    gates=GateRules(off=("magnitude", "reward_risk", "fees")),
    sizing=SizingRules(position_policy="one_per_timeframe", max_total_risk=Decimal("0.12")),
    margin=MarginRules(window="guide_2026_07"),
)
"""Many trades, several at once, with an intraday window to end."""


def rules(timeframes: str) -> Rules:
    return replace(LOOSE, strat=StratRules(timeframes=tuple(timeframes.split())))


def played(path: Path, product: str) -> Played:
    file: PastFile = read_trades(path) if path.parent.name == "ticks" else read_candles(path)
    return Played(built_in(product, tick=file.tick), file)


FILES = [
    ("ohlcv/bitmex_XBTUSD-PERP_1m_2020.csv.gz", BIP, "15m 1h 4h 1d 1w", "2020-03-12", 2),
    ("ohlcv/coinbase_BTC-USD_15m_2024-2026.csv.gz", BIP, "15m 1h 4h 1d 1w", "2025-10-22", 8),
    ("ohlcv/coinbase_SOL-USD_15m_2024-2026.csv.gz", SLP, "15m 1h 4h 1d", "2025-10-09T05:40", 8),
    ("ohlcv/coinbase_BTC-USD_1h_2024-2026.csv.gz", BIP, "1h 4h 1d 1w", "2025-01-01T05:00", 25),
    ("ohlcv/coinbase_SOL-USD_1h_2024-2026.csv.gz", SLP, "1h 4h 1d 1w", None, 25),
    ("ohlcv/coinbase_BTC-USD_1m_lean-days.csv.gz", BTC, "15m 1h 4h", "2017-08-01", 120),
    ("ohlcv/coinbase_BTC-USD_1s_2016-10-07_09.csv.gz", BIP, "15m 1h", None, 0.7),
    ("ohlcv/binance-perp_BTC-USDT_1m_2023-07_08.csv.gz", BIP, "15m 1h 4h 1d", None, 2),
    ("ticks/bybit_BTCUSD-PERP_trades_2019-10-01.csv.gz", BIP, "15m 1h 4h", "2019-10-01T02:00", 0.1),
]


@pytest.mark.parametrize(("name", "product", "timeframes", "begins", "days"), FILES, ids=[row[0] for row in FILES])
def test_a_stretch_of_the_file_is_the_replay(
    shared: Path, name: str, product: str, timeframes: str, begins: str | None, days: float
) -> None:
    one = played(shared / "data" / name, product)
    start = span(one.file)[0] if begins is None else datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert differences([one], rules(timeframes), start, start + timedelta(days=days)) == []


def test_past_funding_is_paid_as_the_replay_pays_it(shared: Path) -> None:
    one = played(shared / "data" / "ohlcv" / "binance-perp_BTC-USDT_1m_2023-07_08.csv.gz", BIP)
    told = read_funding(shared / "data" / "funding" / "dydx-perp_BTC_funding_2022-2023.csv.gz")
    start = datetime(2023, 7, 26, 12, tzinfo=UTC)
    of_the_file, stretch = replace(one, funding=told), (start, start + timedelta(days=2))
    paid = [backtest([each], rules("1h 4h 1d"), *stretch).metrics.funding for each in (one, of_the_file)]
    assert paid[0] != paid[1] != 0
    assert differences([of_the_file], rules("1h 4h 1d"), *stretch) == []


def test_six_hour_candles_are_the_replay(shared: Path) -> None:
    """Weeks alone are made of them; of the shorter frames of an alert there are no bars."""
    one = played(shared / "data" / "ohlcv" / "coinbase_BTC-USD_6h_2024-2026.csv.gz", BIP)
    quiet = replace(rules("1w"), alerts=AlertRules(full_continuity=False))
    start = datetime(2025, 6, 3, tzinfo=UTC)
    assert differences([one], quiet, start, start + timedelta(days=150)) == []


def test_two_real_products_share_one_account(shared: Path) -> None:
    both = [
        played(shared / "data" / "ohlcv" / "coinbase_BTC-USD_1h_2024-2026.csv.gz", BIP),
        played(shared / "data" / "ohlcv" / "coinbase_SOL-USD_1h_2024-2026.csv.gz", SLP),
    ]
    start = datetime(2025, 3, 1, tzinfo=UTC)
    assert differences(both, rules("1h 4h 1d"), start, start + timedelta(days=10)) == []
