"""`atlas audit`: recompute ledger, margins, positions and every trigger's outcome from the events, and compare."""

from typing import TYPE_CHECKING

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import money, print_json, print_table
from atlas.errors import AtlasError

if TYPE_CHECKING:
    from db.audit import Audit


@click.command()
@shared
@click.option("--json", "as_json", is_flag=True, help="Stable keys, Decimals as strings.")
def audit(choice: Choice, as_json: bool) -> None:
    """Recompute an account from its append-only events and compare every row; exit code 1 if anything differs."""
    from db.audit import audit as recompute
    from db.engine import connect, snapshot

    with choice.opened() as url:
        engine = connect(url)
        try:
            with snapshot(engine) as connection:
                found = recompute(connection, choice.account)
        finally:
            engine.dispose()
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found.differences:
        first, count = found.differences[0], len(found.differences)
        raise AtlasError(
            f"{count} difference{'s' if count > 1 else ''} in account {found.account!r}, the first in {first.table} "
            f"{first.id}, {first.field}: restore the table from a backup, or report how it came about"
        )


def _show(found: "Audit") -> None:
    if found.differences:
        print_table(
            ("table", "id", "field", "stored", "recomputed"),
            [
                (each.table, each.id, each.field, each.stored or "-", each.recomputed or "-")
                for each in found.differences
            ],
        )
        click.echo()
    click.echo(f"account     {found.account}: {found.events} events recomputed")
    click.echo(f"triggers    {found.triggers} = {found.trades} trades + {found.rejections} rejections")
    click.echo(f"movements   {found.movements} in the ledger, {found.positions_open} positions open")
    click.echo(f"cash        ${money(found.cash)}, ${money(found.reserved)} of it reserved")
    click.echo(f"differences {len(found.differences) or 'none'}")
