"""`atlas …` as somebody types it: a process of its own with nothing of this machine's settings."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 100.0
"""Seconds a command may take on a machine that is busy with other tests."""
OURS = ("ATLAS_", "COINBASE_", "DISCORD_", "DATABASE_", "CREDENTIALS_", "XDG_")


class Ended(msgspec.Struct, frozen=True):
    """What a command left: its exit code and its words."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what it printed, decoded; a number with a fraction is an error, for money is written as text.

        Only what a setting counts in seconds may have one.
        """
        return json.loads(self.out, object_pairs_hook=_exact)

    def said(self) -> str:
        """Return the one line it ended with, without its `atlas: `; anything more, or a traceback, is an error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("atlas: "), self.err
        assert "Traceback" not in self.out
        return lines[0].removeprefix("atlas: ")


class Commands:
    """Runs commands in `place`, where their configuration, recordings and spools are, with these settings only."""

    def __init__(self, place: Path, **environ: str) -> None:
        self.place = place
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
            "PYTHONPATH": str(CHECKOUT),
            "HOME": str(place),
            "ATLAS_DATA_DIR": str(place / "postgres"),
            **environ,
        }

    def __call__(self, *argv: str, **environ: str) -> Ended:
        """Run one to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "atlas", *argv],
            cwd=self.place,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str) -> "Running":
        """Start one that goes on until it is told to stop."""
        return Running(self, argv)


class Running:
    """A command that runs; what it says on stderr is in `log`. A context manager that stops it."""

    def __init__(self, commands: Commands, argv: tuple[str, ...]) -> None:
        self.log = commands.place / "stderr.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "atlas", *argv],
                cwd=commands.place,
                env=commands.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self) -> int:
        """Ask it to stop, and return its exit code; one that does not is killed."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


def _exact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, value in pairs:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, float) and not name.endswith("_seconds"):
                raise AssertionError(f"{name}: {one} is no exact number: it should be a text")
    return dict(pairs)
