"""The systemd units: what systemd itself says of them, and that they name what is there."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from atlas.config import Settings, load

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
EXPOSURE = 1.5
"""At most so exposed, on systemd's scale of ten (operations.md)."""

systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")


def analyzed(*words: str | Path) -> str:
    """Return what systemd-analyze says, errors included."""
    said = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    return said.stdout + said.stderr


@systemd
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for unit in UNITS:
        # The programs are not installed here: something that is stands in for them.
        text = re.sub(r"/opt/atlas/current/(venv/bin/atlas|deploy/\w+\.sh)", "/bin/true", unit.read_text())
        (tmp_path / unit.name).write_text(text.replace("file:/opt/atlas", "file:/nowhere"))
    for unit in UNITS:
        name = unit.name.replace("@.", "@atlas.service.")
        assert analyzed("verify", "--man=no", tmp_path / name) == ""


@systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_service_is_little_exposed(unit: Path) -> None:
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", analyzed("security", "--offline=true", unit))
    assert found is not None
    assert float(found[1]) <= EXPOSURE


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_commands_of_a_service_exist(unit: Path) -> None:
    from atlas.cli import COMMANDS

    commands = re.findall(r"^Exec\w+=(\S+) ?(\S*)", unit.read_text(), re.MULTILINE)
    assert commands
    for program, word in commands:
        if program.endswith(".sh"):
            script = DEPLOY / Path(program).name
            assert script.stat().st_mode & 0o111
        else:
            assert program == "/opt/atlas/current/venv/bin/atlas"
            assert word in COMMANDS


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_lesson_113_each_command_of_a_service_is_one_the_command_line_takes_word_for_word(unit: Path) -> None:
    """Words in an order no command takes are found here, and not at the first start."""
    from atlas.cli import cli

    lines = re.findall(r"^Exec\w+=/opt/atlas/current/venv/bin/atlas (.*)$", unit.read_text(), re.MULTILINE)
    for line in lines:
        context: click.Context = cli.make_context("atlas", shlex.split(line.replace("%i", "atlas.service")))
        while isinstance(context.command, click.Group):
            words = [*context._protected_args, *context.args]
            if not words and context.command.invoke_without_command:
                break
            name, command, words = context.command.resolve_command(context, words)
            assert command is not None, line
            context = command.make_context(name, words, parent=context)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_lesson_113_what_a_service_writes_to_it_may_write_to(unit: Path) -> None:
    text = unit.read_text()
    assert "ProtectSystem=strict" in text, "all else is read-only"
    may = [f"/var/lib/{name}" for line in re.findall(r"^StateDirectory=(.*)$", text, re.M) for name in line.split()]
    written = re.findall(r"(?:=| )(/var/\S+)", text)
    assert all(any(f"{path}/".startswith(f"{place}/") for place in may) for path in written), (written, may)
    assert written or "alerts failed" in text, "only that one keeps nothing"


def test_environment_of_the_services_is_known_to_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {word for unit in SERVICES for line in re.findall(r"^Environment=(.*)$", unit.read_text(), re.M)
             for word in line.split()}  # fmt: skip
    for word in words:
        monkeypatch.setenv(*word.split("=", 1))
    assert load(None).database.service


def test_credentials_are_those_the_settings_read_and_install_makes() -> None:
    from atlas.config import HONOURED

    named = {name for unit in SERVICES for name in re.findall(r"^LoadCredential=(\w+):", unit.read_text(), re.M)}
    made = set(re.findall(r"^secrets=\((.*)\)$", (DEPLOY / "install.sh").read_text(), re.M)[0].split())
    assert named == made
    assert named <= set(HONOURED)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_what_is_supervised_reports_its_failure(unit: Path) -> None:
    text = unit.read_text()
    if "@" not in unit.name:
        assert "OnFailure=atlas-failure@%n.service" in text
    if "Restart=on-failure" in text:
        assert "RestartPreventExitStatus=2 78" in text
        assert "StartLimitBurst=10" in text
        assert "StartLimitIntervalSec=600" in text


def test_daemon_does_not_end_with_its_database() -> None:
    text = (DEPLOY / "systemd/atlas.service").read_text()
    assert "Wants=atlas-postgres.service" in text
    assert "Requires=atlas-postgres" not in text
    assert "WatchdogSec=60" in text
    assert "Type=notify" in text


def test_settings_installed_first_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(DEPLOY / "atlas.toml")
    assert isinstance(settings, Settings)
    assert settings.web.host == "127.0.0.1"


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".timer"], ids=lambda unit: unit.name)
def test_timer_has_its_service(unit: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of units are written as they are
    parser.read(unit)
    assert parser["Timer"]["Persistent"] == "yes"
    assert unit.with_suffix(".service").exists()
