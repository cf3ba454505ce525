"""`atlas report`: what came of the triggers, trade by trade and in sum."""

from typing import TYPE_CHECKING, Any

import click

from atlas.cli.demo_show import summary_lines
from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, money, number, print_json, print_table

if TYPE_CHECKING:
    from db.results import FunnelRow, Trade


@click.command()
@shared
@click.option("--funnel", "only_funnel", is_flag=True, help="Only what became of the triggers.")
@click.option("--json", "as_json", is_flag=True, help="Stable keys, Decimals as strings, times ISO 8601 UTC.")
def report(choice: Choice, only_funnel: bool, as_json: bool) -> None:
    """Show an account's trades, the funnel from trigger to trade, and the metrics."""
    from db.engine import connect, snapshot
    from db.results import funnel, metrics, positions, summary, trade

    with choice.opened() as url:
        engine = connect(url)
        with snapshot(engine) as connection:
            glance = summary(connection, choice.account)
            rows = funnel(connection, choice.account)
            trades = [trade(position) for position in positions(connection, choice.account, "closed")]
            measured = metrics(connection, choice.account)
        engine.dispose()
    if as_json and only_funnel:
        print_json(rows)
    elif as_json:
        print_json({"summary": glance, "trades": trades, "funnel": rows, "metrics": measured})
    else:
        if not only_funnel:
            _print_trades(trades)
        _print_funnel(rows)
        for line in [] if only_funnel else ["", *summary_lines(glance), "", *_metric_lines(measured)]:
            click.echo(line)


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


def _metric_lines(measured: Any) -> list[str]:
    shown = ("win_rate", "profit_factor", "expectancy", "expectancy_r", "payoff_ratio", "max_drawdown", "sqn")
    values = [(name, getattr(measured, name)) for name in shown]
    return [f"{name:<14}{'-' if value is None else f'{value:.4f}'}" for name, value in values]
