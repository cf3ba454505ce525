"""`atlas label FILE`: every closed bar of a candle file with its type and labels; starts nothing."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import cast

import click
import msgspec

from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, number
from atlas.market.bar import Bar
from atlas.market.candle_bars import read_bars
from atlas.market.timeframes import TIMEFRAMES
from atlas.strat.bar_types import BarType, Color, color, in_force, type_after
from atlas.strat.labels import Shape, is_failed_two, shape

_PRICES = ("open", "high", "low", "close")


class LabelledBar(msgspec.Struct, frozen=True):
    """One closed bar as it is printed; the order of the fields is that of the JSON. Prices are exact, as text.

    `type`, `failed` and `in_force` are None for the first bar. `failed` is under the setting `strat.failed`.
    """

    time: datetime
    open: str
    high: str
    low: str
    close: str
    type: BarType | None
    color: Color
    shape: Shape | None
    failed: bool | None
    in_force: bool | None


@click.command()
@shared
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timeframe", type=click.Choice(TIMEFRAMES), help="Resample to it; else the file's smallest step.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects; prices as strings, times ISO 8601 UTC.")
def label(choice: Choice, file: Path, timeframe: str | None, as_json: bool) -> None:
    """Type and label every closed bar of FILE, a CSV (gzipped or not) with time,open,high,low,close,volume."""
    setting = choice.settings.rules().strat.failed
    labelled = list(label_bars(read_bars(file, timeframe).closed, setting))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(labelled), indent=2))
    else:
        click.echo("\n".join(_lines(labelled)))


def label_bars(bars: list[Bar], failed_setting: str) -> Iterator[LabelledBar]:
    """Yield the label of each of a series' closed bars, the first to the last."""
    for prior, bar in pairwise([None, *bars]):
        bar = cast("Bar", bar)  # None stands only before the first
        yield LabelledBar(
            time=bar.open_time,
            open=number(bar.open),
            high=number(bar.high),
            low=number(bar.low),
            close=number(bar.close),
            type=type_after(bar, prior),
            color=color(bar.open, bar.close),
            shape=shape(bar),
            failed=None if prior is None else is_failed_two(bar, prior, failed_setting),
            in_force=in_force(bar, prior),
        )


def _lines(labelled: list[LabelledBar]) -> Iterator[str]:
    """Yield a heading and a line a bar. Plain text: a year of minutes is half a million lines."""
    width = max([len("close"), *(len(getattr(bar, name)) for bar in labelled for name in _PRICES)])
    prices = "  ".join(name.rjust(width) for name in _PRICES)
    yield f"{'time':19}  {prices}  type  color    shape    failed  in force"
    for bar in labelled:
        prices = "  ".join(getattr(bar, name).rjust(width) for name in _PRICES)
        said = f"{bar.type or '-':4}  {bar.color:7}  {bar.shape or '-':7}  {_said(bar.failed):6}  {_said(bar.in_force)}"
        yield f"{clock(bar.time)}  {prices}  {said}"


def _said(held: bool | None) -> str:
    return "-" if held is None else "yes" if held else "no"
