"""Every command a document shows is one there is: its program's own parser reads the arguments and options."""

import argparse
import importlib
import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from atlas.backtest.sweep.grid import read_grid
from atlas.cli import cli
from atlas.config import load
from atlas.exchange.local import read_faults
from atlas.exchange.local.products import PRODUCTS
from tests.documents.written import BLOCK, CHECKOUT, DOCUMENTS, OURS, Command, commands, filled, of_text

FOUND = commands()
ATLAS = [command for command in FOUND if command.text.startswith(("atlas ", "scripts/demo"))]
SCRIPTS = [command for command in FOUND if command.ours and command not in ATLAS]
OTHERS = {"cd", "editor", "git", "journalctl", "ssh", "systemctl"}
"""Programs that are not ours and may begin a line of a block; none of them runs here. Others are to be added."""
UNITS = re.compile(r"(?:systemctl (?:status|start|stop|restart|reset-failed)|journalctl -u)((?: atlas[\w-]*)+)")


def parsed(words: list[str]) -> str:
    """Have the command line read words without doing what they say; return the path of the command they call."""
    reached: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(click.Command, "invoke", lambda _, context: reached.append(context.command_path))
        cli.main(words[1:], prog_name="atlas", standalone_mode=False)
    return reached[-1] if reached else "atlas"


@pytest.mark.parametrize("command", ATLAS, ids=lambda command: f"{command.where} {command.text}")
def test_atlas_takes_the_command_as_it_is_written(command: Command, tmp_path: Path) -> None:
    for words in command.expanded():
        try:
            parsed(filled(words, tmp_path))
        except (click.MissingParameter, click.BadOptionUsage):
            # In the text a command is named, often without its arguments; a block's line is there to be typed.
            assert not command.in_block, f"{command.where}: `{' '.join(words)}` lacks an argument"
        except click.UsageError as error:
            raise AssertionError(f"{command.where}: `{' '.join(words)}`: {error.format_message()}") from None


class _Parsed(BaseException):
    """A script's arguments were read."""


@pytest.mark.parametrize("command", SCRIPTS, ids=lambda command: f"{command.where} {command.text}")
def test_a_script_takes_the_command_as_it_is_written(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for name, *words in command.expanded():
        script = CHECKOUT / name
        assert script.stat().st_mode & 0o111, f"{command.where}: {name} cannot be run"
        if name == "scripts/test":
            takes_tests(command, words)
        elif name == "deploy/install.sh":
            assert subprocess.run([script, *words, "--help"], capture_output=True).returncode == 0, command.where
        elif (module := module_of(script, words)) is not None:
            takes_arguments(command, module, words, capsys)


def takes_tests(command: Command, words: list[str]) -> None:
    """The files that are named are there, and hold tests with the words of -k."""
    named = [CHECKOUT / word for word in words if word.startswith("tests/")]
    assert all(path.exists() for path in named), command
    if "-k" in words:
        word = words[words.index("-k") + 1]
        files = [file for path in named for file in ([path] if path.is_file() else path.rglob("*.py"))]
        found = any(re.search(rf"def test\w*{word}", file.read_text()) for file in files)
        assert found, f"{command.where}: no test has {word!r} in its name"


def module_of(script: Path, words: list[str]) -> str | None:
    """Return the Python module a script hands its arguments to; of `scripts/bench`, the part that was chosen."""
    target = re.search(r'"\$run" -P (?:-m )?"?(?:\$checkout/)?([^ "]+)"? "\$@"', script.read_text())
    if target is None:
        return None
    found = target[1]
    if "$what" in found:
        chosen = words.pop(0) if words and not words[0].startswith("-") else "table"
        found = found.replace("$what", chosen)
    return found.removesuffix(".py").replace("/", ".")


def takes_arguments(command: Command, module: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The module's own parser, in its `main`, takes the words."""
    read = argparse.ArgumentParser.parse_args

    def reading(parser: argparse.ArgumentParser) -> None:
        read(parser, words)
        raise _Parsed

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", reading)
            importlib.import_module(module).main()
    except _Parsed:
        return
    except SystemExit:
        said = capsys.readouterr().err.splitlines()[-1]
        if command.in_block or "arguments are required" not in said:
            raise AssertionError(f"{command.where}: `{command.text}`: {said}") from None
    else:
        raise AssertionError(f"{command.where}: {module}.main() reads no arguments")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_block_of_commands_is_marked_sh_and_holds_nothing_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for command in of_text(path.name, text):
        known = command.ours or command.text.split()[0] in OTHERS
        assert known or not command.in_block, f"{command.where}: `{command.text}` is nobody's: mend it, or add it"
    others = "".join(block[3] for block in BLOCK.finditer(text) if block[2] != "sh") + BLOCK.sub("", text)
    hidden = [line for line in others.splitlines() if OURS.match(re.sub("^    ", "", line))]
    assert hidden == [], f"{path.name}: put these into a ```sh block, whose commands are tried"


def test_every_unit_the_documents_name_is_there() -> None:
    units = {file.name.partition(".")[0] for file in (CHECKOUT / "deploy" / "systemd").iterdir()}
    named = {unit for path in DOCUMENTS for found in UNITS.findall(path.read_text()) for unit in found.split()}
    assert "atlas-postgres" in named
    assert named <= units


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if "```toml" in path.read_text()], ids=lambda it: it.name)
def test_a_toml_block_is_read_by_what_it_is_written_for(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "block.toml"
    for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
        if block[2] == "toml":
            file.write_text(block[3])
            assert tomllib.loads(block[3])
            match path.name:
                case "faults.md":
                    assert read_faults(file, PRODUCTS).faults
                case "sweep.md":
                    assert read_grid(file).grid
                case _:
                    assert load(file).exchange.products


def test_a_slip_in_a_document_is_found() -> None:
    text = "```sh\natlas reprot && atlas report --jsno\n```\n`atlas report [--csv | --nosuch X]`, `atlas`, `atlas/x`\n"
    found = [words for command in of_text("x.md", text) for words in command.expanded()]
    assert found == [
        ["atlas", "reprot"], ["atlas", "report", "--jsno"], ["atlas", "report"], ["atlas", "report", "--csv"],
        ["atlas", "report", "--nosuch", "X"],
    ]  # fmt: skip
    for words in (found[0], found[1], found[4]):
        with pytest.raises(click.UsageError):
            parsed(words)
    assert parsed(found[3]) == "atlas report"
