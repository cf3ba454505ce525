"""`atlas halt`, `resume`, `flatten`, `close`: asked as a row of the database, answered by the daemon in it."""

import getpass
from collections.abc import Callable
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import print_json
from atlas.errors import AtlasError, TemporaryError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_reason = click.option("--reason", default="asked by hand", show_default=True, help="Kept with the command.")


@click.command()
@shared
@_reason
@click.option("--json", "as_json", is_flag=True)
def halt(choice: Choice, reason: str, as_json: bool) -> None:
    """Stop entries; exits go on."""
    _ask(choice, "halt", {"reason": reason}, as_json)


@click.command()
@shared
@_reason
@click.option("--json", "as_json", is_flag=True)
def resume(choice: Choice, reason: str, as_json: bool) -> None:
    """Lift a halt by a person, and that of the daily loss."""
    _ask(choice, "resume", {"reason": reason}, as_json)


@click.command()
@shared
@_reason
@click.option("--json", "as_json", is_flag=True)
def flatten(choice: Choice, reason: str, as_json: bool) -> None:
    """Close every open position at the market, now."""
    _ask(choice, "flatten", {"reason": reason}, as_json)


@click.command()
@shared
@click.argument("position")
@_reason
@click.option("--json", "as_json", is_flag=True)
def close(choice: Choice, position: str, reason: str, as_json: bool) -> None:
    """Close one position at the market, now; `atlas positions` lists the ids."""

    def known(connection: "Connection") -> None:
        from db.results import positions

        held = [each.id for each in positions(connection, choice.account, "open")]
        if position not in held:
            raise UsageError(
                f"account {choice.account!r} has no open position {position!r}; open are: {', '.join(held) or 'none'}"
            )

    _ask(choice, "close", {"position": position, "reason": reason}, as_json, known)


def _ask(
    choice: Choice,
    kind: str,
    args: dict[str, Any],
    as_json: bool,
    check: "Callable[[Connection], None]" = lambda connection: None,
) -> None:
    """Ask, wait for the answer, print it. Raises TemporaryError when no daemon answers, and what `check` raises.

    A command that is under way when the patience ends (no trade to close a position at) is no failure: what it waits
    for is printed, and its row is answered when it is done.
    """
    from db.asking import PATIENCE, ask
    from db.engine import connect, session

    with choice.opened() as url:
        engine = connect(url)
        with session(engine) as connection:
            check(connection)
        by = getpass.getuser()
        found = ask(engine, choice.account, kind, args, by, monotonic=monotonic, sleep=sleep)
        engine.dispose()
    if found is None:
        raise TemporaryError(
            f"no daemon of account {choice.account!r} answered within {PATIENCE:.0f} s: is it running? "
            "See `atlas status`"
        )
    if as_json:
        print_json(found)
    else:
        click.echo(found.result)
    if found.status == "failed":
        raise AtlasError(f"{kind} failed: {found.result}")
