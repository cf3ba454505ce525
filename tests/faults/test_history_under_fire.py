"""REST under fire: history asks the local exchange, which refuses, stalls or talks nonsense, and has its candles."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.history import HistoryActor, HistoryState, ListProducts
from actors.messages import Alert, History, HistoryFailed, ProductsListed
from actors.runtime.behaviour import Role
from actors.runtime.post import Post
from actors.runtime.threads import OwnThread
from atlas.exchange.local import Fault, LocalExchange
from atlas.exchange.rest import Rest
from tests.faults.feed_fire import BOTH, BTC, ETH, PATIENCE, Mailbox, exchange_options, market, of

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    """Nobody listens to it, so its clock stands."""
    with LocalExchange(market(), exchange_options(hold=True)) as serving:
        yield serving


class Asking:
    """History on its own thread; a context manager."""

    def __init__(self, exchange: LocalExchange) -> None:
        self.core, self.journal, self.post = Mailbox(), Mailbox(), Post()
        self.post.bind("core", self.core)
        self.post.bind("journal", self.journal)

        def connect() -> Rest:
            return Rest(exchange.rest_url, timeout=0.5, rate=400, wait=lambda _: None)

        def make(state: HistoryState) -> HistoryActor:
            return HistoryActor(BOTH, {"15m": 5}, connect, jitter=lambda: 0.0, state=state)

        self._actor = OwnThread(Role(name="history", make=make, state=HistoryState(), tail=0), self.post)

    def __enter__(self) -> "Asking":
        self._actor.start(timeout=PATIENCE)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._actor.stop(timeout=PATIENCE)

    def loaded(self) -> list[Any]:
        """Wait until both products have their candles; return all the core was told."""
        return self.core.wait(lambda messages: {each.symbol for each in of(messages, History)} == set(BOTH), "History")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(kind="rest_error", status=500), "500"),
        (Fault(kind="rest_error", status=502, body="html"), "Web server is down"),
        (Fault(kind="rest_error", status=503, body="empty"), "503"),
        (Fault(kind="rest_error", status=429, retry_after=2.5), "lower exchange.rest_per_second"),
        (Fault(kind="rest_error", status=401), "401"),
        (Fault(kind="rest_nonsense", body="html"), "not JSON"),
        (Fault(kind="rest_nonsense", body="empty"), "not JSON"),
        (Fault(kind="rest_nonsense", body="json"), "instead of a JSON object"),
        (Fault(kind="rest_timeout"), "did not answer in time"),
        (Fault(kind="rest_reset"), "could not reach"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}-{value.body}" if isinstance(value, Fault) else "",
)
def test_what_rest_refuses_is_told_and_asked_for_until_it_is_there(
    exchange: LocalExchange, fault: Fault, said: str
) -> None:
    exchange.strike(fault)
    with Asking(exchange) as asking:
        failed = asking.core.wait(lambda messages: of(messages, HistoryFailed), "HistoryFailed")
        exchange.calm()
        messages = asking.loaded()
    assert said in of(failed, HistoryFailed)[0].reason
    assert [len(frame.closed) for each in of(messages, History) for frame in each.frames] == [5, 5]


def test_candles_refused_for_one_product_do_not_keep_the_other(exchange: LocalExchange) -> None:
    exchange.strike(Fault(kind="rest_error", path=f"{BTC}/candles"))
    with Asking(exchange) as asking:
        asking.core.wait(lambda messages: of(messages, History), "History")
        assert {each.symbol for each in asking.core.of(History)} == {ETH}
        exchange.calm()
        asking.loaded()


@pytest.mark.parametrize(
    ("kind", "said"),
    [("paused", "trading is suspended: trading_disabled"), ("delisted", "is not to be had")],
)
def test_a_product_taken_from_trading_is_suspended_told_at_once_and_told_when_it_is_back(
    exchange: LocalExchange, kind: str, said: str
) -> None:
    def suspended(messages: list[Any]) -> list[list[str]]:
        return [[each.id for each in told.products if each.suspended] for told in of(messages, ProductsListed)]

    with Asking(exchange) as asking:
        asking.core.wait(lambda messages: suspended(messages) == [[]], "the first listing")
        exchange.strike(Fault(kind=kind, product=BTC))
        asking.post.send("test", "history", ListProducts())
        asking.core.wait(lambda messages: suspended(messages) == [[], [BTC]], "a listing without it")
        alerts = asking.journal.wait(lambda messages: of(messages, Alert), "an alert")
        exchange.calm()
        asking.post.send("test", "history", ListProducts())
        asking.core.wait(lambda messages: suspended(messages) == [[], [BTC], []], "a listing with it")
        asking.journal.wait(
            lambda messages: any("goes on again" in alert.text for alert in of(messages, Alert)), "its end"
        )
    assert said in of(alerts, Alert)[0].text
    assert of(alerts, Alert)[0].critical


def test_a_revised_candle_differs_in_every_timeframe_that_holds_its_minute(exchange: LocalExchange) -> None:
    minute = datetime(2025, 12, 31, 23, 20, tzinfo=UTC)
    asked = (minute - timedelta(minutes=20), minute + timedelta(minutes=20))
    rest = Rest(exchange.rest_url, rate=400)
    try:
        before = {frame: rest.candles(BTC, frame, *asked) for frame in ("1m", "15m")}
        exchange.strike(Fault(kind="revised_candle", product=BTC, minute=minute, field="high", ticks=100_000))
        after = {frame: rest.candles(BTC, frame, *asked) for frame in ("1m", "15m")}
    finally:
        rest.close()
    for frame, opened in (("1m", minute), ("15m", minute - timedelta(minutes=5))):
        changed = [(one, two) for one, two in zip(before[frame], after[frame], strict=True) if one != two]
        assert [two.open_time for _, two in changed] == [opened]
        one, two = changed[0]
        assert two.high > one.high
        assert (two.open, two.low, two.close, two.volume) == (one.open, one.low, one.close, one.volume)
