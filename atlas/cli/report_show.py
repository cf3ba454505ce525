"""What `atlas report` prints: trades, funnel, metrics group by group and in sum, the equity as a line, the ledger."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from atlas.cli.demo_show import summary_lines
from atlas.cli.output import clock, money, number, print_table
from atlas.cli.sparkline import sparkline

if TYPE_CHECKING:
    from atlas.backtest.result import FunnelRow, Trade
    from atlas.performance import DayEquity, Performance
    from db.report import Ledger, Report

INFINITE = "∞"


def print_report(found: "Report", sections: Sequence[str]) -> None:
    """Print the whole of it, with the metrics by each of `sections`."""
    _print_trades(found.trades)
    print_funnel(found.funnel)
    for dimension in sections:
        _print_groups(dimension, found.by[dimension])
    for line in ["", *summary_lines(found.summary), "", *metric_lines(found.metrics), *_equity_lines(found.equity)]:
        click.echo(line)


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _print_trades(trades: "list[Trade]") -> None:
    print_table(
        ("entered", "exited", "product", "tf", "setup", "side", "size", "entry", "exit", "why", "net $", "R"),
        [
            (
                clock(each.entry_time),
                clock(each.exit_time),
                each.symbol,
                each.timeframe,
                each.setup,
                each.side,
                number(each.contracts),
                number(each.entry_price),
                number(each.exit_price),
                each.exit_reason or "-",
                money(each.net),
                "-" if each.r is None else f"{each.r:.2f}",
            )
            for each in trades
        ],
        right=(6, 7, 8, 10, 11),
    )
    click.echo()


def print_funnel(rows: "list[FunnelRow]") -> None:
    """Print what became of the triggers, by family and timeframe."""
    print_table(
        ("family", "tf", "triggers", "trades", "rejected", "invalidated", "by gate"),
        [
            (
                row.family,
                row.timeframe,
                str(row.triggers),
                str(row.trades),
                str(sum(row.rejections.values())),
                str(row.invalidated),
                ", ".join(f"{gate} {count}" for gate, count in row.rejections.items()),
            )
            for row in rows
        ],
        right=(2, 3, 4, 5),
    )


def _print_groups(dimension: str, groups: "dict[str, Performance]") -> None:
    click.echo()
    title = "by product" if dimension == "symbol" else f"by {dimension}"
    print_table(
        (title, "trades", "win rate", "net $", "profit factor", "expectancy R", "fees $", "funding $"),
        [
            (
                name,
                str(each.trades),
                share(each.win_rate),
                money(each.net_profit),
                factor(each),
                plain(each.expectancy_r),
                money(each.fees),
                money(each.funding),
            )
            for name, each in groups.items()
        ],
        right=(1, 2, 3, 4, 5, 6, 7),
    )


def print_ledger(found: "Ledger") -> None:
    """Print every leg, the balance of every book, and the account beside."""
    print_table(
        ("at", "kind", "book", "amount $", "movement"),
        [(clock(leg.at), leg.kind, leg.book, f"{leg.amount:,.8f}", leg.movement) for leg in found.entries],
        right=(3,),
    )
    click.echo()
    balances = [(book, f"{amount:,.8f}") for book, amount in found.balances.items()]
    total = sum(found.balances.values(), Decimal(0))
    print_table(("book", "balance $"), [*balances, ("sum", f"{total:,.8f}")], right=(1,))
    click.echo(f"\naccount: cash ${found.cash:,.8f}, reserved ${found.reserved:,.8f}")


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def plain(value: Decimal | None, places: int = 2) -> str:
    """Return a number, `-` for what is not known."""
    return "-" if value is None else f"{value:z,.{places}f}"


def share(value: Decimal | None) -> str:
    """Return a fraction as a percentage."""
    return "-" if value is None else f"{value * 100:z.1f} %"


def factor(measured: "Performance") -> str:
    """Return the profit factor; without any loss it is infinite, without any trade unknown."""
    if measured.profit_factor is None:
        return INFINITE if measured.wins and not measured.losses else "-"
    return f"{measured.profit_factor:.2f}"


def _duration(seconds: Decimal | None) -> str:
    return "-" if seconds is None else f"{seconds / 3600:.1f} h"


def metric_lines(found: "Performance") -> list[str]:
    """Return every metric of trading.md, a line for a few that belong together."""
    lines = {
        "trades": f"{found.trades}: {found.wins} won, {found.losses} lost, {found.break_evens} even; "
        f"win rate {share(found.win_rate)}",
        "net profit": f"${money(found.net_profit)} = ${money(found.gross)} gross - ${money(found.fees)} fees "
        f"- ${money(found.funding)} funding; slippage in the prices ${money(found.slippage)}",
        "won, lost": f"${money(found.gross_profit)}, ${money(found.gross_loss)}; profit factor {factor(found)}, "
        f"payoff {plain(found.payoff_ratio)}",
        "expectancy": f"${money(found.expectancy)}, {plain(found.expectancy_r)} R",
        "average": f"win ${money(found.average_win)}, loss ${money(found.average_loss)}",
        "largest": f"win ${money(found.largest_win)}, loss ${money(found.largest_loss)}",
        "streaks": f"{found.longest_winning_streak} wins, {found.longest_losing_streak} losses",
        "duration": f"average {_duration(found.average_duration)}, median {_duration(found.median_duration)}",
        "excursion": f"MAE {plain(found.average_mae_r)} R, MFE {plain(found.average_mfe_r)} R, "
        f"exit efficiency {share(found.exit_efficiency)}",
        "drawdown": f"${money(found.max_drawdown)}, {share(found.max_drawdown_share)}, "
        f"{plain(found.max_drawdown_days, 1)} days, by the equity at days' ends",
        "return": f"{share(found.total_return)}; Sharpe {plain(found.sharpe)}, Sortino {plain(found.sortino)}, "
        f"Calmar {plain(found.calmar)}, SQN {plain(found.sqn)}",
        "exposure": share(found.exposure),
    }
    return [f"{name:<12}{text}" for name, text in lines.items()]


def _equity_lines(equity: "Sequence[DayEquity]") -> list[str]:
    if not equity:
        return []
    drawn = sparkline([each.equity for each in equity])
    return [f"equity      {drawn}  ${money(equity[0].equity)} → ${money(equity[-1].equity)} in {len(equity) - 1} days"]
