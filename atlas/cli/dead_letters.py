"""`atlas doctor --dead-letters`: the messages nobody could handle, each with its traceback."""

import click

from atlas.cli.options import Choice
from atlas.cli.output import clock, print_json

NEWEST = 100


def show(choice: Choice, *, as_json: bool) -> None:
    """Print the newest dead letters of the account, the newest last. Starts nothing. Raises DatabaseError."""
    from db.engine import connect, session
    from db.repositories.dead_letters import newest

    engine = connect(choice.running_url())
    try:
        with session(engine) as connection:
            letters = newest(connection, choice.account, NEWEST)
    finally:
        engine.dispose()
    if as_json:
        print_json(letters)
        return
    for letter in letters:
        click.echo(f"{clock(letter.at)} UTC  from {letter.sender} to {letter.recipient}: {letter.reason}")
        click.echo(f"  {letter.text}")
        for line in letter.traceback.rstrip().splitlines():
            click.echo(f"  {line}")
    click.echo(f"{len(letters)} dead letters" if len(letters) != 1 else "1 dead letter")
