"""`atlas run`: the daemon."""

import logging
import os
import signal
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from time import monotonic
from types import FrameType

import click

from atlas import __version__
from atlas.cli.night_audit import audit_command
from atlas.cli.options import Choice, ending_signals, shared
from atlas.logs import LINES, log_to_stderr
from atlas.supervision import taken_from

SAME_WISH = 1.0
"""Seconds within which a second signal is the same wish; a later one ends the process at once."""
LOG_BYTES = 1_000_000
"""How long the log beside the database grows before it begins anew; the one before is kept."""


@click.command()
@shared
@click.option("--no-upgrade", is_flag=True, help="Do not make a missing database; it must be there.")
def run(choice: Choice, no_upgrade: bool) -> None:
    """Run the daemon until it is asked to stop (SIGTERM, Ctrl-C); a second signal ends it at once."""
    notify = taken_from(os.environ, os.getpid())
    notify.status("starting")
    log_to_stderr(as_json=choice.settings.logs.form == "json")
    early: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        # Nothing runs yet, but a database server we may have started is to be stopped. Noted too: an exception raised
        # in a hook of the interpreter (an import's, a fork's) gets lost.
        early.append(number)
        sys.exit(0)

    for number in ending_signals():
        signal.signal(number, leave)
    elsewhere = _not_ours_to_start(choice)
    if elsewhere is not None:
        from atlas.cli.awaiting import await_server

        await_server(elsewhere, choice.settings.database.wait_seconds, notify)
    with choice.opened(create=not no_upgrade) as url:
        from actors.system import Places, System  # A second's work, and for nothing where the settings are wrong.

        state = choice.state_dir
        name = f"{choice.database}-{choice.account}"
        recording, spool = recording_dir(choice), state / "spool" / f"{name}.spool"
        _log_to_file(log_dir(choice) / f"{choice.account}.log")
        server = choice.server
        system = System(
            choice.settings,
            Places(
                database_url=url,
                recording=recording,
                spool=spool,
                disks=(recording, spool.parent, *([server.data_dir] if server is not None else [])),
                audit=lambda day: audit_command(choice, recording.parent, url, day),
                server=server if elsewhere is None else None,
            ),
            notify,
        )

        first: list[float] = []

        def stop(number: int, frame: FrameType | None) -> None:
            # One wish often comes twice at once (a terminal and a supervisor both signal the whole group).
            if first and monotonic() - first[0] > SAME_WISH:
                os._exit(70)
            first.append(monotonic())
            system.end(0, f"asked to stop by {signal.Signals(number).name}")

        for number in ending_signals():
            signal.signal(number, stop)
        if early:
            sys.exit(0)
        code = system.run()
    sys.exit(code)


def _not_ours_to_start(choice: Choice) -> str | None:
    """Return the URL of a server that somebody else starts, None if the embedded one is ours."""
    server = choice.server
    if server is None or not choice.settings.database.service:
        return choice.url
    return server.url(choice.database)


def recording_dir(choice: Choice) -> Path:
    """Return where the inputs of this account under these rules and products are recorded by this version."""
    from hashlib import sha256

    settings = choice.settings
    made_of = ",".join((__version__, settings.rules().fingerprint(), *settings.exchange.watched))
    chosen = settings.recorder.directory
    root = Path(chosen).expanduser() if chosen else choice.state_dir / "recordings"
    return root / choice.database / choice.account / sha256(made_of.encode()).hexdigest()[:12]


def log_dir(choice: Choice) -> Path:
    """Return where the daemons of this database keep the end of their logs, one file an account, for the panel."""
    return choice.state_dir / "logs" / choice.database


def _log_to_file(file: Path) -> None:
    """The same lines into a file that begins anew when it is full; a disk that takes none is no reason to end."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
        file.chmod(0o600)
    except OSError as error:
        logging.getLogger(__name__).warning("no log is kept in %s: %s", file, error.strerror)
        return
    handler.setFormatter(logging.Formatter(LINES))
    logging.getLogger().addHandler(handler)
