"""History against the local exchange, and against one that fails: which candles, as of when, and what happens again."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.history import (
    HistoryActor,
    HistoryState,
    ListProducts,
    Step,
    closed_wanted,
    earliest,
    frame_bars,
    requests,
)
from actors.history_missed import Downtime
from actors.messages import Alert, History, HistoryFailed, LoadHistory, Missed, PastBars, ProductsListed
from actors.runtime.behaviour import AfterWall, Effect, Role, Send
from actors.runtime.post import Post, Sink
from actors.runtime.threads import OwnThread
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from atlas.exchange.rest import PAGE, Rest
from atlas.market.aggregation import aggregate
from atlas.market.product import Product
from atlas.market.timeframes import period
from tests.fakes.rest_server import Reply, Request, RestServer, of_json

BTC, BIP = "BTC-USD", "BIP-20DEC30-CDE"
START = datetime(2029, 3, 7, 13, 20, tzinfo=UTC)
NS = 1_000_000_000
SCANNED = closed_wanted(("1h", "4h", "1d", "1w", "1M"))
PATIENCE = 30.0


@pytest.fixture(scope="module")
def local() -> Iterator[LocalExchange]:
    """A local exchange that stands still just after its start."""
    market = SyntheticMarket(listed([BTC, BIP]), int(START.timestamp()) * NS, seed=5)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1000, hold=True)
    with LocalExchange(market, options) as exchange:
        yield exchange


class Desk:
    """A history actor whose messages to itself are handed back to it, and whose timers are kept for the test."""

    def __init__(self, url: str, closed: dict[str, int], products: tuple[str, ...] = (BTC,), **more: Any) -> None:
        self.rests: list[Rest] = []

        def connect() -> Rest:
            self.rests.append(Rest(url, rate=500.0, timeout=20.0, wait=lambda seconds: None))
            return self.rests[-1]

        self.actor = HistoryActor(products, closed, connect, jitter=lambda: 1.0, **more)
        self.heard: list[Any] = []
        self.shown: list[PastBars] = []
        self.timers: list[AfterWall] = []

    def carry(self, effects: Iterator[Effect]) -> None:
        """Carry effects out until the actor has nothing more to do by itself."""
        waiting = list(effects)
        while waiting:
            effect = waiting.pop(0)
            if isinstance(effect, AfterWall):
                self.timers.append(effect)
            elif isinstance(effect, Send) and effect.to == "history":
                waiting.extend(self.actor.receive(START, effect.message))
            elif isinstance(effect, Send) and isinstance(effect.message, PastBars):
                self.shown.append(effect.message)
            elif isinstance(effect, Send):
                self.heard.append((effect.to, effect.message))

    def start(self) -> None:
        self.carry(iter(self.actor.start(START)))

    def tell(self, message: Any) -> None:
        self.carry(iter(self.actor.receive(START, message)))

    def elapse(self) -> list[float]:
        """Let every timer so far run out, but that of the next listing; return their seconds."""
        due = [timer for timer in self.timers if timer.message != ListProducts()]
        self.timers = [timer for timer in self.timers if timer.message == ListProducts()]
        for timer in due:
            self.tell(timer.message)
        return [timer.seconds for timer in due]

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in self.heard if isinstance(message, kind)]


@contextmanager
def desk(url: str, closed: dict[str, int], products: tuple[str, ...] = (BTC,), **more: Any) -> Iterator[Desk]:
    made = Desk(url, closed, products, **more)
    try:
        yield made
    finally:
        made.actor.stop()


# ── what is loaded ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_at_the_start_products_are_listed_and_every_product_is_loaded(local: LocalExchange) -> None:
    kept: list[tuple[Product, ...]] = []
    with desk(local.rest_url, {"1h": 5}, (BTC, BIP), keep=kept.append) as made:
        made.start()
    assert [to for to, _ in made.heard] == ["core"] * 3
    products = made.of(ProductsListed)[0].products
    assert [(product.id, product.as_of) for product in products] == [(BTC, START), (BIP, START)]
    assert kept == [products]
    assert [(history.symbol, history.reason) for history in made.of(History)] == [(BTC, "start"), (BIP, "start")]


def test_the_display_is_shown_the_bars_that_the_scanner_gets(local: LocalExchange) -> None:
    with desk(local.rest_url, {"1h": 5, "1w": 2}, (BTC, BIP)) as made:
        made.start()
    shown = [(told.symbol, told.as_of, told.frames) for told in made.shown]
    assert shown == [(told.symbol, told.as_of, told.frames) for told in made.of(History)]
    assert [len(told.frames[0].closed) for told in made.shown] == [5, 5]


def test_the_listing_is_read_again_when_the_schedule_says_by_the_exchanges_clock(local: LocalExchange) -> None:
    with desk(local.rest_url, {"1h": 5}, (BTC, BIP)) as made:
        made.start()
        assert made.timers == [AfterWall(38 * 60.0, ListProducts())]  # From 13:20 until 13:58.
        made.timers.clear()
        made.tell(ListProducts())
    assert len(made.of(ProductsListed)) == 2
    assert len(made.of(History)) == 2
    assert made.timers == [AfterWall(38 * 60.0, ListProducts())]
    assert not made.of(Alert)


def test_a_listing_read_in_the_break_is_read_again_soon() -> None:
    friday_break = datetime(2026, 7, 10, 21, 30, tzinfo=UTC)  # 17:30 in New York
    market = SyntheticMarket(listed([BIP]), int(friday_break.timestamp()) * NS, seed=5)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1000, hold=True)
    with LocalExchange(market, options) as exchange, desk(exchange.rest_url, {"1h": 5}, (BIP,)) as made:
        made.start()
    assert not made.of(ProductsListed)[0].products[0].session_open
    assert made.timers == [AfterWall(60.0, ListProducts())]


def test_each_frame_has_its_closed_bars_and_the_forming_one_as_of_the_exchanges_clock(local: LocalExchange) -> None:
    with desk(local.rest_url, SCANNED) as made:
        made.start()
    history = made.of(History)[0]
    assert history.as_of == START
    assert [frame.timeframe for frame in history.frames] == ["1h", "4h", "1d", "1w", "1M"]
    for frame in history.frames:
        opened = period(frame.timeframe, START)[0]
        assert frame.forming is not None
        assert (frame.forming.open_time, frame.forming.timeframe) == (opened, frame.timeframe)
        assert frame.closed[-1].close_time == opened
        assert len(frame.closed) <= SCANNED[frame.timeframe]
        assert [bar.open_time for bar in frame.closed] == sorted({bar.open_time for bar in frame.closed})
    assert [len(frame.closed) for frame in history.frames][:3] == [60, 60, 60]


def test_higher_frames_are_exact_aggregates_of_lower_ones(local: LocalExchange) -> None:
    with desk(local.rest_url, {"6h": 40, "12h": 15, "1d": 30, "1w": 3}) as made:
        made.start()
    six, twelve, day, week = made.of(History)[0].frames
    assert list(twelve.closed) == [
        bar
        for bar in aggregate(six.closed, "12h", starts_whole=False)[0]
        if bar.open_time >= twelve.closed[0].open_time
    ]
    days = [bar for bar in (*day.closed, day.forming) if bar.open_time >= week.closed[0].open_time]
    assert aggregate(days, "1w", starts_whole=True, complete_until=START) == (list(week.closed), week.forming)


def test_lesson_66_a_load_takes_no_more_candle_requests_than_frames() -> None:
    worst = max(
        len(requests(SCANNED, datetime(2029, 1, 1, tzinfo=UTC) + timedelta(days=day, hours=5))) for day in range(800)
    )
    assert worst <= len(SCANNED)


def test_lesson_65_sixty_weeks_come_in_pages() -> None:
    asked = requests({"1w": 60}, START)
    assert {granularity for granularity, _, _ in asked} == {"1d"}
    assert asked[0][1] == period("1w", START)[0] - timedelta(weeks=60)
    assert all((last - first).days < PAGE for first, last in [(a[1], a[2]) for a in asked])
    assert len(asked) == 2


@pytest.mark.parametrize(("timeframe", "since"), [("1M", "2027-03-01"), ("1w", "2028-09-18"), ("12h", "2029-02-23")])
def test_the_first_bar_wanted_opens_so_many_periods_ago(timeframe: str, since: str) -> None:
    assert f"{earliest(timeframe, 24, START):%Y-%m-%d}" == since


def test_a_bar_that_opened_after_the_exchanges_clock_was_read_is_left_out(local: LocalExchange) -> None:
    rest = Rest(local.rest_url, rate=500.0)
    bars = rest.candles(BTC, "1h", START - timedelta(hours=5), START)
    rest.close()
    before = START - timedelta(hours=1)
    frame = frame_bars("1h", 3, {"1h": bars}, before)
    assert frame.forming is not None
    assert frame.forming.open_time <= before < frame.forming.close_time
    assert frame.closed[-1].close_time == frame.forming.open_time


def test_a_product_in_which_nothing_traded_has_empty_frames() -> None:
    def route(request: Request) -> Reply:
        return of_json({"iso": "2029-03-07T13:20:00Z"} if request.path.endswith("/time") else {"candles": []})

    with RestServer(route) as server, desk(server.url, {"1h": 5, "1w": 2}) as made:
        made.tell(LoadHistory(BTC, "gap"))
    assert [(frame.closed, frame.forming) for frame in made.of(History)[0].frames] == [((), None), ((), None)]


def test_the_clock_is_read_before_the_candles() -> None:
    def route(request: Request) -> Reply:
        return of_json({"iso": "2029-03-07T13:20:00Z"} if request.path.endswith("/time") else {"candles": []})

    with RestServer(route) as server, desk(server.url, {"1h": 5}) as made:
        made.tell(LoadHistory(BTC, "gap"))
        assert [request.path.rpartition("/")[2] for request in server.requests] == ["time", "candles"]
        assert made.of(History)[0].reason == "gap"


# ── order and repetition ────────────────────────────────────────────────────────────────────────────────────────────


def test_one_request_for_each_message_so_that_pulses_are_answered_between(local: LocalExchange) -> None:
    with desk(local.rest_url, {"1h": 5}) as made:
        effects = list(made.actor.receive(START, LoadHistory(BTC, "gap")))
        assert effects == [Send("history", Step(1))]
        steps = 0
        while effects and isinstance(effects[0], Send) and effects[0].to == "history":
            effects = list(made.actor.receive(START, effects[0].message))
            steps += 1
    assert steps == 3
    assert isinstance(effects[0], Send)
    assert isinstance(effects[0].message, History)


def test_a_wish_not_yet_begun_is_not_wished_twice_but_one_under_way_is_older_than_the_wish(
    local: LocalExchange,
) -> None:
    with desk(local.rest_url, {"1h": 5}) as made:
        effects = [*made.actor.receive(START, LoadHistory(BTC, "a")), *made.actor.receive(START, LoadHistory(BTC, "b"))]
        assert [load.reason for load in made.actor.state.loads] == ["a"]
        made.actor.state.loads[0].as_of = START - timedelta(hours=1)
        effects += made.actor.receive(START, LoadHistory(BTC, "c"))
        made.carry(iter(effects))
    assert [(history.reason, history.as_of) for history in made.of(History)] == [
        ("a", START - timedelta(hours=1)),
        ("c", START),
    ]


# ── failures ────────────────────────────────────────────────────────────────────────────────────────────────────────


def failing(ready: Callable[[], bool]) -> Callable[[Request], Reply]:
    """Return a route that refuses until `ready`."""

    def route(request: Request) -> Reply:
        if not ready():
            return Reply(503, b"maintenance")
        if request.path.endswith("/time"):
            return of_json({"iso": "2029-03-07T13:20:00Z"})
        return of_json({"candles": []})

    return route


def test_a_failure_is_told_and_tried_again_with_a_growing_pause_until_it_succeeds() -> None:
    ready = threading.Event()
    with RestServer(failing(ready.is_set)) as server, desk(server.url, {"1h": 5}) as made:
        made.tell(LoadHistory(BTC, "gap"))
        pauses = [made.elapse() for _ in range(7)]
        ready.set()
        made.elapse()
    assert pauses == [[2.0], [4.0], [8.0], [16.0], [32.0], [60.0], [60.0]]
    assert {(failed.symbol, "503" in failed.reason) for failed in made.of(HistoryFailed)} == {(BTC, True)}
    assert len(made.of(HistoryFailed)) == 8
    assert [history.reason for history in made.of(History)] == ["gap"]


def test_a_new_wish_ends_the_pause() -> None:
    ready = threading.Event()
    with RestServer(failing(ready.is_set)) as server, desk(server.url, {"1h": 5}) as made:
        made.tell(LoadHistory(BTC, "gap"))
        ready.set()
        made.tell(LoadHistory(BTC, "reconnected"))
        assert len(made.of(History)) == 1
        made.elapse()  # The timer of the pause comes late and counts for nothing.
        assert len(made.of(History)) == 1


def test_one_products_failure_does_not_keep_the_others() -> None:
    def route(request: Request) -> Reply:
        if request.path.endswith("/time"):
            return of_json({"iso": "2029-03-07T13:20:00Z"})
        return Reply(400, b'{"error":"X"}') if "BTC" in request.path else of_json({"candles": []})

    with RestServer(route) as server, desk(server.url, {"1h": 5}, (BTC, BIP)) as made:
        made.tell(LoadHistory(BTC, "gap"))
        made.tell(LoadHistory(BIP, "gap"))
        made.elapse()
    assert [history.symbol for history in made.of(History)] == [BIP]
    assert made.of(HistoryFailed)[0].symbol == BTC


def test_candles_come_though_the_listing_fails_and_the_listing_is_tried_again() -> None:
    refused = [True] * 6  # Two readings, three attempts each.

    def route(request: Request) -> Reply:
        if request.path.endswith("/time"):
            return of_json({"iso": "2029-03-07T13:20:00Z"})
        if request.path.endswith("/candles"):
            return of_json({"candles": []})
        if refused and refused.pop():
            return Reply(503, b"maintenance")
        return of_json(json.loads(SPOT))

    with RestServer(route) as server, desk(server.url, {"1h": 5}) as made:
        made.start()
        assert len(made.of(History)) == 1
        assert not made.of(ProductsListed)
        pauses = [made.elapse(), made.elapse()]
    assert pauses == [[2.0], [4.0]]
    assert len(made.of(ProductsListed)) == 1
    assert ["503" in alert.text for alert in made.of(Alert)] == [True]
    assert made.timers == [AfterWall(38 * 60.0, ListProducts())]


SPOT = """{"product_id":"BTC-USD","product_type":"SPOT","base_currency_id":"BTC","price_increment":"0.01",
"base_increment":"0.00000001","base_min_size":"0.0001","base_max_size":"300","fcm_trading_session_details":null}"""


def test_a_cache_that_fails_is_told_and_stops_nothing(local: LocalExchange) -> None:
    def broken(products: tuple[Product, ...]) -> None:
        raise OSError("disk full")

    with desk(local.rest_url, {"1h": 5}, keep=broken) as made:
        made.start()
    assert [type(message) for _, message in made.heard] == [ProductsListed, Alert, History]
    assert "disk full" in made.of(Alert)[0].text


def test_after_a_crash_the_next_step_is_taken_and_the_crashed_one_counts_for_nothing(local: LocalExchange) -> None:
    with desk(local.rest_url, {"1h": 5}) as made:
        (crashed,) = made.actor.receive(START, LoadHistory(BTC, "gap"))
        assert isinstance(crashed, Send)
        made.actor.stop()  # As the shell does with the behaviour it discards.
        made.carry(iter(made.actor.resume(START)))
        made.tell(crashed.message)
        assert made.heard == []
        made.elapse()
    assert len(made.of(History)) == 1


def test_on_its_own_thread_it_loads_answers_and_stops(local: LocalExchange) -> None:
    post, core = Post(), Sink()
    post.bind("core", core)
    post.bind("journal", Sink())

    def make(state: HistoryState) -> HistoryActor:
        return HistoryActor(
            [BTC, BIP], {"1h": 5}, lambda: Rest(local.rest_url, rate=500.0), jitter=lambda: 0.5, state=state
        )

    actor = OwnThread(Role(name="history", make=make, state=HistoryState(), tail=0), post)
    actor.start(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    arrived = threading.Event()
    while len([m for m in core.messages if isinstance(m, History)]) < 2 and time.monotonic() < deadline:
        arrived.wait(0.02)
    assert actor.stop(timeout=PATIENCE)
    assert [type(message) for message in core.messages] == [ProductsListed, History, History]
    assert not post.dead_letters


# ── what was missed ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_missed_comes_first_and_once_more_when_all_is_loaded(local: LocalExchange) -> None:
    after = START - timedelta(hours=7, seconds=20)
    down = Downtime((BIP,), after, since=after + timedelta(seconds=5))
    with desk(local.rest_url, {"1h": 5}, (BTC, BIP), state=HistoryState(down=down)) as made:
        made.start()
    assert [type(message) for _, message in made.heard] == [ProductsListed, Missed, History, History, Missed]
    first, second = made.of(Missed)
    assert (first.after, first.since, first.until, first.last) == (after, down.since, START, False)
    assert (second.after, second.since, second.until, second.last) == (START, down.since, START, True)
    opens = [bar.open_time for bar in first.candles[BIP]]
    assert len(opens) > PAGE
    assert opens == sorted(set(opens))
    assert opens[0] <= after
    assert opens[-1] <= START
    assert made.actor.state.down is None


def test_the_last_close_before_it_is_told_too(local: LocalExchange) -> None:
    after = START - timedelta(minutes=20, seconds=20)
    with desk(local.rest_url, {"1h": 5}, (BIP,), state=HistoryState(down=Downtime((BIP,), after, after))) as made:
        made.start()
    missed = made.of(Missed)[0]
    before, first = missed.before[BIP], missed.candles[BIP][0]
    assert first.open_time <= after < first.close_time
    assert before.close_time == first.open_time
    assert (before,) == tuple(made.actor._market().candles(BIP, "1m", before.open_time, before.open_time))


def test_what_was_missed_is_asked_for_once_where_the_feed_has_not_waited(local: LocalExchange) -> None:
    after = START - timedelta(minutes=20)
    down = Downtime((BIP,), after, after, late=True)
    with desk(local.rest_url, {"1h": 5}, (BIP,), state=HistoryState(down=down)) as made:
        made.start()
    assert [type(message) for _, message in made.heard] == [ProductsListed, Missed, History]
    (missed,) = made.of(Missed)
    assert (missed.after, missed.until, missed.last) == (after, START, True)
    assert made.actor.state.down is None


def test_a_failure_there_keeps_everything_else_waiting() -> None:
    """Else the candles would carry market time past what is not settled yet."""
    def answer(request: Request) -> Reply:
        if request.path.endswith("/time"):
            return of_json({"iso": "2029-03-07T13:20:00Z", "epochSeconds": "1867584000"})
        return Reply(400, b"{}")

    with RestServer(answer) as server:
        down = Downtime((BIP,), START - timedelta(minutes=3), START - timedelta(minutes=3))
        with desk(server.url, {"1h": 5}, (BIP,), state=HistoryState(down=down)) as made:
            made.start()
            assert made.of(History) == made.of(Missed) == []
            assert [failed.symbol for failed in made.of(HistoryFailed)] == [BIP]
            made.elapse()
            assert len(made.of(HistoryFailed)) == 2
