"""The synthetic market: seeded, correlated, clustered, on its tick, resting on Fridays."""

from itertools import islice

import numpy as np
import pytest

from atlas.errors import UnknownProduct, UsageError
from atlas.exchange.local import DEFAULT_PRODUCTS, SyntheticMarket, default_rate, listed
from atlas.exchange.local.instants import HOUR, MINUTE, NS, in_break
from atlas.exchange.local.market import FIRST_TRADE_ID, MarketTrade
from tests.exchange.local.scene import START, synthetic

FRIDAY = 1_767_390_600
"""2026-01-02T21:50:00Z, ten minutes before the break in winter."""


def taken(market: SyntheticMarket, minutes: int) -> list[MarketTrade]:
    trades = []
    for trade in market.trades():
        if trade.time >= market.start + minutes * MINUTE:
            return trades
        trades.append(trade)
    raise AssertionError("a synthetic market has no end")


def test_the_same_seed_gives_the_same_market_and_another_another() -> None:
    first, again, other = (list(islice(synthetic(seed=seed).trades(), 500)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_market_without_end_goes_on_in_order_with_dense_ids() -> None:
    trades = taken(synthetic(), 10)
    assert [trade.time for trade in trades] == sorted(trade.time for trade in trades)
    for product_id in ("BIP-20DEC30-CDE", "BTC-USD"):
        ids = [trade.trade_id for trade in trades if trade.product_id == product_id]
        assert ids == list(range(FIRST_TRADE_ID, FIRST_TRADE_ID + len(ids)))
        assert 400 < len(ids) < 800  # ten minutes at one a second


def test_a_trade_prints_at_its_quote_one_to_three_ticks_wide() -> None:
    for trade in taken(synthetic(), 5):
        assert trade.ticks == (trade.bid if trade.maker_bought else trade.ask)
        assert 1 <= trade.ask - trade.bid <= 3
        assert trade.time % 1000 == 0


def test_the_spot_and_the_derivative_of_one_underlying_move_together() -> None:
    minutes = {name: synthetic().minutes_before(name) for name in ("BIP-20DEC30-CDE", "BTC-USD")}
    changes = {
        name: np.diff(np.log(rows.close[np.isin(rows.times, minutes["BIP-20DEC30-CDE"].times)][-20_000:]))
        for name, rows in minutes.items()
    }
    assert np.corrcoef(changes["BIP-20DEC30-CDE"], changes["BTC-USD"])[0, 1] > 0.9


def test_underlyings_are_correlated_and_volatility_clusters() -> None:
    market = synthetic("BTC-USD", "ETH-USD")
    bitcoin, ether = (np.diff(np.log(market.minutes_before(name).close[-50_000:])) for name in market.products)
    assert 0.3 < np.corrcoef(bitcoin, ether)[0, 1] < 0.9
    size = np.abs(bitcoin)
    assert np.corrcoef(size[:-10], size[10:])[0, 1] > 0.05
    assert abs(np.corrcoef(bitcoin[:-10], bitcoin[10:])[0, 1]) < 0.05


def test_the_past_ends_where_the_market_begins() -> None:
    market = synthetic("BTC-USD")
    rows = market.minutes_before("BTC-USD")
    assert rows.times[-1] == START - 60
    assert rows.close[-1] == market.opening_ticks("BTC-USD")
    assert rows.times[0] <= START - 400 * 86_400
    assert (rows.high >= np.maximum(rows.open, rows.close)).all()
    assert (rows.low <= np.minimum(rows.open, rows.close)).all()
    assert (rows.volume > 0).all()


def test_derivatives_rest_in_the_weekly_break_and_spot_does_not() -> None:
    market = SyntheticMarket(listed(["BIP-20DEC30-CDE", "BTC-USD"]), FRIDAY * NS)
    trades = taken(market, 80)
    closed = {trade.product_id for trade in trades if in_break(trade.time)}
    assert closed == {"BTC-USD"}
    assert {trade.product_id for trade in trades if trade.time >= (FRIDAY + 4200) * NS} == set(market.products)
    past = market.minutes_before("BIP-20DEC30-CDE").times
    assert not [hour for hour in np.unique(past // 3600).tolist() if in_break(hour * HOUR)]


def test_fewer_trades_come_when_time_is_compressed() -> None:
    assert default_rate(1, 8) == 1
    assert default_rate(100, 8) * 100 * 8 * 2 == pytest.approx(400)


@pytest.mark.parametrize("rate", [0, -1, 1001])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="--rate"):
        synthetic(rate=rate)


def test_an_unknown_product_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownProduct, match="no product 'NOPE-USD'; it can list AAVE-USD"):
        listed(["BTC-USD", "NOPE-USD"])


def test_assumed_ticks_are_marked() -> None:
    assert {product.product_id for product in listed(DEFAULT_PRODUCTS) if product.tick_assumed} == {
        "SLP-20DEC30-CDE", "XPP-20DEC30-CDE", "ADP-20DEC30-CDE",
    }  # fmt: skip
