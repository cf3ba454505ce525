"""One backtest of a sweep, and what is kept of it."""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.backtest.engine import Played, backtest
from atlas.backtest.sweep.grid import Window
from atlas.market.path import PathRules
from atlas.performance import DayEquity, Performance
from atlas.rules import Rules


class Task(msgspec.Struct, frozen=True):
    """One backtest: the rules, and which product over which window."""

    rules: Rules
    product: str
    window: Window
    path: PathRules

    @property
    def key(self) -> tuple[str, str, datetime, datetime]:
        """What its result is stored under, besides the past it is made of."""
        return self.rules.fingerprint(), self.product, self.window.start, self.window.end


class ClosedTrade(msgspec.Struct, frozen=True, array_like=True):
    """What statistics need of a trade; `net` in USD, `r` in multiples of its first risk."""

    entered: datetime
    closed: datetime
    net: Decimal
    r: Decimal | None


class Run(msgspec.Struct, frozen=True):
    """What came of a task: its closed trades, the equity of each day begun with the deposit, and the metrics."""

    trades: list[ClosedTrade]
    equity: list[DayEquity]
    metrics: Performance


def run(task: Task, played: Played) -> Run:
    """Play a task over its product's past. Raises as `backtest`."""
    outcome = backtest([played], task.rules, task.window.start, task.window.end, task.path)
    trades = [
        ClosedTrade(trade.entry_time, trade.exit_time, trade.net, trade.r)
        for trade in outcome.trades
        if trade.exit_time is not None
    ]
    return Run(trades, outcome.equity, outcome.metrics)
