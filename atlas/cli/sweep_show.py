"""What came of a sweep, for the terminal."""

from collections.abc import Sequence
from decimal import Decimal

import click

from atlas.backtest.sweep.grid import Parameters
from atlas.backtest.sweep.summary import Part, Summary
from atlas.cli.output import money, print_table
from atlas.cli.sweep_plan import Plan

HEADINGS = ("trades", "net", "expectancy", "profit factor", "Sharpe", "DSR")
SHOWN = 20
"""Trials in the table; all are in the JSON."""


def tell(summary: Summary, plan: Plan) -> None:
    """Print the trials, the best in training first, and what the walk forward would have had."""
    first, last = plan.windows[0].start, max(window.end for window in plan.windows)
    click.echo(
        f"{len(plan.trials)} trials x {len(plan.played)} products x {len(plan.windows)} windows, "
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}; {summary.trials} sets of rules tried on this past in all"
    )
    rows = sorted(summary.rows, key=lambda row: _or_least(row.in_sample.sharpe), reverse=True)
    if summary.steps:
        click.echo("\nin sample:")
    _table([(row.parameters, row.in_sample) for row in rows[:SHOWN]])
    if summary.steps:
        click.echo("\nout of sample, in the same order:")
        _table([(row.parameters, row.out_of_sample) for row in rows[:SHOWN] if row.out_of_sample is not None])
    if len(rows) > SHOWN:
        click.echo(f"and {len(rows) - SHOWN} more; --json has them all")
    if summary.walk_forward is not None:
        click.echo("\nchosen anew at each step, by what was known then:")
        for step in summary.steps:
            click.echo(
                f"  {step.test.start:%Y-%m-%d} to {step.test.end:%Y-%m-%d}  {step.trades:5} trades "
                f"{money(step.net):>14} USD  {_named(step.parameters)}"
            )
        print_table(HEADINGS, [_cells(summary.walk_forward)], right=tuple(range(len(HEADINGS))))
    click.echo(
        "\nDSR: the probability that the true Sharpe ratio is above 0, the best of all trials being told; "
        "[ ]: 95 % of drawings with replacement"
    )


def _table(rows: Sequence[tuple[Parameters, Part]]) -> None:
    cells = [[*_cells(part), _named(parameters)] for parameters, part in rows]
    print_table((*HEADINGS, "settings"), cells, right=tuple(range(len(HEADINGS))))


def _cells(part: Part) -> list[str]:
    return [
        str(part.trades),
        money(part.net),
        f"{_short(part.expectancy)} [{_short(part.expectancy_low)}, {_short(part.expectancy_high)}]",
        f"{_short(part.profit_factor)} [{_short(part.profit_factor_low)}, {_short(part.profit_factor_high)}]",
        _short(part.sharpe),
        _short(part.deflated_sharpe),
    ]


def _short(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _or_least(value: Decimal | None) -> float:
    return float("-inf") if value is None else float(value)


def _named(parameters: Parameters) -> str:
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in parameters.items())
