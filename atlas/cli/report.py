"""`atlas report`: what came of the triggers, trade by trade, group by group and in sum. docs/report.md has the JSON."""

from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from atlas.cli.demo_show import summary_lines
from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, money, number, print_json, print_table
from atlas.errors import DataError, UsageError

if TYPE_CHECKING:
    from atlas.backtest.result import FunnelRow, Trade
    from atlas.performance import Performance
    from db.period import Period
    from db.report import Ledger

SECTIONS = ("timeframe", "setup", "symbol", "side", "continuity", "exit", "day")
"""What the metrics are shown by unless asked."""
GROUPS = (*SECTIONS, "family", "weekday", "hour")
INFINITE = "∞"


@click.command()
@shared
@click.option("--from", "from_", metavar="TIME", help="Only from this day of the account, or ISO 8601 time, on.")
@click.option("--to", metavar="TIME", help="Only before this day, or ISO 8601 time.")
@click.option(
    "--by", multiple=True, type=click.Choice([*GROUPS, "product"]), help="Which sections; again for more. "
    f"Default: {', '.join(SECTIONS)}.",
)  # fmt: skip
@click.option("--funnel", "only_funnel", is_flag=True, help="Only what became of the triggers.")
@click.option("--ledger", "only_ledger", is_flag=True, help="Only the double-entry ledger, and that it sums.")
@click.option("--json", "as_json", is_flag=True, help="Stable keys, Decimals as strings, times ISO 8601 UTC.")
def report(
    choice: Choice,
    from_: str | None,
    to: str | None,
    by: tuple[str, ...],
    only_funnel: bool,
    only_ledger: bool,
    as_json: bool,
) -> None:
    """Show an account's trades, the funnel from trigger to trade, and the metrics, also group by group.

    Of a period: the trades closed and the triggers broken in it; `--to` is not in it.
    """
    from db.engine import connect, snapshot
    from db.funnel import funnel
    from db.report import ledger, report
    from db.results import opened_account

    if only_funnel and only_ledger:
        raise UsageError("--funnel and --ledger are two reports: ask for one of them")
    timezone = choice.settings.rules().account.timezone
    period = _period(from_, to, timezone)
    with choice.opened() as url:
        engine = connect(url)
        try:
            with snapshot(engine) as connection:
                opened_account(connection, choice.account)
                if only_ledger:
                    _show_ledger(ledger(connection, choice.account, period), as_json)
                    return
                if only_funnel:
                    rows = funnel(connection, choice.account, period)
                    print_json(rows) if as_json else _print_funnel(rows)
                    return
                found = report(connection, choice.account, timezone, period)
        finally:
            engine.dispose()
    if as_json:
        print_json(found)
        return
    _print_trades(found.trades)
    _print_funnel(found.funnel)
    for dimension in dict.fromkeys("symbol" if one == "product" else one for one in by or SECTIONS):
        _print_groups(dimension, found.by[dimension])
    for line in ["", *summary_lines(found.summary), "", *_metric_lines(found.metrics)]:
        click.echo(line)


def _period(from_: str | None, to: str | None, timezone: str) -> "Period":
    from db.period import Period

    period = Period(_instant("--from", from_, timezone), _instant("--to", to, timezone))
    if period.start is not None and period.end is not None and period.end <= period.start:
        raise UsageError(f"--to {to} is not after --from {from_}: the period is empty")
    return period


def _instant(option: str, text: str | None, timezone: str) -> datetime | None:
    """Return the instant; a day begins, and a time without a zone is, in the account's timezone."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: write a day, 2026-03-02, or a time, 2026-03-02T14:30Z") from error
    return at if at.tzinfo else datetime.combine(at.date(), at.time() or time(), ZoneInfo(timezone))


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


def _print_funnel(rows: "list[FunnelRow]") -> None:
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
                _share(each.win_rate),
                money(each.net_profit),
                _factor(each),
                _plain(each.expectancy_r),
                money(each.fees),
                money(each.funding),
            )
            for name, each in groups.items()
        ],
        right=(1, 2, 3, 4, 5, 6, 7),
    )


def _show_ledger(found: "Ledger", as_json: bool) -> None:
    """Print the ledger. Raises DataError when it does not sum."""
    if as_json:
        print_json(found)
    else:
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
    if not found.sums:
        wrong = ", ".join(found.unbalanced[:5]) or "the balances do not sum to 0"
        raise DataError(f"the ledger does not balance: {wrong}; `atlas audit` names every difference")


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plain(value: Decimal | None, places: int = 2) -> str:
    return "-" if value is None else f"{value:z,.{places}f}"


def _share(value: Decimal | None) -> str:
    return "-" if value is None else f"{value * 100:z.1f} %"


def _factor(measured: "Performance") -> str:
    """Return the profit factor; without any loss it is infinite, without any trade unknown."""
    if measured.profit_factor is None:
        return INFINITE if measured.wins and not measured.losses else "-"
    return f"{measured.profit_factor:.2f}"


def _duration(seconds: Decimal | None) -> str:
    return "-" if seconds is None else f"{seconds / 3600:.1f} h"


def _metric_lines(found: "Performance") -> list[str]:
    """Return every metric of trading.md, a line for a few that belong together."""
    lines = {
        "trades": f"{found.trades}: {found.wins} won, {found.losses} lost, {found.break_evens} even; "
        f"win rate {_share(found.win_rate)}",
        "net profit": f"${money(found.net_profit)} = ${money(found.gross)} gross - ${money(found.fees)} fees "
        f"- ${money(found.funding)} funding; slippage in the prices ${money(found.slippage)}",
        "won, lost": f"${money(found.gross_profit)}, ${money(found.gross_loss)}; profit factor {_factor(found)}, "
        f"payoff {_plain(found.payoff_ratio)}",
        "expectancy": f"${money(found.expectancy)}, {_plain(found.expectancy_r)} R",
        "average": f"win ${money(found.average_win)}, loss ${money(found.average_loss)}",
        "largest": f"win ${money(found.largest_win)}, loss ${money(found.largest_loss)}",
        "streaks": f"{found.longest_winning_streak} wins, {found.longest_losing_streak} losses",
        "duration": f"average {_duration(found.average_duration)}, median {_duration(found.median_duration)}",
        "excursion": f"MAE {_plain(found.average_mae_r)} R, MFE {_plain(found.average_mfe_r)} R, "
        f"exit efficiency {_share(found.exit_efficiency)}",
        "drawdown": f"${money(found.max_drawdown)}, {_share(found.max_drawdown_share)}, "
        f"{_plain(found.max_drawdown_days, 1)} days, by the equity at days' ends",
        "return": f"{_share(found.total_return)}; Sharpe {_plain(found.sharpe)}, Sortino {_plain(found.sortino)}, "
        f"Calmar {_plain(found.calmar)}, SQN {_plain(found.sqn)}",
        "exposure": _share(found.exposure),
    }
    return [f"{name:<12}{text}" for name, text in lines.items()]
