"""Closed bars held against the exchange's candles: few requests, in time for a hundred products, and what fails."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from actors.history import HistoryActor, HistoryState
from actors.history_confirm import LOOKS, MOST, Check, CheckDue, Pace, join
from actors.history_missed import Downtime
from actors.messages import ConfirmBars, ExchangeCandles, History, HistoryFailed, LoadHistory
from actors.runtime.behaviour import AfterWall, Effect, Send
from actors.scanner_confirm import LOOKED_AT
from atlas.config_sections import ExchangeSettings
from atlas.errors import ExchangeError
from atlas.exchange.rest import PAGE
from atlas.market.bar import Bar
from atlas.market.product import Product
from atlas.market.timeframes import TIMEFRAMES, period
from atlas.strat.continuity import FULL_FRAMES

MONTH_MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
"""A Monday and the first of a month: every timeframe ends there."""
BTC = "BTC-USD"
TWO_MINUTES = timedelta(seconds=120)
PRICES = (Decimal(7), Decimal(7), Decimal(7), Decimal(7), Decimal(1))


def flat(timeframe: str, opened: datetime) -> Bar:
    return Bar(timeframe, *period(timeframe, opened), *PRICES)


def newest(timeframe: str, until: datetime, number: int = LOOKED_AT) -> tuple[Bar, ...]:
    found: list[Bar] = []
    for _ in range(number):
        found.append(flat(timeframe, until - timedelta(microseconds=1)))
        until = found[-1].open_time
    return tuple(found[::-1])


class World:
    """Wall time, timers and an exchange whose every request takes `took` seconds: what its limit leaves.

    `revised` are opens of one-minute candles that the exchange has otherwise; `failing` products cannot be asked for.
    """

    def __init__(self, took: float = 0.2, products: tuple[str, ...] = (), **more: Any) -> None:
        self.now, self.took = MONTH_MONDAY, took
        self.revised: set[datetime] = set()
        self.failing: set[str] = set()
        self.missing_until = MONTH_MONDAY
        self.asked: list[tuple[datetime, str, str, int]] = []
        self.told: list[tuple[datetime, Any]] = []
        self.timers: list[tuple[datetime, int, Any]] = []
        self._order = count()
        self.actor = HistoryActor(products, {"1h": 3}, lambda: self, jitter=lambda: 0.5, **more)

    # the exchange

    def time(self) -> datetime:
        self._passes("time", "")
        return self.now

    def product(self, product_id: str) -> Product:
        raise AssertionError("no product is asked for here")

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        found = [flat(timeframe, start)]
        while found[-1].close_time <= end:
            found.append(flat(timeframe, found[-1].close_time))
        self._passes(symbol, timeframe, len(found))
        if symbol in self.failing:
            raise ExchangeError("503")
        found = [bar for bar in found if bar.close_time <= self.now and self.now >= self.missing_until]
        other = [bar for bar in found if any(bar.open_time <= at < bar.close_time for at in self.revised)]
        return [replace(bar, high=Decimal(9)) if bar in other else bar for bar in found]

    def close(self) -> None:
        pass

    def _passes(self, symbol: str, timeframe: str, candles: int = 1) -> None:
        self.now += timedelta(seconds=self.took)
        self.asked.append((self.now, symbol, timeframe, candles))

    # the actor

    def tell(self, message: Any) -> None:
        self._carry(self.actor.receive(self.now, message))

    def later(self, at: datetime, message: Any) -> None:
        heapq.heappush(self.timers, (at, next(self._order), message))

    def run(self, until: datetime) -> None:
        """Let timers run out in order; one that was due while a request was made comes after it."""
        while self.timers and self.timers[0][0] <= until:
            at, _, message = heapq.heappop(self.timers)
            self.now = max(self.now, at)
            self.tell(message)

    def _carry(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, AfterWall):
                self.later(self.now + timedelta(seconds=effect.seconds), effect.message)
            elif isinstance(effect, Send) and effect.to == "history":
                self.later(self.now, effect.message)  # behind what waits already, as in its mailbox
            elif isinstance(effect, Send):
                self.told.append((self.now, effect.message))

    def first_told(self) -> dict[tuple[str, str, datetime], datetime]:
        """Product, timeframe and open of each bar → when the core was told of it first."""
        found: dict[tuple[str, str, datetime], datetime] = {}
        for at, message in self.told:
            if isinstance(message, ExchangeCandles):
                for frame in message.frames:
                    for bar in frame.closed:
                        found.setdefault((message.symbol, frame.timeframe, bar.open_time), at)
        return found

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in self.told if isinstance(message, kind)]


def closing(timeframes: Iterable[str], at: datetime) -> Iterator[str]:
    """The timeframes of which a bar ends at that instant."""
    return (timeframe for timeframe in timeframes if period(timeframe, at)[0] == at)


@pytest.mark.parametrize(
    "timeframes",
    [tuple(name for name in TIMEFRAMES if name in ("15m", "4h", *FULL_FRAMES)), TIMEFRAMES],
    ids=["15m and what it needs", "all twelve"],
)
def test_a_hundred_products_are_confirmed_within_two_minutes_and_within_the_limit(timeframes: tuple[str, ...]) -> None:
    """At the worst instant there is, and the quarter of an hour after it, at the default of requests a second."""
    products = [f"P{number}-USD" for number in range(100)]
    rate = ExchangeSettings().rest_per_second
    world = World(took=1 / rate)
    wanted: dict[tuple[str, str, datetime], datetime] = {}
    for minute in range(16):
        at = MONTH_MONDAY + timedelta(minutes=minute)
        for timeframe in closing(timeframes, at):
            for symbol in products:
                bars = newest(timeframe, at)
                wanted[symbol, timeframe, bars[-1].open_time] = at
                # The latest there is: no trade came, the grace of two seconds is over.
                world.later(at + timedelta(seconds=2), ConfirmBars(symbol, bars))
    world.run(MONTH_MONDAY + timedelta(minutes=20))
    told = world.first_told()
    late = {bar: told[bar] - at for bar, at in wanted.items() if told[bar] - at > TWO_MINUTES}
    assert late == {}
    assert max(candles for *_, candles in world.asked) <= PAGE
    seconds = Counter(int((at - MONTH_MONDAY).total_seconds()) for at, *_ in world.asked)
    assert max(seconds.values()) <= rate + 1  # one may fall on the edge of two seconds
    first = [at for at, *_ in world.asked if at <= MONTH_MONDAY + TWO_MINUTES]
    assert len(first) <= 600


def test_one_request_confirms_the_bars_of_one_product_that_closed_together() -> None:
    world = World()
    for timeframe in ("15m", "1h", "4h", "1d"):
        world.tell(ConfirmBars(BTC, newest(timeframe, MONTH_MONDAY)))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert [(symbol, granularity) for _, symbol, granularity, _ in world.asked] == [(BTC, "15m")]
    (told,) = world.of(ExchangeCandles)
    assert {frame.timeframe: frame.closed for frame in told.frames} == {
        timeframe: tuple(replace(bar, volume=frame.closed[n].volume) for n, bar in enumerate(bars))
        for timeframe in ("15m", "1h", "4h", "1d")
        for bars in [newest(timeframe, MONTH_MONDAY)]
        for frame in told.frames
        if frame.timeframe == timeframe
    }


def test_a_candle_that_differs_is_looked_up_twice_more_in_its_own_granularity_before_it_is_told() -> None:
    world = World()
    world.revised = {MONTH_MONDAY - timedelta(minutes=5)}
    for timeframe in ("15m", "1h"):
        world.tell(ConfirmBars(BTC, newest(timeframe, MONTH_MONDAY)))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert [granularity for _, _, granularity, _ in world.asked] == ["15m", "15m", "1h", "15m", "1h"]
    told = [(frame.timeframe, frame.closed[-1].high) for each in world.of(ExchangeCandles) for frame in each.frames]
    assert told == [("15m", Decimal(9)), ("1h", Decimal(9))]
    assert world.told[-1][0] <= MONTH_MONDAY + TWO_MINUTES


def test_a_candle_that_comes_late_is_no_contradiction() -> None:
    """The exchange publishes it ten seconds after the close: the first look finds nothing."""
    world = World()
    world.missing_until = MONTH_MONDAY + timedelta(seconds=10)
    bars = newest("1h", MONTH_MONDAY)
    world.tell(ConfirmBars(BTC, bars))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert len(world.asked) == 2
    (told,) = world.of(ExchangeCandles)
    assert told.frames[0].closed == bars


def test_a_candle_that_never_comes_is_told_as_missing_after_the_last_look() -> None:
    world = World()
    world.missing_until = MONTH_MONDAY + timedelta(days=1)
    world.tell(ConfirmBars(BTC, newest("1h", MONTH_MONDAY)))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert len(world.asked) == LOOKS
    assert [frame.closed for each in world.of(ExchangeCandles) for frame in each.frames] == [()]


def test_a_product_that_cannot_be_asked_for_is_given_up_and_holds_up_no_other() -> None:
    world = World()
    world.failing = {BTC}
    for symbol in (BTC, "ETH-USD"):
        world.tell(ConfirmBars(symbol, newest("1h", MONTH_MONDAY)))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert Counter(symbol for _, symbol, _, _ in world.asked) == {BTC: LOOKS + 1, "ETH-USD": 1}
    assert [told.symbol for told in world.of(ExchangeCandles)] == ["ETH-USD"]
    assert world.of(HistoryFailed) == []
    assert world.actor.state.checks == []


def test_candles_of_a_repair_come_before_any_confirmation() -> None:
    world = World()
    for number in range(5):
        world.tell(ConfirmBars(f"P{number}-USD", newest("1h", MONTH_MONDAY)))
    world.run(MONTH_MONDAY + timedelta(seconds=Pace().after + 0.1))
    world.tell(LoadHistory(BTC, "a gap"))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    kinds = [type(message).__name__ for _, message in world.told]
    assert kinds.index(History.__name__) <= 1
    assert kinds.count(ExchangeCandles.__name__) == 5


def test_bars_of_one_product_wait_in_one_check_the_newest_of_them() -> None:
    checks: list[Check] = []
    hours = newest("1h", MONTH_MONDAY, MOST + 10)
    for bar in hours:
        join(checks, CheckDue(BTC, (bar,)))
        join(checks, CheckDue(BTC, (bar,)))
    join(checks, CheckDue(BTC, hours[:1], made=1))
    assert [(check.bars, check.made) for check in checks] == [(list(hours[-MOST:]), 0), (list(hours[:1]), 1)]


def test_bars_that_close_while_their_product_is_looked_up_are_looked_up_after_it() -> None:
    world = World()
    for timeframe in ("1h", "1M"):
        world.tell(ConfirmBars(BTC, newest(timeframe, MONTH_MONDAY)))
    world.later(MONTH_MONDAY + timedelta(seconds=0.05), ConfirmBars(BTC, newest("15m", MONTH_MONDAY)))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert [granularity for _, _, granularity, _ in world.asked] == ["1h", "1d", "15m"]
    assert len(world.first_told()) == 3 * LOOKED_AT


def test_what_was_missed_is_settled_before_anything_is_confirmed() -> None:
    state = HistoryState(down=Downtime((BTC,), MONTH_MONDAY - timedelta(hours=1), MONTH_MONDAY - timedelta(hours=1)))
    world = World(state=state)
    world.tell(ConfirmBars("ETH-USD", newest("1h", MONTH_MONDAY)))
    world.run(MONTH_MONDAY + TWO_MINUTES)
    assert next(symbol for _, symbol, _, _ in world.asked if symbol != "time") == BTC
    assert len(world.of(ExchangeCandles)) == 1
