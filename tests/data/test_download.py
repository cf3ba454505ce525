"""Candles in pages from the local exchange: whole, closed ones only, and on from where a download was broken off."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from atlas.data.download import Asked, download
from atlas.errors import DataError, ExchangeError, UsageError
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from atlas.exchange.rest import PAGE, Rest
from atlas.market.bar import Bar
from atlas.market.candle_file import read_candles
from atlas.market.past import past_candles, span

BTC = "BTC-USD"
NOW = datetime(2029, 3, 6, 12, 32, tzinfo=UTC)
STEP = timedelta(minutes=5)
CLOSED = NOW.replace(minute=30)
FROM = CLOSED - 2.5 * PAGE * STEP
NS = 1_000_000_000


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    """A client of a local exchange that stands still in the middle of a candle."""
    market = SyntheticMarket(listed([BTC]), int(NOW.timestamp()) * NS, seed=3)
    with LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1000, hold=True)) as exchange:
        client = Rest(exchange.rest_url, rate=500.0, timeout=60.0)
        yield client
        client.close()


class Broken:
    """An exchange that fails after so many pages."""

    def __init__(self, rest: Rest, pages: int) -> None:
        self.rest, self.left = rest, pages
        self.time = rest.time

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        if not self.left:
            raise ExchangeError("gone")
        self.left -= 1
        return self.rest.candles(symbol, timeframe, start, end)


def test_pages_join_to_every_closed_candle_asked_for(rest: Rest, tmp_path: Path) -> None:
    shares: list[float] = []
    asked = Asked(BTC, "5m", FROM, NOW + 5 * STEP)
    held = download(rest, asked, tmp_path / "growing.csv", shares.append)
    file = read_candles(tmp_path / "growing.csv")
    wanted = [bar for bar in rest.candles(BTC, "5m", FROM, NOW) if bar.close_time <= NOW]
    assert [replace(bar, timeframe="5m") for bar in past_candles(file, *span(file))] == wanted
    assert held == len(wanted) > 2 * PAGE
    assert wanted[-1].close_time == CLOSED  # the candle under way is not closed
    assert len(shares) == 4
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_broken_off_download_goes_on_behind_what_it_holds(rest: Rest, tmp_path: Path) -> None:
    asked, growing = Asked(BTC, "5m", FROM, CLOSED), tmp_path / "growing.csv"
    with pytest.raises(ExchangeError):
        download(Broken(rest, pages=1), asked, growing)
    assert growing.read_bytes().count(b"\n") == PAGE + 1
    with growing.open("ab") as file:
        file.write(b"18670")  # a row its process was killed in
    again = Broken(rest, pages=2)
    assert download(again, asked, growing) == 2.5 * PAGE
    assert again.left == 0
    download(rest, asked, tmp_path / "whole.csv")
    assert growing.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_whole_download_asked_for_again_asks_the_exchange_for_no_page(rest: Rest, tmp_path: Path) -> None:
    asked = Asked(BTC, "5m", FROM, CLOSED)
    held = download(rest, asked, tmp_path / "growing.csv")
    assert download(Broken(rest, pages=0), asked, tmp_path / "growing.csv") == held


def test_empty_stretch_and_a_market_without_candles_are_refused(rest: Rest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--from 2029-03-06 12:35 is not before 2029-03-06 12:32"):
        download(rest, Asked(BTC, "5m", CLOSED + STEP, CLOSED + 9 * STEP), tmp_path / "growing.csv")
    with pytest.raises(DataError, match="has no closed candle of BTC-USD 5m"):
        download(rest, Asked(BTC, "5m", CLOSED, CLOSED + 9 * STEP), tmp_path / "growing.csv")
    assert not (tmp_path / "growing.csv").exists()
