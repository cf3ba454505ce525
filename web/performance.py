"""Performance: equity and drawdown, day by day, group by group, and how R, MAE and MFE are spread."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, TypedDict

from sqlalchemy import Connection

from atlas.performance import DIMENSIONS, DayEquity, Performance
from db.exposure import exposure
from db.terms import timezone
from web import queries
from web.days import days
from web.histogram import Bin
from web.measured import Measured, measured
from web.pages import Arguments, Page, Shown
from web.trades_queries import Day
from web.values import iso, rounded, text

GROUPED: Final = tuple(name for name in DIMENSIONS if name != "day")
"""What trades are grouped by, in this order; days are shown as days, weeks and months."""

_OF_EQUITY = ("max_drawdown", "max_drawdown_share", "max_drawdown_days", "total_return", "sharpe", "sortino", "calmar")
_COUNTS = ("trades", "wins", "losses", "break_evens", "longest_winning_streak", "longest_losing_streak")
_NUMBERS = tuple(
    name for name in Performance.__struct_fields__ if name not in (*_OF_EQUITY, *_COUNTS, "exposure")
)  # fmt: skip


class Asked(Arguments):
    """The days (UTC) of the exits, both included; an empty one is without bound."""

    since: Day = ""
    until: Day = ""


class Group(TypedDict):
    """The metrics of one group of trades; `profit_factor` is null without any loss, `net` is net profit."""

    name: str
    trades: int
    wins: int
    losses: int
    win_rate: str | None
    net: str
    fees: str
    funding: str
    profit_factor: str | None
    expectancy_r: str | None
    drawdown: str


class Stretch(TypedDict):
    """The trades closed in one day, week (from its Monday) or month; `equity` is that at its end, where it is known."""

    name: str
    trades: int
    wins: int
    losses: int
    net: str
    equity: str | None


class EquityDay(TypedDict):
    """The equity at the end of a day, and how far below its highest so far that is, USD and as a share."""

    day: str
    equity: str
    drawdown: str
    drawdown_share: str


class PerformancePage(TypedDict):
    """The performance page. Days, weekdays and hours are those of `timezone`, the account's.

    `metrics` are all of trading.md (Metrics); `by` is dimension → groups. The bins are in R.
    """

    at: str
    account: str | None
    asked: dict[str, str]
    timezone: str
    presets: dict[str, str]
    metrics: dict[str, str | int | None] | None
    equity: list[EquityDay]
    by: dict[str, list[Group]]
    days: list[Stretch]
    weeks: list[Stretch]
    months: list[Stretch]
    r: list[Bin]
    mae: list[Bin]
    mfe: list[Bin]


def performance(connection: Connection, shown: Shown, asked: Asked) -> PerformancePage:
    """Return the metrics of the trades closed in the days asked for."""
    zone = timezone(connection, shown.account or "")
    today = shown.now.date()
    found: PerformancePage = {
        "at": iso(shown.now) or "",
        "account": shown.account,
        "asked": {name: str(value) for name, value in asked.model_dump().items()},
        "timezone": zone,
        "presets": {
            "7 days": str(today - timedelta(days=6)),
            "30 days": str(today - timedelta(days=29)),
            "90 days": str(today - timedelta(days=89)),
            "this year": str(today.replace(month=1, day=1)),
        },
        "metrics": None,
        "equity": [],
        "by": {},
        "days": [],
        "weeks": [],
        "months": [],
        "r": [],
        "mae": [],
        "mfe": [],
    }
    row = queries.account(connection, shown.account) if shown.account is not None else None
    if shown.account is None or row is None or row.cash is None:
        return found
    period = days(asked.since, asked.until)
    seen = measured(connection, shown.account, zone, period)
    found["metrics"] = {**_metrics(seen), "exposure": text(exposure(connection, shown.account, period))}
    found["equity"] = _equity(seen.equity)
    found["by"] = {name: [_group(key, each) for key, each in seen.closed.by[name].items()] for name in GROUPED}
    by_day = seen.closed.by["day"]
    ends = {each.day: each.equity for each in seen.equity[1:]}
    found["days"] = _stretches(by_day, ends, lambda day: str(day))
    found["weeks"] = _stretches(by_day, ends, lambda day: str(day - timedelta(days=day.weekday())))
    found["months"] = _stretches(by_day, ends, lambda day: f"{day:%Y-%m}")
    found["r"], found["mae"], found["mfe"] = seen.closed.r, seen.closed.mae[1:], seen.closed.mfe[1:]
    return found


def _metrics(seen: Measured) -> dict[str, str | int | None]:
    trades, of_equity = seen.closed.metrics, seen.of_equity
    counts: dict[str, str | int | None] = {name: getattr(trades, name) for name in _COUNTS}
    numbers: dict[str, str | int | None] = {name: text(getattr(trades, name)) for name in _NUMBERS}
    return counts | numbers | {name: text(getattr(of_equity, name)) for name in _OF_EQUITY}


def _equity(days_: list[DayEquity]) -> list[EquityDay]:
    found: list[EquityDay] = []
    peak = Decimal(0)
    for each in days_:
        peak = max(peak, each.equity)
        below = peak - each.equity
        found.append(
            {
                "day": each.day.isoformat(),
                "equity": rounded(each.equity, 2) or "",
                "drawdown": rounded(below, 2) or "",
                "drawdown_share": rounded(below / peak if peak else Decimal(0), 6) or "",
            }
        )
    return found


def _group(name: str, each: Performance) -> Group:
    return {
        "name": name,
        "trades": each.trades,
        "wins": each.wins,
        "losses": each.losses,
        "win_rate": text(each.win_rate),
        "net": f"{each.net_profit:f}",
        "fees": f"{each.fees:f}",
        "funding": f"{each.funding:f}",
        "profit_factor": text(each.profit_factor),
        "expectancy_r": text(each.expectancy_r),
        "drawdown": f"{each.max_drawdown:f}",
    }


def _stretches(
    by_day: Mapping[str, Performance], ends: Mapping[date, Decimal], name_of: Callable[[date], str]
) -> list[Stretch]:
    """Return the sums of the days of each stretch, the newest first; counts and money of days add up exactly."""
    known = {day: by_day.get(str(day)) for day in sorted({*map(date.fromisoformat, by_day), *ends})}
    found: dict[str, Stretch] = {}
    nets: dict[str, Decimal] = {}
    for day, each in known.items():
        name = name_of(day)
        row = found.setdefault(name, {"name": name, "trades": 0, "wins": 0, "losses": 0, "net": "0", "equity": None})
        if each is not None:
            row["trades"] += each.trades
            row["wins"] += each.wins
            row["losses"] += each.losses
            nets[name] = nets.get(name, Decimal(0)) + each.net_profit
            row["net"] = f"{nets[name]:f}"
        if day in ends:
            row["equity"] = rounded(ends[day], 2)
    return list(reversed(found.values()))


PAGE = Page(
    name="performance",
    title="Performance",
    path="/performance",
    section=performance,
    answer=PerformancePage,
    arguments=Asked,
    scripts=("vendor/uplot.js", "performance.js"),
    styles=("trades.css", "vendor/uplot.css", "performance.css"),
)
