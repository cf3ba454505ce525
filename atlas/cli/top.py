"""`atlas top`: the panel's overview, live in the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.options import Choice, shared
from atlas.errors import DatabaseError

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import Engine

    from web.overview import Overview

PIPED = 80, 24
"""Columns and lines of what is printed where there is no terminal."""


@click.command()
@shared
@click.option(
    "--every", type=click.FloatRange(0.5, 3600), default=2.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Print it once and end; so it is without a terminal, too.")
@click.option("--json", "as_json", is_flag=True, help="What `atlas status --json` says.")
def top(choice: Choice, every: float, once: bool, as_json: bool) -> None:
    """Show equity, positions, trades and setups as they change; q ends it.

    An account nobody has opened is shown as such. The exit code is 0, with --json that of `atlas status`.
    """
    if as_json:
        from atlas.cli.status import show

        show(choice, as_json=True)
    from rich.console import Console

    from db.engine import connect

    live = sys.stdout.isatty() and sys.stdin.isatty() and not once
    with choice.opened() as url:
        engine = connect(url)
        try:
            if live:
                _live(Console(), engine, choice.account, every)
            else:
                columns, lines = PIPED
                console = Console() if sys.stdout.isatty() else Console(width=columns, height=lines)
                console.print(_shown(engine, choice.account, console))
        finally:
            engine.dispose()


def _shown(engine: "Engine", account: str, console: "Console", error: str = "") -> Any:
    from atlas.cli.top_view import view

    return view(_looked(engine, account), console.height, error)


def _looked(engine: "Engine", account: str) -> "Overview":
    from db.engine import session
    from web.overview import overview
    from web.pages import Arguments, Shown

    with session(engine) as connection:
        return overview(connection, Shown(account, datetime.now(UTC)), Arguments())


def _live(console: "Console", engine: "Engine", account: str, every: float) -> None:
    """Look and show until q is pressed; while the database is away, show what was seen last and why it is old."""
    from rich.live import Live

    from atlas.cli.top_view import view

    section = _looked(engine, account)
    with _keys(), Live(console=console, screen=True, auto_refresh=False) as screen:
        error = ""
        while True:
            screen.update(view(section, console.height, error), refresh=True)
            if _pressed(every) in ("q", "Q", "\x1b"):
                return
            try:
                section, error = _looked(engine, account), ""
            except DatabaseError as away:
                error = str(away)


@contextmanager
def _keys() -> Iterator[None]:
    """Let single keys through, unseen; the terminal is as it was afterwards."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _pressed(seconds: float) -> str:
    """Return the key that was pressed within so many seconds, empty if none was; a closed terminal counts as q."""
    import os
    import select

    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    if not readable:
        return ""
    # Past Python's own buffer, in which further keys would wait unseen by select.
    return os.read(sys.stdin.fileno(), 1).decode("latin-1") or "q"
