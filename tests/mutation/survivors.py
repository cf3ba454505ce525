"""The lists of the mutants that no test can notice: each with the reason why it changes no rule and no amount."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutants import Mutant

HERE = Path(__file__).resolve().parent

Identity = tuple[str, str, str, str, int]


class Listed(NamedTuple):
    """One entry of a list. `occurrence` is left out where it is the first."""

    file: str
    function: str
    was: str
    becomes: str
    reason: str
    occurrence: int = 1

    @property
    def identity(self) -> Identity:
        """What the mutant it speaks of is known by."""
        return self.file, self.function, self.was, self.becomes, self.occurrence


def path_of(area: str) -> Path:
    """Return where the list of an area is."""
    return HERE / f"{area}.survivors.toml"


def listed(area: str) -> list[Listed]:
    """Return the entries of an area's list. Raises TypeError for an entry with a field too many or too few."""
    with path_of(area).open("rb") as file:
        return [Listed(**entry) for entry in tomllib.load(file).get("survivor", [])]


def stale(entries: Iterable[Listed], mutants: Iterable[Mutant]) -> list[Listed]:
    """Return the entries that speak of no mutant there is: the source has changed since."""
    there = {mutant.identity for mutant in mutants}
    return [entry for entry in entries if entry.identity not in there]


def as_entry(mutant: Mutant) -> str:
    """Return the mutant as an entry of a list, its reason still to be written."""
    fields = {"file": mutant.file, "function": mutant.function, "was": mutant.was, "becomes": mutant.becomes}
    lines = ["[[survivor]]", *(f"{name} = {_quoted(value)}" for name, value in fields.items())]
    if mutant.occurrence > 1:
        lines.append(f"occurrence = {mutant.occurrence}")
    return "\n".join([*lines, 'reason = ""']) + "\n"


def _quoted(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
