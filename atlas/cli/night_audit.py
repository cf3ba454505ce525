"""`atlas night-audit`: a recorded day is replayed, and every event compared with what was committed of it.

The daemon runs it each night in a process of its own. A difference means that the program does not decide again what it
decided then: exit code 65, and the first differing event is named.
"""

import ctypes
import os
import signal
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import click

from atlas import __version__
from atlas.cli.options import Choice, shared
from atlas.errors import DataError, UsageError

MIDNIGHT_TAKES = timedelta(minutes=5)
"""Each midnight of the exchange's clock writes a checkpoint; ours has passed it by then, see feed.max_drift_seconds."""
LOWEST_PRIORITY = 19
_PR_SET_PDEATHSIG = 1


def audit_command(choice: Choice, recordings: Path, url: str, day: date) -> list[str]:
    """Return the words that audit a day of the account in a process beside this one, on the same database.

    The URL may hold a password and is none of the words: the process gets it as this one did.
    """
    from sqlalchemy import make_url

    words = [sys.executable, "-m", "atlas", "night-audit", "--json", "--beside", str(os.getpid())]
    words += ["--day", day.isoformat(), "--recordings", str(recordings), "--account", choice.account]
    words += ["--database", str(make_url(url).database)]
    for option in choice.passed_on:
        words += option
    return words


@click.command("night-audit")
@shared
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The day, UTC; default: yesterday.")
@click.option("--recordings", type=click.Path(path_type=Path), help="Where the account's recordings are.")
@click.option("--beside", type=int, hidden=True, help="The process to end with; at the lowest priority.")
@click.option("--json", "as_json", is_flag=True)
def night_audit(
    choice: Choice, day: datetime | None, recordings: Path | None, beside: int | None, as_json: bool
) -> None:
    """Replay a recorded day and compare it with what was decided: exit code 65 if an event differs."""
    if beside is not None:
        _be_modest(beside)
    from actors.messages import NightAudited, encode
    from actors.night_compare import compared
    from atlas.cli.run import recording_dir

    now = datetime.now(UTC)
    of = (now - timedelta(days=1)).date() if day is None else day.date()
    folder = recordings or recording_dir(choice).parent
    if not folder.is_dir():
        raise UsageError(f"there are no recordings in {folder}: give --recordings DIR")
    begin = datetime.combine(of, time(), UTC) + MIDNIGHT_TAKES
    with choice.opened() as url:
        found = compared(folder, begin, begin + timedelta(days=1), url, choice.account, __version__)
    audited = NightAudited(
        of, datetime.now(UTC), found.inputs, found.events, found.differences, found.first, "; ".join(found.passed_over)
    )
    if as_json:
        click.echo(encode(audited).decode())
    else:
        click.echo(f"{of}: {found.inputs} inputs replayed, {found.events} events compared")
        for note in found.passed_over:
            click.echo(f"not replayed: {note}")
    if found.differences:
        raise DataError(f"{found.differences} events of {of} differ from the replay; the first: {found.first}")
    if not as_json:
        click.echo("no difference")


def _be_modest(parent: int) -> None:
    """Take the lowest priority, and end when the daemon does: also when it is killed."""
    os.nice(LOWEST_PRIORITY)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)
