"""`atlas setups FILE`: the setups that the closed bars of a candle file give; starts nothing."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import msgspec

from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, number
from atlas.market.candle_bars import BarFile, read_bars
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import StratRules
from atlas.strat.series import Series
from atlas.strat.setup import Setup
from atlas.strat.setups import STOPS


class ListedSetup(msgspec.Struct, frozen=True):
    """One side of one setup as it is printed; the order of the fields is that of the JSON. Levels exact, as text."""

    id: str
    timeframe: str
    setup: str
    side: str
    setup_time: datetime
    valid_from: datetime
    valid_until: datetime
    trigger: str
    stop: str
    target: str
    measured: bool
    family: str


@click.command()
@shared
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timeframe", type=click.Choice(TIMEFRAMES), help="Resample to it; else the file's smallest step.")
@click.option("--stop", type=click.Choice(STOPS), help="Where stops stand, instead of the setting strat.stop.")
@click.option("--symbol", help="Instead of the file's name up to its first dot.")
@click.option("--all", "every", is_flag=True, help="Of every closed bar, not of the last one only.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects; prices as strings, times ISO 8601 UTC.")
def setups(
    choice: Choice,
    file: Path,
    timeframe: str | None,
    stop: str | None,
    symbol: str | None,
    every: bool,
    as_json: bool,
) -> None:
    """Show the setups each closed bar of FILE gives, every family, traded or not, whatever the forming bar has done.

    FILE is a CSV, gzipped or not, with time,open,high,low,close,volume.
    """
    chosen = choice.with_overrides({"strat": {"stop": stop}}) if stop is not None else choice
    rules = chosen.settings.rules().strat
    listed = [_listed(setup) for setup in setups_of(read_bars(file, timeframe, symbol), rules, every=every)]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(listed), indent=2))
    else:
        _print(listed)


def setups_of(bars: BarFile, rules: StratRules, *, every: bool) -> list[Setup]:
    """Return the setups of the last closed bar, of `every` closed bar if asked, by setup time and long first."""
    series = Series(bars.symbol, bars.timeframe)
    found: list[Setup] = []
    for bar in bars.closed:
        given = series.close(bar, rules).setups
        if every:
            found.extend(given)
        else:
            found = list(given)
    return found


def _listed(setup: Setup) -> ListedSetup:
    return ListedSetup(
        id=setup.id,
        timeframe=setup.timeframe,
        setup=setup.name,
        side=setup.side,
        setup_time=setup.setup_time,
        valid_from=setup.valid_from,
        valid_until=setup.valid_until,
        trigger=number(setup.trigger),
        stop=number(setup.stop),
        target=number(setup.target),
        measured=setup.measured,
        family=setup.family,
    )


def _print(listed: list[ListedSetup]) -> None:
    if not listed:
        click.echo("atlas: no setup to show", err=True)
        return
    click.echo("\n".join(_lines(listed)))


def _lines(listed: list[ListedSetup]) -> Iterator[str]:
    """Yield a heading and a line a setup. Plain text: a year of minutes gives more than half a million."""
    name = max(len("setup"), *(len(one.setup) for one in listed))
    price = max(len("trigger"), *(len(level) for one in listed for level in (one.trigger, one.stop, one.target)))
    levels = "  ".join(word.rjust(price) for word in ("trigger", "stop", "target"))
    yield f"{'setup bar':19}  {'setup':{name}}  side   {levels}            {'valid from':19}  {'until':19}  family"
    for one in listed:
        levels = "  ".join(level.rjust(price) for level in (one.trigger, one.stop, one.target))
        measured = "measured" if one.measured else ""
        yield (
            f"{clock(one.setup_time)}  {one.setup:{name}}  {one.side:5}  {levels}  {measured:8}  "
            f"{clock(one.valid_from)}  {clock(one.valid_until)}  {one.family}"
        )
