"""`--help` is quick because it imports nothing it does not need; a slip on the command line is one line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

import atlas.cli
from tests.cli.command import CHECKOUT, Commands

HEAVY = {"sqlalchemy", "alembic", "psycopg", "flask", "numpy", "pykka", "coinbase", "requests", "pydantic", "rich"}


def test_help_imports_none_of_the_libraries_the_commands_need(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "atlas", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert {"click", "atlas"} <= imported
    assert imported & HEAVY == set()
    for command in ("demo", "run", "scan", "doctor", "config", "db"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("rnu",), "No such command 'rnu'"),
        (("run", "--nope"), "No such option '--nope'"),
        (("close",), "Missing argument 'POSITION'"),
        (("doctor", "--dead-letters", "--completeness"), "--dead-letters and --completeness are two lists"),
        (("exchange", "serve", "--speed", "fast"), "'fast' is not a valid float"),
        (("config", "show", "--set", "gates.off"), "--set gates.off: write it as section.key=value"),
        (("config", "show", "--set", "web=1", "--set", "web.port=2"), "another --set gives `web` a value"),
        (("demo", "--data", "x.csv"), "--data needs --product"),
    ],
)
def test_wrong_command_line_is_one_line_and_exit_code_2(tmp_path: Path, argv: tuple[str, ...], said: str) -> None:
    ended = Commands(tmp_path)(*argv)
    assert ended.code == 2
    assert said in ended.said()


@click.command()
def faulty() -> None:
    """A command with a fault of its own."""
    raise ZeroDivisionError("by nothing")


def test_fault_of_atlas_itself_is_told_with_its_traceback_and_exit_code_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(atlas.cli.COMMANDS, "faulty", (f"{__name__}:faulty", "Has a fault."))
    monkeypatch.setattr(sys, "argv", ["atlas", "faulty"])
    with pytest.raises(SystemExit) as ended:
        atlas.cli.main()
    assert ended.value.code == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith(
        "atlas: a fault of ATLAS itself, ZeroDivisionError: by nothing; please report"
    )
