"""Asking the daemon for something and waiting for its answer: the one way of command line and panel."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from db.engine import session
from db.repositories import commands

PATIENCE = 10.0
"""Seconds the daemon has to answer."""
LOOK = 0.05
"""Seconds between two looks at the command's row."""


def ask(
    engine: Engine,
    account: str,
    kind: str,
    args: dict[str, Any],
    by: str,
    *,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> commands.Command | None:
    """Write a command, wait, and return it with its answer.

    None: no daemon answered in time, and the command is marked failed, so that none obeys it later. One that is under
    way by then (no trade to close a position at) is returned as `taken` with what it waits for.
    """
    with session(engine) as connection:
        command_id = commands.add(connection, account, kind, args, by)
    deadline = monotonic() + PATIENCE
    while True:
        with session(engine) as connection:
            found = commands.get(connection, command_id)
        if found is not None and found.status in ("done", "failed"):
            return found
        if monotonic() > deadline:
            if found is not None and found.status == "taken" and found.result is not None:
                return found
            with session(engine) as connection:
                commands.answer(connection, command_id, "failed", f"no daemon answered within {PATIENCE:.0f} s")
            return None
        sleep(LOOK)
