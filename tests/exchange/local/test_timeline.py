"""The order of what is sent, on the exchange's own time axis."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from atlas.exchange.local.instants import NS, in_break
from atlas.exchange.local.market import Market
from atlas.exchange.local.products import listed
from atlas.exchange.local.publications import Heartbeat, Publication, TradesPublication
from atlas.exchange.local.synthetic import SyntheticMarket
from atlas.exchange.local.timeline import BATCH, Timeline, heartbeat_period
from tests.exchange.local.scene import START, played, synthetic

BIP = "BIP-20DEC30-CDE"


def published(
    market: Market, until: float = float("inf"), *, every: int = NS, books: bool = False
) -> list[Publication]:
    """Return everything published up to an instant, its events written at once."""
    timeline = Timeline(market, heartbeat_every=every)
    if books:
        for tape in timeline.tapes.values():
            tape.book()
    found: list[Publication] = []
    held = dict.fromkeys(market.products)
    while (instant := timeline.next_instant()) is not None and instant < until:
        for publication in timeline.step():
            publication.events(held)
            found.append(publication)
    return found


def events(publication: Publication, *product_ids: str) -> Any:
    text = publication.events(dict.fromkeys(product_ids or (BIP,)))
    assert text is not None
    return json.loads(text)


def minute_of_busy_trading() -> list[Publication]:
    return published(synthetic(rate=20), (START + 60) * NS, books=True)


def test_no_frame_is_stamped_later_than_a_trade_still_to_be_sent() -> None:
    found = minute_of_busy_trading()
    oldest_to_come = float("inf")
    for publication in reversed(found):
        if isinstance(publication, TradesPublication):
            assert max(trade.time for trade, _ in publication.trades) <= publication.stamp
            oldest_to_come = min(oldest_to_come, *(trade.time for trade, _ in publication.trades))
            assert publication.stamp < min(
                (trade.time for later in found[found.index(publication) + 1 :] if isinstance(later, TradesPublication)
                 for trade, _ in later.trades), default=float("inf"),
            )  # fmt: skip
        else:
            assert publication.stamp <= oldest_to_come


def trades_after(found: list[Publication], place: int) -> list[int]:
    batches = [publication for publication in found[place:] if isinstance(publication, TradesPublication)]
    return [trade.time for batch in batches for trade, _ in batch.trades]


def test_a_heartbeat_comes_after_every_trade_up_to_it(tmp_path: Path) -> None:
    # A file's trades lie on whole seconds, as heartbeats do: the batch is cut early for them.
    for found, beats in ((minute_of_busy_trading(), 59), (published(played(tmp_path, minutes=2)), 125)):
        places = [place for place, publication in enumerate(found) if isinstance(publication, Heartbeat)]
        assert len(places) == beats
        for place in places:
            assert min(trades_after(found, place), default=float("inf")) > found[place].stamp


def test_stamps_never_go_back() -> None:
    assert all(one.stamp <= two.stamp for one, two in pairwise(minute_of_busy_trading()))


def test_a_batch_holds_250_ms_at_most_and_is_cut_on_whole_multiples() -> None:
    batches = [found for found in minute_of_busy_trading() if isinstance(found, TradesPublication)]
    assert any(len(batch.trades) > 3 for batch in batches)
    for batch in batches:
        windows = {trade.time // BATCH for trade, _ in batch.trades}
        assert len(windows) == 1 or batch.stamp % NS < 1000  # a trade at a whole second goes with the heartbeat there
        assert batch.stamp // BATCH - min(windows) <= 1


def test_every_trade_is_sent_once_in_order_newest_first_in_its_frame() -> None:
    sent: list[tuple[str, int]] = []
    for publication in minute_of_busy_trading():
        if isinstance(publication, TradesPublication):
            rows = events(publication, BIP, "BTC-USD")[0]["trades"]
            times = [row["time"] for row in rows]
            assert times == sorted(times, reverse=True)
            sent += [(row["product_id"], int(row["trade_id"])) for row in reversed(rows)]
    for product_id in (BIP, "BTC-USD"):
        ids = [trade_id for name, trade_id in sent if name == product_id]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_the_ticker_comes_with_the_match_and_the_batch_after(tmp_path: Path) -> None:
    found = published(played(tmp_path, minutes=1))
    shown = [(publication.channel, publication.stamp - START * NS) for publication in found[:4]]
    (first, at), (second, later) = shown[:2]
    assert (first, at) == ("ticker", 0)
    assert second == "market_trades"
    assert 0 < later < BATCH


def test_a_cascade_shows_its_quotes_after_its_batch() -> None:
    found = minute_of_busy_trading()
    first = found.index(next(p for p in found if isinstance(p, TradesPublication) and len(p.trades) > 3))
    after = found[first + 1 : first + 3]
    assert {publication.channel for publication in after} <= {"level2", "ticker"}
    assert {publication.stamp for publication in after} == {found[first].stamp}


def test_the_ticker_shows_the_quote_its_trade_left(tmp_path: Path) -> None:
    market = played(tmp_path, minutes=3)
    timeline, tick = Timeline(market), market.products[BIP].tick
    trades = iter(market.trades())
    while not timeline.finished:
        for publication in timeline.step():
            if publication.channel == "ticker":
                row, trade = events(publication)[0]["tickers"][0], next(trades)
                assert (row["price"], row["best_bid"], row["best_ask"]) == (
                    tick.text(trade.ticks), tick.text(trade.bid), tick.text(trade.ask),
                )  # fmt: skip


def test_the_books_best_is_the_tickers_at_any_time() -> None:
    timeline = Timeline(synthetic(rate=5))
    held = dict.fromkeys(timeline.tapes)
    sides: dict[tuple[str, str], dict[float, str]] = {}
    for name, tape in timeline.tapes.items():
        tick, lot = tape.product.tick, tape.product.lot
        for level in tape.book().levels():
            sides.setdefault((name, level.side), {})[float(tick.text(level.ticks))] = lot.text(level.lots)
    tickers = 0
    while timeline.now < (START + 60) * NS:
        for publication in timeline.step():
            text = publication.events(held)
            assert text is not None
            for event in json.loads(text):
                for change in event.get("updates", []):
                    side = sides[event["product_id"], change["side"]]
                    side[float(change["price_level"])] = change["new_quantity"]
                    if change["new_quantity"] == "0":
                        del side[float(change["price_level"])]
                for row in event.get("tickers", []):
                    if publication.channel == "ticker":
                        bids, offers = sides[row["product_id"], "bid"], sides[row["product_id"], "offer"]
                        best_bid, best_ask = max(bids), min(offers)
                        assert (best_bid, best_ask) == (float(row["best_bid"]), float(row["best_ask"]))
                        assert (bids[best_bid], offers[best_ask]) == (
                            row["best_bid_quantity"], row["best_ask_quantity"],
                        )  # fmt: skip
                        assert min(len(bids), len(offers)) >= 500
                        tickers += 1
    assert tickers > 200


def test_a_forming_candle_follows_its_trades_and_ends_complete(tmp_path: Path) -> None:
    market = played(tmp_path, minutes=20)
    timeline = Timeline(market)
    shown: dict[str, dict[str, str]] = {}
    while not timeline.finished:
        for publication in timeline.step():
            if publication.channel == "candles":
                rows = events(publication)[0]["candles"]
                assert len(rows) == 1
                assert int(rows[0]["start"]) >= max(map(int, shown), default=0)
                shown[rows[0]["start"]] = rows[0]
    tick, lot = market.products[BIP].tick, market.products[BIP].lot
    whole = timeline.tapes[BIP].history.candles(300, START, START + 1200)
    assert [(tick.text(candle.close), lot.text(candle.volume)) for candle in whole] == [
        (row["close"], row["volume"]) for row in shown.values()
    ]


@pytest.mark.parametrize(("speed", "seconds"), [(1, 1), (2, 1), (10, 5), (500, 250), (0.25, 1)])
def test_heartbeats_come_about_twice_a_wall_second_when_time_is_compressed(speed: float, seconds: int) -> None:
    assert heartbeat_period(speed) == seconds * NS


def test_heartbeats_stand_on_whole_multiples_and_count_up_by_one(tmp_path: Path) -> None:
    market = played(tmp_path, minutes=10)
    beats = [found for found in published(market, every=25 * NS) if isinstance(found, Heartbeat)]
    assert [beat.stamp // 1000 for beat in beats[:-1]] == [(START + 25 * n) * 1_000_000 for n in range(1, 25)]
    assert [beat.counter - beats[0].counter for beat in beats] == list(range(len(beats)))


def test_the_last_heartbeat_is_stamped_five_seconds_after_the_end(tmp_path: Path) -> None:
    market = played(tmp_path, minutes=10)
    last = published(market, every=1000 * NS)[-1]
    assert isinstance(last, Heartbeat)
    assert last.stamp == (START + 605) * NS


def test_while_standing_still_heartbeats_repeat_the_clock(tmp_path: Path) -> None:
    timeline = Timeline(played(tmp_path, minutes=10))
    first, second = timeline.idle_heartbeat(), timeline.idle_heartbeat()
    assert (first.stamp, second.stamp) == (START * NS, START * NS)
    assert second.counter == first.counter + 1


def test_in_the_break_tickers_keep_coming_without_quotes() -> None:
    friday = 1_767_391_140  # a minute before the break in winter
    found = published(SyntheticMarket(listed([BIP, "BTC-USD"]), friday * NS), (friday + 120) * NS)
    rows = [
        (publication, events(publication, BIP, "BTC-USD")[0]["tickers"][0])
        for publication in found if publication.channel == "ticker"
    ]  # fmt: skip
    quiet = [row for publication, row in rows if in_break(publication.stamp) and row["product_id"] == BIP]
    assert len(quiet) >= 59
    assert {(row["best_bid"], row["best_ask"]) for row in quiet} == {("", "")}
    assert all(row["price"] for row in quiet)
    assert all(row["best_bid"] for _, row in rows if row["product_id"] == "BTC-USD")


def test_the_same_market_is_published_the_same_twice() -> None:
    def written() -> list[tuple[str, int, str | None]]:
        found = published(synthetic(rate=3), (START + 60) * NS, books=True)
        return [(each.channel, each.stamp, each.events(dict.fromkeys([BIP, "BTC-USD"]))) for each in found]

    assert written() == written()
