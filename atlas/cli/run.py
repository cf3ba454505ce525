"""`atlas run`: the daemon."""

import logging
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from atlas.cli.options import Choice, shared


@click.command()
@shared
@click.option("--no-upgrade", is_flag=True, help="Do not make a missing database; it must be there.")
def run(choice: Choice, no_upgrade: bool) -> None:
    """Run the daemon until it is asked to stop (SIGTERM, Ctrl-C); a second signal ends it at once."""
    from actors.system import Places, System

    _log_to_stderr()
    with choice.opened(create=not no_upgrade) as url:
        state = choice.state_dir
        name = f"{choice.database}-{choice.account}"
        system = System(
            choice.settings,
            Places(
                database_url=url,
                recording=recording_dir(choice),
                spool=state / "spool" / f"{name}.spool",
            ),
        )

        def stop(number: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            system.end(0, f"asked to stop by {signal.Signals(number).name}")

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        code = system.run()
    sys.exit(code)


def recording_dir(choice: Choice) -> Path:
    """Return where the inputs of this account under these rules and products are recorded."""
    from hashlib import sha256

    settings = choice.settings
    made_of = ",".join((settings.rules().fingerprint(), *settings.exchange.products))
    chosen = settings.recorder.directory
    root = Path(chosen).expanduser() if chosen else choice.state_dir / "recordings"
    return root / choice.database / choice.account / sha256(made_of.encode()).hexdigest()[:12]


def _log_to_stderr() -> None:
    """One line an event on stderr, where systemd's journal takes it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("urllib3", "pykka", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
