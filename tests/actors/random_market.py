"""Random markets for property tests: what the feed, the history and a person may tell the core, in any order.

Trades the feed has lost are in the candles all the same: a history is made of all that printed, as the exchange's is.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from actors.messages import (
    ExchangeCandles,
    FeedDown,
    FeedUp,
    Flatten,
    FrameBars,
    Gap,
    Halt,
    History,
    HistoryFailed,
    MarketTime,
    Resume,
    Snapshot,
    Trades,
)
from actors.scanner import frames_needed
from atlas.market.aggregation import FormingBar
from atlas.market.bar import Bar, Tick
from atlas.rules import GateRules, Rules, SizingRules, StratRules
from tests.actors.scene import BIP, NOON, REVERSAL, bars

RULES = Rules(
    strat=StratRules(timeframes=("15m", "1h"), continuity={"15m": (("1h", "15m"), 1), "1h": (("1h",), 1)}),
    gates=GateRules(off=("magnitude", "fees", "reward_risk")),
    sizing=SizingRules(daily_loss=Decimal("0.03"), position_policy="one_per_timeframe"),
)
BEFORE = {name: bars(REVERSAL, timeframe=name) for name in ("15m", "1h")}

STEPS = (*["trade"] * 60, *["heartbeat"] * 4, "late", "late", "lost", "gap", "drop", *["repair"] * 3, *["back"] * 3,
         "checked", "checked", "failed", "replayed", "halt", *["resume"] * 3, "flatten")  # fmt: skip
"""Holes and halts are rarer than what ends them, so that most of a market can be traded."""
MOVES = (-1900, -400, -400, -150, -20, 0, 20, 150, 400, 400, 1900)
"""In ticks of 0.5."""


def frame_bars(timeframe: str, printed: Iterable[tuple[datetime, Decimal]], as_of: datetime) -> FrameBars:
    """What REST has of one timeframe: the bars before noon, and those of all that printed up to `as_of`."""
    closed: list[Bar] = list(BEFORE.get(timeframe, ()))
    forming: FormingBar | None = None
    for at, price in sorted(printed, key=lambda trade: trade[0]):
        if at > as_of:
            break
        if forming is not None and at < forming.close_time:
            forming.add(price, Decimal(1))
            continue
        if forming is not None:
            closed.append(forming.bar())
        forming = FormingBar.from_trade(timeframe, at, price, Decimal(1))
    if forming is not None and forming.close_time <= as_of:
        closed.append(forming.bar())
        forming = None
    return FrameBars(timeframe, tuple(closed), forming.bar() if forming else None)


class _Exchange:
    """Where the market stands while it is being drawn."""

    def __init__(self) -> None:
        self.now, self.price, self.trade_id = NOON, Decimal(60500), 0
        self.printed: list[tuple[datetime, Decimal]] = []
        self.connected = True

    def tick(self, moment: datetime) -> Tick:
        self.trade_id += 1
        self.printed.append((moment, self.price))
        return Tick(self.trade_id, moment, self.price, Decimal(1), self.price - 1, self.price)

    def history(self) -> History:
        frames = tuple(frame_bars(name, self.printed, self.now) for name in frames_needed(RULES.strat))
        return History(BIP, self.now, frames, "repair")


@st.composite
def markets(
    draw: st.DrawFn,
    *,
    hours: int = 0,
    least: int = 20,
    most: int = 90,
    but: Collection[str] = (),
    repaired: bool = False,
) -> list[Any]:
    """Inputs of a core that has started at noon, beginning some hours later, without the steps of `but`.

    If `repaired`, the connection stands at the end and the last input is a history of all there was.
    """
    exchange, told = _Exchange(), list[Any]()
    exchange.now += timedelta(hours=hours)
    for kind in draw(
        st.lists(st.sampled_from([step for step in STEPS if step not in but]), min_size=least, max_size=most)
    ):
        exchange.now += timedelta(seconds=draw(st.sampled_from((0, 1, 20, 90, 300, 420))))
        exchange.price += Decimal(draw(st.sampled_from(MOVES))) / 2
        told.extend(_step(kind, exchange))
    if repaired:
        told.extend(_step("back", exchange))
    return told


def _step(kind: str, exchange: _Exchange) -> list[Any]:
    now = exchange.now
    match kind:
        case "trade" | "late" | "heartbeat" | "gap" | "replayed" if not exchange.connected:
            exchange.tick(now)
            return []
        case "trade":
            return [Trades(BIP, (exchange.tick(now),))]
        case "heartbeat":
            return [MarketTime(now)]
        case "late":
            return [Trades(BIP, (exchange.tick(max(now - timedelta(seconds=400), NOON)),))]
        case "lost":
            exchange.tick(now)
            return []
        case "gap":
            exchange.tick(now)
            return [Gap(BIP, now, "ids are missing"), Trades(BIP, (exchange.tick(now),))]
        case "repair":
            return [exchange.history()]
        case "checked":
            frames = (frame_bars(name, exchange.printed, now) for name in BEFORE)
            return [ExchangeCandles(BIP, tuple(FrameBars(each.timeframe, each.closed[-3:], None) for each in frames))]
        case "failed":
            return [HistoryFailed(BIP, "503")]
        case "drop":
            exchange.connected = False
            return [FeedDown("the line is dead"), Gap(BIP, now, "the line is dead", reconnect=True)]
        case "back":
            exchange.connected = True
            return [Snapshot(BIP, now, None), FeedUp(now), exchange.history()]
        case "replayed":
            return [Trades(BIP, (exchange.tick(now),), "snapshot")]
        case "halt":
            return [Halt("person", "lunch")]
        case "resume":
            return [Resume("person")]
        case _:
            return [Flatten("me", exchange.trade_id)]
