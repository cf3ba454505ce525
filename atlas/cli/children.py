"""Child processes of the demo: started one after another, stopped in reverse, never left behind."""

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from atlas.errors import ChildFailed

_PR_SET_PDEATHSIG = 1


def typed() -> str:
    """Return what somebody has to type for `atlas`: its whole path, unless the PATH leads to this environment's."""
    own, found = Path(sys.executable).with_name("atlas"), shutil.which("atlas")
    if not own.exists() or (found is not None and os.path.samefile(found, own)):
        return "atlas"
    return shlex.quote(str(own))


class Child:
    """A process running `atlas ARGV`, with its stderr in a log file."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, *, piped: bool = False) -> None:
        """Start it, in a session of its own: a Ctrl-C reaches the parent only, which stops its children in order."""
        self.name, self.log = name, log
        self._log: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "atlas", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else self._log,
            stderr=self._log,
            env=os.environ | {"PYTHONPATH": _with_this_checkout()},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def first_line(self) -> str:
        """Return the first line it prints. Raises ChildFailed with its last words if it ends instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        if not line:
            self.process.wait()
            raise self.failure()
        return line

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def failure(self) -> ChildFailed:
        """Return what it ended with as an error: its own last line, and its exit code."""
        said = [line for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        own = [line.removeprefix("atlas: ") for line in said if line.startswith("atlas: ")]
        words = own[-1] if own else said[-1] if said else "it said nothing"
        code = self.process.returncode
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        told = f"the {self.name} {how}: {words} (all it said is in {self.log})"
        return ChildFailed(told, code if code > 0 else 70)

    def stop(self, timeout: float = 20.0) -> int:
        """Ask it to stop, insist after `timeout` seconds; return its exit code."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        return self.process.returncode


def _with_this_checkout() -> str:
    """Return a PYTHONPATH under which the child runs the same ATLAS, installed or not."""
    import atlas

    here = str(Path(atlas.__file__).resolve().parent.parent)
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


def _die_with_parent() -> None:
    """Have the kernel end this process when its parent is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
