"""The feed on the local exchange: a whole file of candles in compressed time, every trade once and in order."""

import threading
import time
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from actors.feed import Feed
from actors.feed_reader import LineOptions, SocketLine
from actors.feed_state import FeedOptions, FeedState, subscriptions
from actors.messages import Depth, FeedDown, FeedUp, Gap, MarketTime, Snapshot, Trades
from actors.runtime.behaviour import Role
from actors.runtime.post import Post, Sink
from actors.runtime.threads import OwnThread, utc_now
from atlas.exchange.local import ExchangeOptions, LocalExchange, listed, read_market
from atlas.exchange.local.instants import to_datetime

BTC, BIP = "BTC-USD", "BIP-20DEC30-CDE"
MINUTES = 600
PATIENCE = 200.0
LEVELS = 5


def candles(path: Path, first: int, price: int) -> Path:
    """Write candles of invented prices that rise and fall, every seventh minute without a trade."""
    rows = ["time,open,high,low,close,volume"]
    for minute in range(MINUTES):
        if minute % 7 == 3:
            continue
        low = price + 5 * (minute % 40)
        rows.append(f"{first + 60 * minute},{low + 5},{low + 20},{low},{low + 15},{12 + minute % 5}")
    path.write_text("\n".join(rows) + "\n")
    return path


def play(tmp_path: Path, speed: float, booked: tuple[str, ...] = ()) -> list[Any]:
    """Play both files to a feed as `atlas demo` does; return what the core was sent."""
    first = 1_893_456_000  # 2030-01-01
    files = [(candles(tmp_path / "btc.csv", first, 50_000), listed([BTC])[0]),
             (candles(tmp_path / "bip.csv", first, 50_100), listed([BIP])[0])]  # fmt: skip
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=speed)
    post, core = Post(), Sink()
    post.bind("core", core)
    post.bind("journal", Sink())
    market = read_market(files)
    assert market.end is not None
    end = to_datetime(market.end)
    with LocalExchange(market, options) as exchange:
        line = SocketLine(
            exchange.ws_url,
            subscriptions([BTC, BIP], booked),
            lambda message: post.send("reader", "feed", message),
            clock=utc_now,
            monotonic=time.monotonic,
            options=LineOptions(silence=PATIENCE, waits=True, pause=0.0),
        )

        def make(state: FeedState) -> Feed:
            options = FeedOptions(clock="venue", heartbeat_seconds=PATIENCE, acknowledge_seconds=PATIENCE)
            return Feed(
                [BTC, BIP], line, jitter=lambda: 0.5, options=options, booked=booked, levels=LEVELS, state=state
            )

        actor = OwnThread(Role(name="feed", make=make, state=FeedState()), post)
        actor.start(timeout=PATIENCE)
        assert exchange.finished.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        while not any(isinstance(m, MarketTime) and m.at > end for m in core.messages):  # the last frame of all
            assert time.monotonic() < deadline
            pause.wait(0.02)
        assert actor.stop(timeout=PATIENCE)
    assert not [letter for letter in post.dead_letters if letter.to == "feed" and "stopped" not in letter.reason]
    return list(core.messages)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """One play of both files."""
    return play(tmp_path_factory.mktemp("played"), 50_000)


def of(messages: list[Any], kind: type, symbol: str | None = None) -> list[Any]:
    return [m for m in messages if isinstance(m, kind) and (symbol is None or m.symbol == symbol)]


@pytest.mark.parametrize("symbol", [BTC, BIP])
def test_every_trade_of_the_file_comes_once_and_in_order(played: list[Any], symbol: str) -> None:
    ticks = [tick for trades in of(played, Trades, symbol) if trades.source == "feed" for tick in trades.ticks]
    traded = sum(minute % 7 != 3 for minute in range(MINUTES))
    assert len(ticks) == 4 * traded
    assert [tick.trade_id for tick in ticks] == list(range(ticks[0].trade_id, ticks[0].trade_id + len(ticks)))
    assert [tick.time for tick in ticks] == sorted(tick.time for tick in ticks)
    volume = sum(12 + minute % 5 for minute in range(MINUTES) if minute % 7 != 3)
    assert sum(tick.size for tick in ticks) == volume


def test_a_whole_play_is_one_connection_without_loss(played: list[Any]) -> None:
    assert len(of(played, FeedUp)) == 1
    assert of(played, FeedDown) == []
    assert of(played, Gap) == []
    assert sorted(snapshot.symbol for snapshot in of(played, Snapshot)) == [BIP, BTC]


def test_quotes_stand_around_every_trade(played: list[Any]) -> None:
    for trades in of(played, Trades):
        if trades.source == "feed":
            for tick in trades.ticks:
                assert tick.bid is not None
                assert tick.ask is not None
                assert Decimal(0) <= tick.ask - tick.bid
                assert tick.aggressor in ("buy", "sell")


def test_market_time_never_passes_a_trade_still_to_come(played: list[Any]) -> None:
    reached = None
    for message in played:
        if isinstance(message, MarketTime):
            assert reached is None or message.at > reached
            reached = message.at
        elif isinstance(message, Trades) and message.source == "feed" and reached is not None:
            assert message.ticks[0].time >= reached - timedelta(microseconds=1)


def test_two_plays_of_one_file_give_the_core_the_same_trades_and_times(played: list[Any], tmp_path: Path) -> None:
    again = play(tmp_path, 50_000)

    def inputs(messages: list[Any]) -> list[Any]:
        first = next(n for n, m in enumerate(messages) if isinstance(m, Trades) and m.source == "feed")
        return [m for m in messages[first:] if isinstance(m, Trades | MarketTime)]

    ours, theirs = inputs(played), inputs(again)
    shorter = min(len(ours), len(theirs))
    assert ours[:shorter] == theirs[:shorter]
    assert abs(len(ours) - len(theirs)) <= 5


@pytest.fixture(scope="module")
def with_books(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """One play of both files, with the order book of one of them."""
    return play(tmp_path_factory.mktemp("with_books"), 50_000, (BIP,))


def test_the_book_of_what_is_traded_comes_right_before_its_trades(with_books: list[Any]) -> None:
    assert of(with_books, Depth, BTC) == []
    found = 0
    for earlier, later in pairwise(with_books):
        if isinstance(earlier, Depth):
            assert isinstance(later, Trades)
            assert (later.symbol, later.source) == (BIP, "feed")
            found += 1
    assert found > 100


def test_every_book_is_sorted_whole_and_not_crossed(with_books: list[Any]) -> None:
    for depth in of(with_books, Depth, BIP):
        bids, asks = depth.book.bids, depth.book.asks
        assert len(bids) == len(asks) == LEVELS
        assert not depth.book.crossed
        assert [level.price for level in bids] == sorted((level.price for level in bids), reverse=True)
        assert [level.price for level in asks] == sorted(level.price for level in asks)
        assert min(level.size for level in (*bids, *asks)) > 0


def test_a_book_is_told_only_when_its_best_levels_have_changed(with_books: list[Any]) -> None:
    books = [depth.book for depth in of(with_books, Depth, BIP)]
    assert all(earlier != later for earlier, later in pairwise(books))


def test_the_trades_are_the_same_with_and_without_books(played: list[Any], with_books: list[Any]) -> None:
    for symbol in (BTC, BIP):
        ids = [[tick.trade_id for trades in of(one, Trades, symbol) for tick in trades.ticks if trades.source == "feed"]
               for one in (played, with_books)]  # fmt: skip
        assert ids[0] == ids[1]
