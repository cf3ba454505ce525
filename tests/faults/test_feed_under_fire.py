"""The feed under fire: each fault of the local exchange on a real socket, and what reaches the core."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from actors.feed_state import FeedOptions
from actors.messages import Alert, FeedDown, FeedUp, Gap, Halt, MarketTime, Resume, Trades
from atlas.exchange.local import Fault, LocalExchange
from tests.faults.feed_fire import (
    BOTH,
    BTC,
    ETH,
    PATIENCE,
    Following,
    exchange_options,
    live,
    market,
    of,
    whole,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(market(), exchange_options()) as serving:
        yield serving


def patient(**how: Any) -> FeedOptions:
    return FeedOptions(**{"clock": "venue", "heartbeat_seconds": PATIENCE, "acknowledge_seconds": PATIENCE} | how)


# ── the line ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(kind="reset"), "the connection broke"),
        (Fault(kind="close", code=1000), "closed the connection (1000"),
        (Fault(kind="close", code=1001, reason="going away"), "closed the connection (1001 going away)"),
        (Fault(kind="hang_up"), "the connection broke"),
        (Fault(kind="gap"), "was due"),
        (Fault(kind="gap", count=3, channel="market_trades", product=ETH), "was due"),
        (Fault(kind="duplicate"), "was due"),
        (Fault(kind="reorder"), "was due"),
    ],
    ids=["reset", "close-1000", "close-1001", "hang-up", "gap", "gap-of-trades", "duplicate", "reorder"],
)
def test_a_broken_connection_is_made_anew_and_no_trade_is_lost_untold_or_doubled(
    exchange: LocalExchange, fault: Fault, said: str
) -> None:
    with Following(exchange) as feed:
        exchange.strike(fault)
        feed.up(2)
        messages = feed.trades_of(*BOTH)
    down = of(messages, FeedDown)
    assert len(down) == 1
    assert said in down[0].reason
    assert [gap.symbol for gap in of(messages, Gap) if gap.reconnect] == list(BOTH)
    told = messages.index(down[0])
    again = [place for place, each in enumerate(messages) if isinstance(each, FeedUp)][1]
    assert not of(messages[told:again], Trades) or of(messages[told:again], Gap)
    whole(messages)


@pytest.mark.parametrize("kind", ["stall", "silence"])
def test_a_line_that_stands_still_for_too_long_is_dead(exchange: LocalExchange, kind: str) -> None:
    with Following(exchange, silence=1.5) as feed:
        exchange.strike(Fault(kind=kind))
        downs = of(feed.core.wait(lambda messages: of(messages, FeedDown), "FeedDown"), FeedDown)
        exchange.calm()
        ups = len(of(feed.core.messages, FeedUp))
        feed.up(ups + 1)
        messages = feed.trades_of(*BOTH)
    assert "nothing for 1.5 s" in downs[0].reason
    whole(messages)


@pytest.mark.parametrize("kind", ["stall", "silence"])
def test_what_a_short_standstill_held_back_comes_late_and_whole(exchange: LocalExchange, kind: str) -> None:
    with Following(exchange) as feed:
        exchange.strike(Fault(kind=kind, lasts=10))
        messages = feed.trades_of(*BOTH, count=40)
    assert of(messages, FeedDown, Gap) == []
    assert [each.fault.kind for each in exchange.struck() if each.over] == [kind]
    whole(messages)


# ── strange frames ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="huge", product=BTC),
        Fault(kind="unknown_channel", count=3),
        Fault(kind="unknown_fields"),
        Fault(kind="empty_quotes"),
        Fault(kind="fractions", digits=9),
        Fault(kind="fractions", digits=0),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.digits}",
)
def test_strange_frames_are_taken_and_nothing_is_lost(exchange: LocalExchange, fault: Fault) -> None:
    with Following(exchange) as feed:
        exchange.strike(fault)
        feed.trades_of(*BOTH, count=15)
        messages = feed.trades_of(*BOTH, count=15)
    assert of(messages, FeedDown, Gap) == []
    assert of(feed.journal.messages, Alert) == []
    assert exchange.struck()
    whole(messages)
    for product in BOTH:
        last = live(messages, product)[-10:]
        if fault.kind == "empty_quotes":
            assert [(tick.bid, tick.ask) for tick in last] == [(None, None)] * 10
        if fault.kind == "fractions":
            assert all((tick.time.microsecond == 0) == (fault.digits == 0) for tick in last)


def test_a_nanosecond_is_cut_and_never_rounded_up() -> None:
    with LocalExchange(market(rate=5.0), exchange_options(speed=5.0)) as plain, Following(plain) as feed:
        times = {tick.trade_id: tick.time for tick in live(feed.trades_of(BTC, count=30), BTC)}
    with LocalExchange(market(rate=5.0), exchange_options(speed=5.0)) as other, Following(other) as feed:
        other.strike(Fault(kind="fractions", digits=9))
        same = {tick.trade_id: tick.time for tick in live(feed.trades_of(BTC, count=30), BTC)}
    both = times.keys() & same.keys()
    assert len(both) >= 10
    assert {trade_id: times[trade_id] for trade_id in both} == {trade_id: same[trade_id] for trade_id in both}


def test_trades_the_exchange_never_sent_are_a_hole_of_their_product_alone(exchange: LocalExchange) -> None:
    with Following(exchange) as feed:
        exchange.strike(Fault(kind="withhold", channel="market_trades", product=BTC, lasts=10))
        feed.core.wait(lambda messages: of(messages, Gap), "a Gap")
        messages = feed.trades_of(*BOTH)
    assert {(gap.symbol, gap.reconnect) for gap in of(messages, Gap)} == {(BTC, False)}
    assert "jumped" in of(messages, Gap)[0].reason
    assert of(messages, FeedDown) == []
    whole(messages)


def test_frames_without_heartbeats_are_no_connection(exchange: LocalExchange) -> None:
    with Following(exchange, options=patient(heartbeat_seconds=3.0)) as feed:
        exchange.strike(Fault(kind="withhold", channel="heartbeats"))
        feed.core.wait(lambda messages: of(messages, FeedDown), "FeedDown")
        exchange.calm()
        feed.up(2)
        messages = feed.trades_of(*BOTH)
    assert of(messages, FeedDown)[0].reason == "no heartbeat for 3 s"
    whole(messages)


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def live_exchange() -> Iterator[LocalExchange]:
    """The market's clock is this machine's."""
    now = int(datetime.now(UTC).timestamp()) * 10**9
    with LocalExchange(market(start=now, rate=10.0), exchange_options(speed=1.0)) as serving:
        yield serving


def given_up(messages: list[Any]) -> set[str]:
    return {gap.symbol for gap in of(messages, Gap) if "not believed" in gap.reason}


def test_trades_stamped_far_ahead_are_held_back_and_given_up_with_a_gap(live_exchange: LocalExchange) -> None:
    with Following(live_exchange, options=patient(clock="wall", max_drift_seconds=PATIENCE)) as feed:
        live_exchange.strike(Fault(kind="clock_jump", by=600, channel="market_trades"))
        feed.core.wait(lambda messages: given_up(messages) == set(BOTH), "a Gap of both")
        live_exchange.calm()
        messages = feed.trades_of(*BOTH)
    whole(messages)
    assert any("not believed" in alert.text for alert in of(feed.journal.messages, Alert))
    begun = datetime.fromtimestamp(live_exchange.struck()[0].began, UTC)
    assert all((tick.time - begun).total_seconds() < 300 for product in BOTH for tick in live(messages, product))
    assert of(messages, FeedDown) == []


@pytest.mark.parametrize("by", [600.0, -600.0], ids=["ahead", "back"])
def test_a_clock_that_jumps_halts_entries_and_market_time_never_goes_back(
    live_exchange: LocalExchange, by: float
) -> None:
    with Following(live_exchange, options=patient(clock="wall", max_drift_seconds=2.0)) as feed:
        live_exchange.strike(Fault(kind="clock_jump", by=by))
        messages = feed.core.wait(
            lambda messages: any("market time is" in halt.reason for halt in of(messages, Halt)), "Halt for drift"
        )
        live_exchange.calm()
        if by < 0:
            halted = len(messages)
            feed.core.wait(lambda messages: of(messages[halted:], Resume), "Resume")
        messages = feed.trades_of(*BOTH)
    times = [each.at for each in of(messages, MarketTime)]
    assert times == sorted(times)
    assert of(messages, FeedDown) == []


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(kind="refuse_connection", count=2), "429"),
        (Fault(kind="refuse_connection", count=2, status=503), "503"),
        (Fault(kind="refuse_subscription", channel="market_trades", count=1), "not acknowledged: market_trades of"),
        (
            Fault(kind="refuse_subscription", how="omit", product=ETH, channel="market_trades", count=1),
            "not acknowledged: market_trades of ETH-USD",
        ),
        (Fault(kind="refuse_subscription", how="error", count=1), "the exchange says: rate limit exceeded"),
        (Fault(kind="authentication_failure", count=1), "the exchange says: authentication failure"),
    ],
    ids=["429", "503", "no-ack", "omit", "error", "authentication"],
)
def test_a_refusal_is_told_and_asked_again(exchange: LocalExchange, fault: Fault, said: str) -> None:
    with Following(exchange, options=patient(acknowledge_seconds=2.0)) as feed:
        exchange.strike(fault)
        exchange.strike(Fault(kind="reset"))
        feed.up(2)
        messages = feed.trades_of(*BOTH)
    assert any(said in down.reason for down in of(messages, FeedDown)), of(messages, FeedDown)
    if fault.how == "omit":
        assert any("ETH-USD" in alert.text for alert in of(feed.journal.messages, Alert))
    whole(messages)


# ── products ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_product_is_silent_alone_and_goes_on_without_a_hole(exchange: LocalExchange) -> None:
    with Following(exchange) as feed:
        exchange.strike(Fault(kind="paused", product=BTC, lasts=40))
        feed.trades_of(ETH, count=20)
        messages = feed.trades_of(*BOTH)
    assert of(messages, FeedDown, Gap) == []
    ticks = live(messages, BTC)
    longest = max((later.time - earlier.time).total_seconds() for earlier, later in pairwise(ticks))
    assert longest >= 35
    whole(messages)


def test_without_a_delisted_product_the_feed_goes_on_and_has_it_again_when_it_is_back(exchange: LocalExchange) -> None:
    options = patient(refusals=2, ask_again_seconds=2.0)
    with Following(exchange, options=options) as feed:
        exchange.strike(Fault(kind="delisted", product=BTC))
        exchange.strike(Fault(kind="reset"))
        feed.up(2)
        alone = len(feed.core.messages)
        messages = feed.trades_of(ETH)
        assert live(messages[alone:], BTC) == []
        exchange.calm()
        messages = feed.trades_of(*BOTH)
    downs = [down.reason for down in of(messages, FeedDown)]
    assert any("not acknowledged" in reason and BTC in reason and ETH not in reason for reason in downs)
    assert any(reason == f"asking again for {BTC}" for reason in downs)
    critical = [alert.text for alert in of(feed.journal.messages, Alert) if alert.critical]
    assert any("goes on without" in text and BTC in text for text in critical)
    whole(messages)
