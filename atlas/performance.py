"""The metrics of closed positions: one definition for report, panel, digest and backtest (trading.md, Metrics).

Losses are negative everywhere, costs positive, shares fractions (0.55 = 55 %). A metric that nothing defines is None:
no loss at all, so no profit factor ("∞" on a page); fewer than two days, so no Sharpe ratio.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise
from operator import mul

import msgspec

from atlas.drawdown import Drawdown
from atlas.errors import InternalError
from atlas.market.timeframes import TIMEFRAMES
from atlas.money.book import Position
from atlas.money.closed import Closed, closed, closed_at
from atlas.money.rounding import ratio
from atlas.tally import Tally

ZERO = Decimal(0)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class DayEquity(msgspec.Struct, frozen=True):
    """The account's equity at the end of a trading day, USD. The first of a series is the equity it started with."""

    day: date
    equity: Decimal


class Performance(msgspec.Struct, frozen=True):
    """Every metric. USD unless said otherwise; `_r` is in multiples of the first risk; durations in seconds.

    `gross_profit` is the net of all wins, `gross_loss` that of all losses; `gross` the result before costs, so that
    gross − fees − funding = net_profit; slippage is inside the prices. `win_rate` counts break-evens as trades.
    `max_drawdown`, `max_drawdown_share` and `max_drawdown_days` are the deepest in USD, the deepest as a share of the
    peak, and the longest time below a peak. `exposure` is the share of time with a position open.
    """

    trades: int
    wins: int
    losses: int
    break_evens: int
    win_rate: Decimal | None
    gross: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    net_profit: Decimal
    profit_factor: Decimal | None
    expectancy: Decimal | None
    expectancy_r: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    payoff_ratio: Decimal | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    longest_winning_streak: int
    longest_losing_streak: int
    average_duration: Decimal | None
    median_duration: Decimal | None
    average_mae_r: Decimal | None
    average_mfe_r: Decimal | None
    exit_efficiency: Decimal | None
    fees: Decimal
    funding: Decimal
    slippage: Decimal
    max_drawdown: Decimal
    max_drawdown_share: Decimal
    max_drawdown_days: Decimal
    total_return: Decimal | None
    sharpe: Decimal | None
    sortino: Decimal | None
    calmar: Decimal | None
    sqn: Decimal | None
    exposure: Decimal | None


# ── series of values ────────────────────────────────────────────────────────────────────────────────────────────────


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, ZERO) / len(values) if values else None


def _deviation(values: Sequence[Decimal]) -> Decimal | None:
    """Return the sample standard deviation; None below two values."""
    if len(values) < 2:
        return None
    mean = sum(values, ZERO) / len(values)
    off = [value - mean for value in values]
    return (sum(map(mul, off, off), ZERO) / (len(values) - 1)).sqrt()


def _over(value: Decimal | None, by: Decimal | None) -> Decimal | None:
    return None if value is None or by is None or by == 0 else ratio(value / by)


def _each(total: Decimal, count: int) -> Decimal | None:
    return ratio(total / count) if count else None


def _median(ordered: Sequence[int]) -> Decimal | None:
    if not ordered:
        return None
    middle = len(ordered) // 2
    return Decimal(ordered[middle]) if len(ordered) % 2 else Decimal(ordered[middle - 1] + ordered[middle]) / 2


def _every_day(equity: Sequence[DayEquity]) -> list[Decimal]:
    """Return one equity for each calendar day; a day without a row kept that of the day before."""
    values: list[Decimal] = []
    for earlier, later in pairwise(equity):
        if later.day <= earlier.day:
            raise InternalError(f"daily equity is not in order: {later.day} follows {earlier.day}")
        values += [earlier.equity] * (later.day - earlier.day).days
    return [*values, equity[-1].equity] if equity else values


def _exposure(
    trades: Sequence[Closed], held: Iterable[Position], period: tuple[datetime, datetime] | None
) -> Decimal | None:
    spans = [(p.entry_time, p.exit_time) for p in trades]
    if period is not None:
        spans += [(p.entry_time, p.exit_time or period[1]) for p in held]
    spans.sort()
    if not spans:
        return None
    start, end = period or (spans[0][0], max(until for _, until in spans))
    if end <= start:
        return None
    covered, reached = timedelta(), start
    for since, until in spans:
        since, until = max(since, reached), min(until, end)
        if until > since:
            covered += until - since
            reached = until
    return ratio(Decimal(covered // timedelta(microseconds=1)) / Decimal((end - start) // timedelta(microseconds=1)))


class _Daily(msgspec.Struct, frozen=True):
    """Metrics of the daily equity."""

    sharpe: Decimal | None
    sortino: Decimal | None
    annualised: Decimal | None


def _daily(equity: Sequence[DayEquity]) -> _Daily:
    values = _every_day(equity)
    if len(values) < 2 or any(value <= 0 for value in values):
        # an account that reached 0 has no returns after that
        return _Daily(None, None, None)
    returns = [later / earlier - 1 for earlier, later in pairwise(values)]
    mean, year = _mean(returns), Decimal(365)
    scaled = None if mean is None else mean * year.sqrt()
    below = [min(r, ZERO) ** 2 for r in returns]
    downside = (sum(below, ZERO) / (len(returns) - 1)).sqrt() if len(returns) > 1 else None
    annualised = (values[-1] / values[0]) ** (year / len(returns)) - 1
    return _Daily(_over(scaled, _deviation(returns)), _over(scaled, downside), annualised)


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(
    positions: Iterable[Position],
    starting_equity: Decimal,
    equity: Sequence[DayEquity] = (),
    period: tuple[datetime, datetime] | None = None,
    held: Iterable[Position] = (),
) -> Performance:
    """Return the metrics of closed positions, USD.

    `equity` is the account's daily equity, oldest first, beginning with what it started with: drawdown, return, Sharpe,
    Sortino and Calmar come from it. Without it (a group of trades) drawdown and return come from `starting_equity` plus
    the net of each trade as it closed, and the daily ratios are None. `period` is what exposure is a share of; default
    is from the first entry to the last exit. `held` are positions open in the period that are no trades of it, being
    open still or closed after it: they count for its exposure only.

    Sharpe and Sortino: daily returns, zero rate, sample deviation, × √365. Calmar: compound annual return ÷ maximum
    drawdown share. SQN: √n × mean R ÷ sample deviation of R. Exit efficiency: Σ gross ÷ Σ MFE in dollars. Raises
    InternalError when a position is open or the days are out of order.
    """
    return measured(map(closed, positions), starting_equity, equity, period, held)


def measured(
    trades: Iterable[Closed],
    starting_equity: Decimal,
    equity: Sequence[DayEquity] = (),
    period: tuple[datetime, datetime] | None = None,
    held: Iterable[Position] = (),
) -> Performance:
    """Return what `measure` does, of positions without all that metrics do not need."""
    trades = sorted(trades, key=lambda p: (p.exit_time, p.id))
    tally = Tally(starting_equity)
    tally.add(trades)
    return tallied(tally, equity, _exposure(trades, held, period))


def tallied(tally: Tally, equity: Sequence[DayEquity] = (), exposure: Decimal | None = None) -> Performance:
    """Return the metrics of the trades added up, with those of the daily equity where there is one."""
    below, begun, ended = tally.drawdown, tally.started_with, tally.equity
    since = tally.first_entry
    if equity:
        begun, ended, since = equity[0].equity, equity[-1].equity, _midnight(equity[0])
        below = Drawdown(begun)
        for each in equity:
            below.add(_midnight(each), each.equity)
    daily = _daily(equity)
    mean_r = tally.r / len(tally.rs) if tally.rs else None
    return Performance(
        trades=tally.trades,
        wins=tally.wins,
        losses=tally.losses,
        break_evens=tally.trades - tally.wins - tally.losses,
        win_rate=_each(Decimal(tally.wins), tally.trades),
        gross=tally.gross,
        gross_profit=tally.gross_profit,
        gross_loss=tally.gross_loss,
        net_profit=tally.net,
        profit_factor=_over(tally.gross_profit, -tally.gross_loss),
        expectancy=_each(tally.net, tally.trades),
        expectancy_r=None if mean_r is None else ratio(mean_r),
        average_win=_each(tally.gross_profit, tally.wins),
        average_loss=_each(tally.gross_loss, tally.losses),
        payoff_ratio=_over(
            tally.gross_profit / tally.wins if tally.wins else None,
            -(tally.gross_loss / tally.losses) if tally.losses else None,
        ),
        largest_win=tally.largest_win,
        largest_loss=tally.largest_loss,
        longest_winning_streak=tally.streaks[1],
        longest_losing_streak=tally.streaks[-1],
        average_duration=_each(Decimal(sum(tally.durations)), tally.trades),
        median_duration=_median(tally.durations),
        average_mae_r=_each(tally.mae_r, len(tally.rs)),
        average_mfe_r=_each(tally.mfe_r, len(tally.rs)),
        exit_efficiency=_over(tally.gross, tally.best_profit) if tally.trades else None,
        fees=tally.fees,
        funding=tally.funding,
        slippage=tally.slippage,
        max_drawdown=below.deepest,
        max_drawdown_share=ratio(below.share),
        max_drawdown_days=ZERO if since is None else ratio(below.days(since)),
        total_return=_over(ended - begun, begun),
        sharpe=daily.sharpe,
        sortino=daily.sortino,
        calmar=_over(daily.annualised, below.share),
        sqn=_over(None if mean_r is None else Decimal(len(tally.rs)).sqrt() * mean_r, _deviation(tally.rs)),
        exposure=exposure,
    )


def _midnight(of: DayEquity) -> datetime:
    return datetime(of.day.year, of.day.month, of.day.day, tzinfo=UTC)


DIMENSIONS: dict[str, Callable[[Position, tzinfo], str]] = {
    "symbol": lambda p, _: p.symbol,
    "timeframe": lambda p, _: p.timeframe,
    "family": lambda p, _: p.family,
    "setup": lambda p, _: p.setup,
    "side": lambda p, _: p.side,
    "continuity": lambda p, _: p.at_trigger.score,
    "exit": lambda p, _: p.exit_reason or "unknown",
    "day": lambda p, zone: closed_at(p).astimezone(zone).date().isoformat(),
    "weekday": lambda p, zone: WEEKDAYS[p.entry_time.astimezone(zone).weekday()],
    "hour": lambda p, zone: f"{p.entry_time.astimezone(zone).hour:02d}",
}
"""What metrics are grouped by; weekday and hour are those of the entry, day is that of the exit."""


_PLACE = {
    "timeframe": {name: place for place, name in enumerate(TIMEFRAMES)},
    "weekday": {name: place for place, name in enumerate(WEEKDAYS)},
}
"""Groups whose order is not that of their names."""


def measure_by(
    dimension: str,
    positions: Iterable[Position],
    starting_equity: Decimal,
    zone: tzinfo = UTC,
    period: tuple[datetime, datetime] | None = None,
) -> dict[str, Performance]:
    """Return the metrics of each group of one of `DIMENSIONS`, by its name in order; days and hours are of `zone`."""
    if dimension not in DIMENSIONS:
        raise InternalError(f"metrics have no dimension {dimension!r}: use one of {', '.join(DIMENSIONS)}")
    groups: dict[str, list[Position]] = defaultdict(list)
    for position in positions:
        groups[DIMENSIONS[dimension](position, zone)].append(position)
    return {name: measure(groups[name], starting_equity, period=period) for name in in_order(dimension, groups)}


def in_order(dimension: str, names: Iterable[str]) -> list[str]:
    """Return the names of groups of a dimension in their order."""
    places = _PLACE.get(dimension, {})
    return sorted(names, key=lambda name: (places.get(name, 0), name))
