"""What a command tells to type next can be typed: `atlas` alone only where the PATH leads to this very program."""

import sys
from pathlib import Path

import pytest

from atlas.cli.children import typed


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the program beside the Python that runs, in a folder with a space that is not on the PATH."""
    folder = tmp_path / "an environment"
    folder.mkdir()
    program = folder / "atlas"
    program.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    return program


def test_a_program_off_the_path_is_told_whole_and_quoted(installed: Path) -> None:
    assert typed() == f"'{installed}'"


def test_a_program_on_the_path_is_told_by_its_name_also_by_a_link(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "atlas").symlink_to(installed)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed() == "atlas"


def test_another_atlas_on_the_path_is_not_ours(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "atlas").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed() == f"'{installed}'"


def test_without_an_installed_program_its_name_has_to_do(installed: Path) -> None:
    installed.unlink()
    assert typed() == "atlas"
