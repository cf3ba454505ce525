"""The metrics of closed positions: one definition for report, panel, digest and backtest (trading.md, Metrics).

Losses are negative everywhere, costs positive, shares fractions (0.55 = 55 %). A metric that nothing defines is None:
no loss at all, so no profit factor ("∞" on a page); fewer than two days, so no Sharpe ratio.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import groupby, pairwise
from statistics import median

import msgspec

from atlas.errors import InternalError
from atlas.market.timeframes import TIMEFRAMES
from atlas.money.book import Position
from atlas.money.closed import Closed, closed, closed_at
from atlas.money.rounding import ratio

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


def _known(values: Iterable[Decimal | None]) -> list[Decimal]:
    """Leave out what is not known: a trade filled at its own stop has no R."""
    return [value for value in values if value is not None]


def _deviation(values: Sequence[Decimal]) -> Decimal | None:
    """Return the sample standard deviation; None below two values."""
    if len(values) < 2:
        return None
    mean = sum(values, ZERO) / len(values)
    return (sum(((v - mean) ** 2 for v in values), ZERO) / (len(values) - 1)).sqrt()


def _over(value: Decimal | None, by: Decimal | None) -> Decimal | None:
    return None if value is None or by is None or by == 0 else ratio(value / by)


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else ratio(value)


def _drawdown(curve: Sequence[tuple[datetime, Decimal]]) -> tuple[Decimal, Decimal, Decimal]:
    """Return (deepest USD, deepest share of the peak, longest days from a peak to its recovery or the end)."""
    deepest = share = ZERO
    longest, below = timedelta(), False
    peak_at, peak = curve[0]
    for at, value in curve:
        if value < peak:
            below = True
            deepest = max(deepest, peak - value)
            if peak > 0:
                share = max(share, (peak - value) / peak)
        if below:
            longest = max(longest, at - peak_at)
        if value >= peak:
            peak_at, peak, below = at, value, False
    return deepest, share, Decimal(longest // timedelta(seconds=1)) / 86400


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


def _streaks(nets: Iterable[Decimal]) -> tuple[int, int]:
    """Return the longest runs of wins and of losses; a break-even ends both."""
    runs: dict[int, int] = defaultdict(int)
    for sign, run in groupby((net > 0) - (net < 0) for net in nets):
        runs[sign] = max(runs[sign], sum(1 for _ in run))
    return runs[1], runs[-1]


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
    nets = [p.net for p in trades]
    wins, losses = [n for n in nets if n > 0], [n for n in nets if n < 0]
    gross_profit, gross_loss, net_profit = sum(wins, ZERO), sum(losses, ZERO), sum(nets, ZERO)
    rs = _known(p.r for p in trades)
    mean_r = _mean(rs)
    seconds = [Decimal((p.exit_time - p.entry_time) // timedelta(seconds=1)) for p in trades]
    gross = sum((p.gross for p in trades), ZERO)
    winning, losing = _streaks(nets)
    if equity:
        curve = [(datetime(d.day.year, d.day.month, d.day.day, tzinfo=UTC), d.equity) for d in equity]
    else:
        curve = [(min((p.entry_time for p in trades), default=datetime.min.replace(tzinfo=UTC)), starting_equity)]
        for trade in trades:
            curve.append((trade.exit_time, curve[-1][1] + trade.net))
    deepest, share, days = _drawdown(curve)
    daily = _daily(equity)
    begun, ended = curve[0][1], curve[-1][1]
    return Performance(
        trades=len(trades),
        wins=len(wins),
        losses=len(losses),
        break_evens=len(trades) - len(wins) - len(losses),
        win_rate=_over(Decimal(len(wins)), Decimal(len(trades))),
        gross=gross,
        gross_profit=gross_profit,
        gross_loss=gross_loss,
        net_profit=net_profit,
        profit_factor=_over(gross_profit, -gross_loss),
        expectancy=_rounded(_mean(nets)),
        expectancy_r=_rounded(mean_r),
        average_win=_rounded(_mean(wins)),
        average_loss=_rounded(_mean(losses)),
        payoff_ratio=_over(_mean(wins), None if not losses else -(gross_loss / len(losses))),
        largest_win=max(wins, default=None),
        largest_loss=min(losses, default=None),
        longest_winning_streak=winning,
        longest_losing_streak=losing,
        average_duration=_rounded(_mean(seconds)),
        median_duration=median(seconds) if seconds else None,
        average_mae_r=_rounded(_mean(_known(p.mae_r for p in trades))),
        average_mfe_r=_rounded(_mean(_known(p.mfe_r for p in trades))),
        exit_efficiency=_over(gross, sum((p.best_profit for p in trades), ZERO)) if trades else None,
        fees=sum((p.fees for p in trades), ZERO),
        funding=sum((p.funding for p in trades), ZERO),
        slippage=sum((p.slippage for p in trades), ZERO),
        max_drawdown=deepest,
        max_drawdown_share=ratio(share),
        max_drawdown_days=ratio(days),
        total_return=_over(ended - begun, begun),
        sharpe=daily.sharpe,
        sortino=daily.sortino,
        calmar=_over(daily.annualised, share),
        sqn=_over(None if mean_r is None else Decimal(len(rs)).sqrt() * mean_r, _deviation(rs)),
        exposure=_exposure(trades, held, period),
    )


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
    names = sorted(groups, key=lambda name: (_PLACE[dimension].get(name, 0) if dimension in _PLACE else 0, name))
    return {name: measure(groups[name], starting_equity, period=period) for name in names}
