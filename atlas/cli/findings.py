"""What `atlas doctor` finds: one line each, with its exit code."""

from typing import Literal

import msgspec

from atlas.errors import AtlasError

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One line. `text` says what was found and, unless it is ok, the remedy; `exit_code` is 0 unless it is an error."""

    check: str
    level: Level
    text: str
    exit_code: int = 0


def ok(check: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", text)


def warning(check: str, text: str) -> Finding:
    """Something to look at; ATLAS runs all the same."""
    return Finding(check, "warning", text)


def fault(check: str, text: str, exit_code: int = AtlasError.exit_code) -> Finding:
    """ATLAS cannot do its work."""
    return Finding(check, "error", text, exit_code)


def refused(check: str, error: AtlasError) -> Finding:
    """Return an error as a finding: its message says what is wrong and what to do."""
    return fault(check, " ".join(str(error).split()), error.exit_code)
