"""`atlas status` and `atlas positions`: the running daemon as the database knows it (lesson 106)."""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, money, number, print_json, print_table

if TYPE_CHECKING:
    from db.repositories.daemon import Life

STALE = timedelta(seconds=30)
"""A daemon that has not said that it lives for so long counts as down; it says so every two seconds."""


@click.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def status(choice: Choice, as_json: bool) -> None:
    """Say whether the daemon is up and how it is: exit code 0 when it is well, 1 when not, 69 when it is down."""
    from db.engine import connect, session
    from db.repositories.daemon import life

    with choice.opened() as url:
        engine = connect(url)
        with session(engine) as connection:
            found = life(connection, choice.account)
        engine.dispose()
    halts = found.halts if found is not None else {}
    verdict, ill = condition(found, datetime.now(UTC))
    if as_json:
        print_json({"account": choice.account, "verdict": verdict, "halts": halts, "ill": ill, "daemon": found})
    elif found is None:
        click.echo(f"account {choice.account}: no daemon has ever run: start it with `atlas run`")
    else:
        click.echo(f"account {choice.account}: {verdict}")
        click.echo(f"daemon   {found.host}, process {found.pid}, version {found.version}, mode {found.mode}")
        click.echo(f"beat     {clock(found.beat_at)} UTC, market time {clock(found.market_time)}")
        click.echo(f"feed     {found.feed or '-'}")
        click.echo(f"equity   cash ${money(found.cash)}, reserved ${money(found.reserved)}")
        for source, reason in halts.items():
            click.echo(f"halted   {source}: {reason}")
        print_table(
            ("actor", "state", "waiting", "restarts", "last progress", "last error"),
            [
                (each.actor, each.state, str(each.waiting), str(each.restarts), clock(each.last_progress),
                 each.last_error or "")
                for each in found.actors
            ],
            right=(2, 3),
        )  # fmt: skip
    sys.exit({"well": 0, "ill": 1, "down": 69}[verdict])


def condition(found: "Life | None", now: datetime) -> tuple[Literal["well", "ill", "down"], list[str]]:
    """Return how the daemon is, and which of its actors are not well."""
    if found is None or found.stopped_at is not None or now - found.beat_at >= STALE:
        return "down", []
    ill = [actor.actor for actor in found.actors if actor.state not in ("running", "off")]
    return "ill" if ill or found.halts else "well", ill


@click.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def positions(choice: Choice, as_json: bool) -> None:
    """List the open positions with their levels."""
    from db.engine import connect, session
    from db.results import positions as open_positions

    with choice.opened() as url:
        engine = connect(url)
        with session(engine) as connection:
            held = open_positions(connection, choice.account, "open")
        engine.dispose()
    if as_json:
        print_json(held)
        return
    print_table(
        ("id", "side", "size", "entry", "stop", "target", "liquidation", "margin $", "funding $"),
        [
            (
                each.id,
                each.side,
                number(each.contracts),
                number(each.entry_price),
                number(each.stop),
                number(each.target),
                number(each.liquidation),
                money(each.margin),
                money(each.funding),
            )
            for each in held
        ],
        right=(2, 3, 4, 5, 6, 7, 8),
    )
