"""What came of a stretch of market, one form of it for replay, backtest, report and sweep."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from atlas.market.timeframes import TIMEFRAMES
from atlas.money.book import Position
from atlas.money.closed import Closed, closed
from atlas.money.profit import mae_r, mfe_r, r_multiple
from atlas.performance import DayEquity, Performance, measured
from atlas.rules import Rules
from atlas.strat.setup import FAMILIES

Key = tuple[str, str]
"""Timeframe and family."""


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One position as reports list it, its exit None while it is open; the order of the fields is that of the JSON."""

    symbol: str
    timeframe: str
    setup: str
    side: str
    setup_time: datetime
    entry_time: datetime
    entry_price: Decimal
    stop: Decimal
    target: Decimal
    exit_time: datetime | None
    exit_price: Decimal | None
    exit_reason: str | None
    contracts: Decimal
    gross: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal
    r: Decimal | None
    mae_r: Decimal | None
    mfe_r: Decimal | None
    continuity: str
    family: str
    slippage: Decimal
    filled_while_down: bool
    ambiguous: bool
    rest: bool = False
    after_hole: bool = False


class Listed(msgspec.Struct, frozen=True, gc=False):
    """A position as reports list it, and as metrics take it once it is closed."""

    id: str
    trade: Trade
    closed: Closed | None


class FunnelRow(msgspec.Struct, frozen=True):
    """What became of the triggers of one timeframe and family: triggers = trades + Σ rejections.

    `missed` repeats those of the rejections that were missed. `invalidated` are one-sided setups whose opposite side
    broke first: no triggers; the other side of a two-sided setup that triggered is not among them.
    """

    timeframe: str
    family: str
    triggers: int
    trades: int
    rejections: dict[str, int]
    invalidated: int
    missed: int


class Outcome(msgspec.Struct, frozen=True):
    """What came of a stretch of past market; the order of the fields is that of the JSON.

    `settings` are the rules that decided; `trades` those closed, in the order of entry; `open` what was open at the
    end; `equity` is the account's at the end of each day, begun with its deposit.
    """

    settings: dict[str, Any]
    trades: list[Trade]
    open: list[Trade]
    funnel: list[FunnelRow]
    metrics: Performance
    equity: list[DayEquity]


class Counts(msgspec.Struct):
    """What became of triggers and setups, by timeframe and family; `gates` counts rejections by gate."""

    triggers: Counter[Key] = msgspec.field(default_factory=Counter)
    trades: Counter[Key] = msgspec.field(default_factory=Counter)
    gates: defaultdict[Key, Counter[str]] = msgspec.field(default_factory=lambda: defaultdict(Counter))
    invalidated: Counter[Key] = msgspec.field(default_factory=Counter)


def trade(position: Position) -> Trade:
    """Return a position as reports list it."""
    return Trade(
        symbol=position.symbol,
        timeframe=position.timeframe,
        setup=position.setup,
        side=position.side,
        setup_time=position.setup_time,
        entry_time=position.entry_time,
        entry_price=position.entry_price,
        stop=position.first_stop,
        target=position.target,
        exit_time=position.exit_time,
        exit_price=position.exit_price,
        exit_reason=position.exit_reason,
        contracts=position.entry_contracts,
        gross=position.gross,
        fees=position.fees,
        funding=position.funding,
        net=position.net,
        r=r_multiple(position),
        mae_r=mae_r(position),
        mfe_r=mfe_r(position),
        continuity=position.at_trigger.score,
        family=position.family,
        slippage=position.slippage,
        filled_while_down=position.filled_while_down,
        ambiguous=position.ambiguous,
        rest=position.rest,
        after_hole=position.after_hole,
    )


def funnel_rows(
    triggers: Counter[Key], trades: Counter[Key], gates: Mapping[Key, Counter[str]], invalidated: Counter[Key]
) -> list[FunnelRow]:
    """Return the rows of what was counted, also where only a setup was invalidated."""
    return [
        FunnelRow(
            timeframe=key[0],
            family=key[1],
            triggers=triggers[key],
            trades=trades[key],
            rejections=dict(sorted(gates.get(key, Counter()).items())),
            invalidated=invalidated[key],
            missed=gates.get(key, Counter())["missed"],
        )
        for key in sorted({*triggers, *invalidated}, key=_place)
    ]


def daily_equity(days: Sequence[tuple[date, Decimal]], worth: Decimal) -> list[DayEquity]:
    """Return the equity at the end of each day, begun with the deposit.

    `days` are the trading days with the equity each began with, `worth` is what the account is worth at the end.
    """
    if not days:
        return []
    ended = [DayEquity(day - timedelta(days=1), equity) for day, equity in days]
    return [*ended, DayEquity(days[-1][0], worth)]


def listed(position: Position) -> Listed:
    """Return a position, open or closed, as it is listed."""
    return Listed(position.id, trade(position), None if position.is_open else closed(position))


def outcome(rules: Rules, positions: Iterable[Listed], counts: Counts, equity: list[DayEquity]) -> Outcome:
    """Return the result of positions, closed and still open, in any order, and of what was counted."""
    in_order = sorted(positions, key=lambda each: (each.trade.entry_time, each.id))
    done = [each.closed for each in in_order if each.closed is not None]
    return Outcome(
        settings=msgspec.to_builtins(rules, str_keys=True),
        trades=[each.trade for each in in_order if each.closed is not None],
        open=[each.trade for each in in_order if each.closed is None],
        funnel=funnel_rows(counts.triggers, counts.trades, counts.gates, counts.invalidated),
        metrics=measured(done, equity[0].equity if equity else rules.account.starting_equity, equity),
        equity=equity,
    )


def _place(key: Key) -> tuple[int, str, int]:
    """Families in the order of strat.md 2, timeframes finest first; a family of an older version comes last."""
    timeframe, family = key
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family, TIMEFRAMES.index(timeframe)
