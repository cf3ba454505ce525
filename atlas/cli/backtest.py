"""`atlas backtest`: the trades that `atlas replay --data` gives of the same files, found by search."""

from pathlib import Path
from typing import Any

import click

from atlas.cli.options import Choice, shared
from atlas.cli.past import PastOptions, asked, of_files
from atlas.errors import UsageError


@click.command()
@shared
@of_files
@click.option(
    "--json", "json_to", is_flag=False, flag_value="-", metavar="[OUT]", type=click.Path(path_type=Path),
    help="The result as JSON, to this file or to standard output.",
)  # fmt: skip
def backtest(choice: Choice, json_to: Path | None, **files: Any) -> None:
    """Play files of the past by searching them: the trades, funnel, metrics and equity of a replay, much faster.

    Settings for which every trade matters (order book, latency, moving stops, scaling out, signal products, the policy
    flip) are refused: `atlas replay` plays those.
    """
    from atlas.backtest.engine import Played, stretch
    from atlas.backtest.engine import backtest as searched
    from atlas.cli.replay_past import rare_collections, tell

    options = PastOptions(**files)
    if not options.data:
        raise UsageError("there is nothing to play: give --data FILE and --product ID")
    past = asked(choice, options)
    start, end = stretch(past.files, past.start, past.end)
    played = [Played(*each) for each in zip(past.products, past.files, past.funding, strict=True)]
    with rare_collections():
        tell(searched(played, past.rules, start, end, past.path), start, end, json_to)
