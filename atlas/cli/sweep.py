"""`atlas sweep`: many backtests over a grid of settings, products and windows of time, and how much of them is luck."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import as_json
from atlas.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from atlas.backtest.sweep.grid import Grid
    from atlas.backtest.sweep.summary import Summary
    from atlas.backtest.sweep.task import Run, Task
    from atlas.cli.sweep_plan import Key, Plan


@click.command()
@shared
@click.argument("grid", type=click.Path(path_type=Path), metavar="GRID.toml")
@click.option("--workers", type=click.IntRange(1), help="Processes of this machine; default: one for each core.")
@click.option("--scheduler", metavar="URL", help="Run on the workers of this Dask scheduler, tcp://host:port.")
@click.option("--fresh", is_flag=True, help="Run everything again, also what is stored.")
@click.option(
    "--json", "json_to", is_flag=False, flag_value="-", metavar="[OUT]", type=click.Path(path_type=Path),
    help="The result as JSON, to this file or to standard output.",
)  # fmt: skip
def sweep(
    choice: Choice, grid: Path, workers: int | None, scheduler: str | None, fresh: bool, json_to: Path | None
) -> None:
    """Backtest every combination of settings that GRID.toml names (docs/sweep.md).

    What is done is stored in the database; the same command goes on where it was broken off.
    """
    import os

    from atlas.backtest.sweep.grid import read_grid
    from atlas.backtest.sweep.summary import summarise
    from atlas.cli.sweep_plan import Plan
    from db.engine import connect

    if workers is not None and scheduler is not None:
        raise UsageError("--workers are of this machine and --scheduler has its own: give one of them")
    asked = read_grid(grid)
    plan = Plan(choice, asked)
    with choice.opened(create=True) as url:
        engine = connect(url)
        try:
            runs = _stored(engine, plan, fresh)
            _complete(engine, plan, runs, workers or os.cpu_count() or 1, scheduler)
            tried = _tried(engine, plan)
        finally:
            engine.dispose()
    walk = asked.walk_forward
    summary = summarise(
        [(parameters, plan.of_trial(rules, runs)) for parameters, rules in plan.trials],
        plan.walks,
        walk.choose_by if walk else "sharpe",
        tried=tried,
        seed=asked.seed,
        resamples=asked.resamples,
    )
    if json_to is None:
        from atlas.cli.sweep_show import tell

        tell(summary, plan)
        return
    text = as_json(_report(asked, plan, summary))
    if str(json_to) == "-":
        click.echo(text)
    else:
        json_to.write_text(text + "\n", encoding="utf-8")


def _stored(engine: "Engine", plan: "Plan", fresh: bool) -> "dict[Key, Run]":
    """Return what is done already, by the key of its task."""
    import msgspec

    from atlas.backtest.sweep.task import Run
    from db.engine import session
    from db.repositories.sweep import done

    wanted = {task.key for task in plan.tasks}
    decoder = msgspec.json.Decoder(Run)
    found: dict[Key, Run] = {}
    with session(engine) as connection:
        for past in () if fresh else plan.pasts.values():
            found |= {key: decoder.decode(text) for key, text in done(connection, past).items() if key in wanted}
    return found


def _complete(engine: "Engine", plan: "Plan", runs: "dict[Key, Run]", workers: int, scheduler: str | None) -> None:
    """Run what is not done, storing each result as it comes."""
    import msgspec
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from db.engine import session
    from db.repositories.sweep import save

    left = [task for task in plan.tasks if task.key not in runs]
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    encode = msgspec.json.Encoder(decimal_format="string").encode
    with (
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
        TemporaryDirectory(prefix="atlas-sweep-") as folder,
    ):
        bar = progress.add_task("sweep", total=len(plan.tasks), completed=len(plan.tasks) - len(left))
        for task, run in _played(left, plan, workers, scheduler, Path(folder)):
            runs[task.key] = run
            parameters = encode(plan.parameters_of(task.rules)).decode()
            with session(engine) as connection:
                save(connection, plan.pasts[task.product], task.key, parameters, encode(run).decode())
            progress.advance(bar)


def _played(
    tasks: "Sequence[Task]", plan: "Plan", workers: int, scheduler: str | None, folder: Path
) -> "Iterator[tuple[Task, Run]]":
    if not tasks:
        return
    if scheduler is not None:
        from atlas.backtest.sweep.distributed import on_scheduler

        done = on_scheduler(scheduler, tasks, plan.played)
    else:
        from atlas.backtest.sweep.workers import on_this_machine

        done = on_this_machine(tasks, plan.played, min(workers, len(tasks)), folder)
    yield from done


def _tried(engine: "Engine", plan: "Plan") -> int:
    """Return how many sets of rules were ever tried on this past."""
    from db.engine import session
    from db.repositories.sweep import tried

    with session(engine) as connection:
        return len(set().union(*(tried(connection, past, [name]) for name, past in plan.pasts.items())))


def _report(grid: "Grid", plan: "Plan", summary: "Summary") -> dict[str, Any]:
    """Return what `--json` writes (docs/sweep.md)."""
    import msgspec

    fields = {name: getattr(summary, name) for name in summary.__struct_fields__}
    return {"grid": msgspec.to_builtins(grid), "windows": plan.walks, **fields}
