"""The commands README.md and docs/ show: the lines of their ```sh blocks, and those that stand `so` in the text."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = (CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md")))
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
OURS = re.compile(r"(atlas(?=\s)|scripts/\w+(?!\S)|deploy/\w+\.sh|\.ci/run)")
"""How a command of this repository begins; `atlas` alone is a name."""


class Command(NamedTuple):
    """A command, where it stands, and whether in a block, of which every line has to be one."""

    where: str
    text: str
    in_block: bool

    @property
    def ours(self) -> bool:
        """Whether it is one of this repository."""
        return OURS.match(self.text) is not None

    def expanded(self) -> list[list[str]]:
        """Return it as words: once plain, once with each part that may be left out (`[--json | --csv]`: two)."""
        plain: list[list[str]] = [[]]
        optional: list[list[str]] = []
        inside = False
        for word in shlex.split(self.text):
            if not inside and word.startswith("["):
                inside = True
                optional.append([])
            if inside and word == "|":
                optional.append([])
            elif inside:
                optional[-1].append(word.strip("[]…"))
                inside = not word.rstrip("…").endswith("]")
            else:
                plain = [[*words, one] for words in plain for one in word.split("|")]
        return plain + [[*words, *chosen] for words in plain for chosen in optional]


def filled(words: list[str], place: Path) -> list[str]:
    """Return words somebody could type in a folder, with what stands there instead of what a document leaves open."""
    stand_ins = {
        "scripts/demo": ["atlas", "demo"], "/etc/atlas/atlas.toml": ["atlas.toml"], "ID": ["BIP-20DEC30-CDE"],
        "N": ["1"], "SECTION": ["setup"], "TIME": ["2026-03-04"], "strat.families=NAME": ["strat.families=3-1"],
    }  # fmt: skip
    typed: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if word.endswith(".dump"):
            (place / "any.dump").touch()
            typed.append(str(place / "any.dump"))
        elif word == "…" and not before.startswith("-"):
            typed.append("--help")
        else:
            typed.extend(stand_ins.get(word, [word]))
    return typed


def commands() -> list[Command]:
    """Return every command of every document."""
    return [command for path in DOCUMENTS for command in of_text(path.name, path.read_text(encoding="utf-8"))]


def of_text(name: str, text: str) -> Iterator[Command]:
    """Yield the commands of one document."""
    for block in BLOCK.finditer(text):
        if block[2] == "sh":
            where = f"{name}:{_line(text, block.start(3))}"
            for line in block[3].replace("\\\n", " ").splitlines():
                yield from (Command(where, part, True) for part in _parts(line.partition(" #")[0]))
    prose = BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
    for span in SPAN.finditer(prose):
        for part in _parts(" ".join(span[1].split())):
            if OURS.match(part) is not None:
                yield Command(f"{name}:{_line(prose, span.start())}", part, False)


def _parts(line: str) -> list[str]:
    """Return the commands of a line that are joined by && or a pipe, without where their output goes."""
    return [part.partition(" > ")[0].strip() for part in re.split(r" && | \| (?![^\[]*\])", line) if part.strip()]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
