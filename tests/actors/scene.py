"""The core with its real behaviours in virtual time, and a market of one's own to play before it.

Prices are those of BIP (0.01 BTC a contract) on a tick of 0.5. The rows of bars below are open, high, low, close.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from actors.messages import (
    FeedUp,
    FrameBars,
    History,
    MarketTime,
    ProductsListed,
    Snapshot,
    Trades,
)
from actors.roles import CoreStates, Decider, core_roles
from actors.route import route
from actors.runtime.behaviour import Role
from actors.runtime.kit import Kit
from actors.scanner import frames_needed
from atlas.market.bar import Bar, Tick
from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.market.timeframes import period
from atlas.rules import GateRules, Rules, SizingRules, StratRules

BIP = "BIP-20DEC30-CDE"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday: where every scene begins, with the history before it."""

Row = Sequence[float]
REVERSAL: tuple[Row, ...] = (
    (60000, 62000, 59400, 61000),
    (61000, 63000, 59500, 62000),
    (61000, 61500, 59000, 59500),
)
"""2U then 2D: `2U-2D-?`, long only, trigger 61500, stop 59000, target 63000: passes every gate."""
INSIDE: tuple[Row, ...] = (
    (60000, 61000, 59000, 60500),
    (60500, 62000, 59500, 61500),
    (61000, 61800, 60000, 61200),
)
"""2U then 1: `2U-1-?`, both sides: long 61800, stop 59500, target 62000; short 60000, stop 62000, target 59500."""

HOURLY = StratRules(timeframes=("1h",), continuity={"1h": (("1h",), 1)})
RULES = Rules(strat=HOURLY)
OPEN_GATES = GateRules(off=("magnitude", "reward_risk", "continuity", "fees"))
"""So that a test of exits need not mind what a setup is worth."""

M = TypeVar("M")


def at(minutes: float = 0, seconds: float = 0) -> datetime:
    """The instant so long after noon."""
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def product(symbol: str = BIP, **changes: Any) -> Product:
    """A product of the built-in table, on a tick of 0.5."""
    return msgspec.structs.replace(built_in(symbol, tick=Decimal("0.5")), **changes)


def bars(rows: Iterable[Row], until: datetime = NOON, timeframe: str = "1h") -> tuple[Bar, ...]:
    """Consecutive bars, the last of which closes at `until`."""
    found: list[Bar] = []
    closes = until
    for row in reversed(list(rows)):
        opened, closes = period(timeframe, closes - timedelta(microseconds=1))
        found.append(Bar(timeframe, opened, closes, *(Decimal(str(price)) for price in row), Decimal(1)))
        closes = opened
    return tuple(reversed(found))


def forming(row: Row, moment: datetime, timeframe: str = "1h") -> Bar:
    """The bar of the period that contains `moment`, as it stands."""
    opened, closes = period(timeframe, moment)
    return Bar(timeframe, opened, closes, *(Decimal(str(price)) for price in row), Decimal(1))


def history(
    as_of: datetime,
    closed: Mapping[str, tuple[Bar, ...]],
    formings: Mapping[str, Bar] | None = None,
    *,
    rules: Rules = RULES,
    symbol: str = BIP,
    reason: str = "start",
) -> History:
    """What REST answers: all frames the rules need, those not given without a bar."""
    formings = formings or {}
    frames = frames_needed(rules.strat)
    return History(
        symbol, as_of, tuple(FrameBars(name, closed.get(name, ()), formings.get(name)) for name in frames), reason
    )


class Scene:
    """A core that has started: account opened, history taken, feed up and joined, market time `begin`.

    `trade` plays one trade. `sent` and `events` look up what came of it, by type.
    """

    def __init__(
        self,
        rows: Sequence[Row] = REVERSAL,
        rules: Rules = RULES,
        *,
        closed: Mapping[str, tuple[Bar, ...]] | None = None,
        symbols: Sequence[str] = (BIP,),
        products: Sequence[Product] | None = None,
        states: CoreStates | None = None,
        kit: Kit | None = None,
        frames: tuple[FrameBars, ...] | None = None,
        joined: bool = True,
        begin: datetime = NOON,
    ) -> None:
        self.rules = rules
        self.inputs: list[Any] = []
        self.kit = kit or Kit(self.roles(rules, symbols, states), route, outside=["history", "rest_prices"])
        self._trade_id = 0
        self.run(MarketTime(begin))
        self.run(ProductsListed(tuple(products or (product(symbol) for symbol in symbols))))
        for symbol in symbols:
            told = history(begin, closed or {"1h": bars(rows)}, rules=rules, symbol=symbol)
            self.run(told if frames is None else History(symbol, begin, frames))
        self.run(FeedUp(begin))
        if joined:
            for symbol in symbols:
                self.run(Snapshot(symbol, begin, None))

    @staticmethod
    def roles(rules: Rules, symbols: Sequence[str] = (BIP,), states: CoreStates | None = None) -> list[Role[Any]]:
        """The core's roles as the daemon has them."""
        return core_roles(Decider(rules, tuple(symbols), "1"), states)

    def run(self, message: Any, to: str | None = None) -> None:
        """Take one input."""
        self.inputs.append(message)
        self.kit.run(message, to)

    def trade(self, price: float, moment: datetime, *, source: Any = "feed", symbol: str = BIP, **tick: Any) -> Tick:
        """Play one trade; bid and ask are one tick apart, the trade at the ask, unless told otherwise."""
        self._trade_id += 1
        told = Decimal(str(price))
        quotes: dict[str, Any] = {"bid": told - Decimal("0.5"), "ask": told} | tick
        played = Tick(quotes.pop("trade_id", self._trade_id), moment, told, quotes.pop("size", Decimal(1)), **quotes)
        self.run(Trades(symbol, (played,), source))
        return played

    def bar(self, row: Row, opened: datetime) -> None:
        """Play an hour: open, then low and high or high and low as a candle is walked, then close."""
        first, high, low, close = row
        path = (first, low, high, close) if close >= first else (first, high, low, close)
        for quarter, price in enumerate(path):
            self.trade(price, opened + timedelta(minutes=15 * quarter))

    def events(self, kind: type[M]) -> list[M]:
        """The events of one type that the journal was handed, in order."""
        return [event for batch in self.kit.batches for event in batch.events if isinstance(event, kind)]

    def sent(self, to: str, kind: type[M]) -> list[M]:
        """The messages of one type sent to an actor, in order."""
        return [message for message in self.kit.to(to) if isinstance(message, kind)]

    def one(self, kind: type[M]) -> M:
        """The only event of its type."""
        found = self.events(kind)
        assert len(found) == 1, f"{len(found)} {kind.__name__}: {found}"
        return found[0]

    @property
    def undisturbed(self) -> bool:
        """Whether no behaviour raised and no message was lost."""
        names = {type(sent.message).__name__ for sent in self.kit.sent}
        return not names & {"Crashed", "DeadLetter", "Fatal", "Retired"} and self.kit.core.failed is None


def rules_with(*, gates: GateRules = OPEN_GATES, strat: StratRules = HOURLY, **sizing: Any) -> Rules:
    """Rules on hourly bars, with gates open and some of the sizing changed."""
    return Rules(strat=strat, gates=gates, sizing=msgspec.structs.replace(SizingRules(), **sizing))
