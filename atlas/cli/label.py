"""`atlas label FILE`: every closed bar of a candle file with its type and labels; starts nothing."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.cli.options import Choice, shared
from atlas.cli.output import number
from atlas.market.candle_bars import BarColumns, read_columns, same_scale
from atlas.market.number_columns import NumberColumn
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import StratRules
from atlas.strat.bar_types import BarType, Color
from atlas.strat.labels import Shape
from atlas.strat.series import Series
from atlas.strat.vectors import COLORS, LARGEST, SHAPES, TYPES, label_all

Labels = tuple[BarType | None, Color, Shape | None, bool | None, bool | None]
"""Type, color, shape, failed and in force."""


class LabelledBar(msgspec.Struct, frozen=True, gc=False):
    """One closed bar as it is printed; the order of the fields is that of the JSON. Prices are exact, as text.

    `type`, `failed` and `in_force` are None for the first bar. `failed` is under the setting `strat.failed`.
    """

    time: str
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
    labelled = list(label_bars(read_columns(file, timeframe), choice.settings.rules().strat.failed))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(labelled), indent=2))
    else:
        click.echo("\n".join(_lines(labelled)))


def label_bars(bars: BarColumns, failed_setting: str) -> Iterable[LabelledBar]:
    """Return the label of each closed bar, the first to the last."""
    prices = [NumberColumn(one.name, one.units[: bars.closed], one.scale) for one in bars.prices]
    texts = [_texts(column) for column in prices]
    times = [f"{at}Z" for at in np.datetime_as_string(bars.times[: bars.closed].astype("datetime64[s]")).tolist()]
    aligned = same_scale(prices)
    if aligned is None or max(int(units.max(initial=0)) for units in aligned) >= LARGEST:
        labels = _one_by_one(bars, failed_setting)
    else:
        labels = _at_once(aligned, failed_setting)
    rows = zip(times, zip(*texts, strict=True), labels, strict=True)
    return (LabelledBar(at, o, h, lo, c, *label) for at, (o, h, lo, c), label in rows)


def _at_once(prices: list[NDArray[np.int64]], failed_setting: str) -> Iterator[Labels]:
    opened, high, low, close = prices
    found = label_all(opened, high, low, close, failed=failed_setting)
    types = [TYPES[code] for code in found.types.tolist()]
    colors = [COLORS[code] for code in found.colors.tolist()]
    shapes = [SHAPES[code] for code in found.shapes.tolist()]
    failed, in_force = (chain([None], flags[1:].tolist()) for flags in (found.failed, found.in_force))
    yield from zip(types, colors, shapes, failed, in_force, strict=False)


def _one_by_one(bars: BarColumns, failed_setting: str) -> Iterator[Labels]:
    """Prices with more digits between them than the columns can hold are compared as Decimals."""
    series, rules = Series(bars.symbol, bars.timeframe), StratRules()
    for bar in bars.bars()[: bars.closed]:
        closed = series.close(bar, rules)
        labels = closed.labels(failed_setting)
        yield closed.type, labels.color, labels.shape, labels.failed_two, labels.in_force


def _texts(prices: NumberColumn) -> list[str]:
    """Return each price as text; every one that occurs is written once."""
    units, places = np.unique(prices.units, return_inverse=True)
    written = [number(Decimal(each).scaleb(-prices.scale)) for each in units.tolist()]
    return [written[place] for place in places.tolist()]


def _lines(labelled: list[LabelledBar]) -> Iterator[str]:
    """Yield a heading and a line a bar. Plain text, field by field: a year of minutes is half a million lines."""
    wide = max((len(price) for bar in labelled for price in (bar.open, bar.high, bar.low, bar.close)), default=0)
    wide = max(wide, len("close"))
    prices = "  ".join(name.rjust(wide) for name in ("open", "high", "low", "close"))
    yield f"{'time':19}  {prices}  type  color    shape    failed  in force"
    said = {None: "-", True: "yes", False: "no"}
    for bar in labelled:
        yield (
            f"{bar.time[:10]} {bar.time[11:19]}  {bar.open:>{wide}}  {bar.high:>{wide}}  {bar.low:>{wide}}  "
            f"{bar.close:>{wide}}  {bar.type or '-':4}  {bar.color:7}  {bar.shape or '-':7}  {said[bar.failed]:6}  "
            f"{said[bar.in_force]}"
        )
