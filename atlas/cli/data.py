"""`atlas data`: candles of the past, looked through and kept as memory-mapped columns."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.options import Choice, instant, shared
from atlas.cli.output import clock, print_json, print_table
from atlas.errors import DataError, UsageError

if TYPE_CHECKING:
    from atlas.data.inspection import Inspection
    from atlas.market.candle_file import CandleFile

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a series may be called: a folder is named so."""

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the columns are kept; default: beside the database."
)
json_option = click.option("--json", "as_json", is_flag=True)
jump_option = click.option("--jump", default="0.05", metavar="SHARE", help="From which share on an open is a jump.")


@click.group()
def data() -> None:
    """Past candles: import files, download from the exchange, list and verify what is kept."""


@data.command("import")
@shared
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What to call it; default: the file's name up to its endings.")
@click.option("--force", is_flag=True, help="Replace one of that name.")
@folder_option
@jump_option
@json_option
def import_(
    choice: Choice,
    files: tuple[Path, ...],
    name: str | None,
    force: bool,
    folder: Path | None,
    jump: str,
    as_json: bool,
) -> None:
    """Read candle files (CSV, gzipped or not, or Parquet), say what is odd about them and keep them as columns.

    A file with rows no replay may be fed with is refused.
    """
    from atlas.data.column_files import write_columns
    from atlas.data.past_file import refuse_fatal

    if name is not None and len(files) > 1:
        raise UsageError("--name belongs to one file: import them one by one")
    kept = folder or choice.candles
    told = []
    for path in files:
        file, found = _looked_through(path, jump)
        called = _checked_name(name or _name_of(path))
        if not as_json:
            _tell(path, found)
        refuse_fatal(found)
        write_columns(file, kept / called, str(path), replace=force)
        told.append({"name": called, "folder": str(kept / called), **_report(path, file, found)})
        if not as_json:
            click.echo(f"kept as {called} in {kept / called}")
    if as_json:
        print_json(told)


@data.command()
@shared
@click.argument("product")
@click.option("--timeframe", default="1m", show_default=True, help="One the exchange has candles of.")
@click.option("--from", "from_", required=True, metavar="TIME", help="From this UTC date or ISO time on.")
@click.option("--to", metavar="TIME", help="Until before this UTC date or ISO time; default: now.")
@click.option("--name", metavar="NAME", help="What to call it; default: PRODUCT_TIMEFRAME.")
@click.option("--force", is_flag=True, help="Replace one of that name.")
@folder_option
@json_option
def download(
    choice: Choice,
    product: str,
    timeframe: str,
    from_: str,
    to: str | None,
    name: str | None,
    force: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Fetch candles from the exchange and keep them as columns; interrupted, the same command goes on where it was."""
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.progress import Progress

    from atlas.data.column_files import write_columns
    from atlas.data.download import Asked
    from atlas.data.download import download as fetch
    from atlas.data.past_file import refuse_fatal

    kept = folder or choice.candles
    called = _checked_name(name or f"{product}_{timeframe}")
    if (kept / called).exists() and not force:
        raise UsageError(f"{called} is in {kept} already: give another --name, or --force to replace it")
    start, end = instant("--from", from_), instant("--to", to)
    assert start is not None  # a required option
    asked = Asked(product, timeframe, start, end or datetime.max.replace(tzinfo=UTC))
    growing = kept / f".{called}_{timeframe}_{start:%Y%m%dT%H%M}.csv"
    console = Console(stderr=True)
    rest = choice.rest()
    try:
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task(f"{product} {timeframe}", total=1.0)
            fetch(rest, asked, growing, lambda share: progress.update(task, completed=share))
    finally:
        rest.close()
    file, found = _looked_through(growing, "0.05")
    refuse_fatal(found)
    write_columns(file, kept / called, f"{product} {timeframe} from {choice.settings.exchange.rest_url}", replace=force)
    growing.unlink()
    if as_json:
        print_json({"name": called, "folder": str(kept / called), **_report(kept / called, file, found)})
        return
    _tell(kept / called, found)
    click.echo(f"kept as {called} in {kept / called}")


@data.command("list")
@shared
@folder_option
@json_option
def list_(choice: Choice, folder: Path | None, as_json: bool) -> None:
    """Say what is kept."""
    from atlas.data.column_files import is_columns, open_columns, read_about
    from atlas.market.past import span

    kept = folder or choice.candles
    found: list[dict[str, Any]] = []
    for each in sorted(kept.iterdir()) if kept.is_dir() else ():
        if each.name.startswith(".") or not is_columns(each):
            continue
        about, (begins, ends) = read_about(each), span(open_columns(each))
        size = sum(path.stat().st_size for path in each.iterdir())
        found.append(
            {
                "name": each.name, "symbol": about.symbol, "step": about.interval, "rows": about.rows, "from": begins,
                "to": ends, "bytes": size, "source": about.source,
            }
        )  # fmt: skip
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"nothing is kept in {kept}: `atlas data import FILE` or `atlas data download PRODUCT`")
        return
    rows = [
        (each["name"], f"{each['step']} s", f"{each['rows']:,}", clock(each["from"]), clock(each["to"]),
         f"{each['bytes'] / 1e6:.1f} MB", each["source"])
        for each in found
    ]  # fmt: skip
    print_table(("name", "step", "candles", "from", "to", "size", "source"), rows, right=(1, 2, 5))


@data.command()
@shared
@click.argument("named", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="NAME|FILE…")
@folder_option
@jump_option
@json_option
def verify(choice: Choice, named: tuple[Path, ...], folder: Path | None, jump: str, as_json: bool) -> None:
    """Look through files, or what is kept: hashes, gaps, odd prices and times, each with file, line and value.

    Ends with 65 if no replay may be fed with one of them.
    """
    told, refused = [], []
    for each in named:
        path, file, found = _verified(each, folder or choice.candles, jump)
        refused += found.fatal
        told.append(_report(path, file, found))
        if not as_json:
            _tell(path, found)
    if as_json:
        print_json(told)
    if refused:
        raise DataError(f"{refused[0]}; mend the row")


def _verified(named: Path, kept: Path, jump: str) -> "tuple[Path, CandleFile, Inspection]":
    from atlas.data.column_files import check_columns, open_columns
    from atlas.data.inspection import inspect
    from atlas.data.past_file import column_folder

    folder = column_folder(named, lambda: kept)
    if folder is None:
        return named, *_looked_through(named, jump)
    check_columns(folder)
    file = open_columns(folder)
    return folder, file, inspect(file, _share(jump))


def _looked_through(path: Path, jump: str) -> "tuple[CandleFile, Inspection]":
    from atlas.data.past_file import read_inspected

    return read_inspected(path, _share(jump))


def _share(text: str) -> Any:
    from decimal import Decimal, InvalidOperation

    try:
        share = Decimal(text)
    except InvalidOperation:
        share = Decimal(0)
    if not (share.is_finite() and share > 0):
        raise UsageError(f"--jump {text}: write a share above 0, e.g. 0.05 for 5 %")
    return share


def _name_of(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rpartition(".")[0] or name


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name}: use letters, digits, '.', '_' and '-', the first a letter or a digit")
    return name


def _report(path: Path, file: "CandleFile", found: "Inspection") -> dict[str, Any]:
    from atlas.market.past import span

    begins, ends = (None, None) if found.fatal else span(file)  # times that are none tell no instant
    return {
        "file": str(path), "symbol": file.symbol, "step": found.step, "rows": found.rows, "from": begins, "to": ends,
        "tick": file.tick, "missing": found.missing, "counts": found.counts,
        "findings": [
            {"kind": each.kind, "file": str(each.file), "line": each.line, "time": each.time, "value": each.value,
             "text": each.text}
            for each in found.findings
        ],
    }  # fmt: skip


def _tell(path: Path, found: "Inspection") -> None:
    click.echo(f"{path}: {found.rows:,} candles of {found.step} s, {found.missing:,} missing between them")
    for kind, often in found.counts.items():
        click.echo(f"  {often:,} x {kind.replace('_', ' ')}")
        shown = [finding for finding in found.findings if finding.kind == kind][:3]
        for finding in shown:
            click.echo(f"      {finding}")
        if often > len(shown):
            click.echo(f"      and {often - len(shown):,} more")
