"""The scripts find a Python and a place for the environment, and keep what is there.

scripts/test itself is what runs these; here are the cases that a run on one machine does not meet.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SCRIPTS = [f"scripts/{file.name}" for file in sorted((CHECKOUT / "scripts").iterdir()) if not file.suffix] + [".ci/run"]
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as other users")


@pytest.fixture
def checkout(run_dir: Path) -> Path:
    """Return a copy of what the scripts read, in a path with a space, open to all to read."""
    folder = Path(tempfile.mkdtemp(prefix="scripts ", dir=run_dir))
    folder.chmod(0o755)
    copy = folder / "check out"
    (copy / "scripts").mkdir(parents=True)
    for name in ("scripts/lib.sh", "scripts/demo", "scripts/test", "requirements.lock", "setup.cfg"):
        shutil.copy(CHECKOUT / name, copy / name)
    return copy


def shell(checkout: Path, code: str, *, uid: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run bash with the scripts' library read in, as another user if asked."""
    return subprocess.run(
        ["/bin/bash", "-c", f'set -euo pipefail; . "$1/scripts/lib.sh"; {code}', "bash", checkout],
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )


def executable(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def python_in(folder: Path, name: str) -> Path:
    """Put a command in a folder that is this very Python."""
    folder.mkdir(exist_ok=True)
    return executable(folder / name, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')


def bare_python_in(folder: Path, name: str) -> Path:
    """Put a command in a folder that answers as Debian's Python without python3-venv: there is no ensurepip in it."""
    folder.mkdir(exist_ok=True)
    answers = 'case "$*" in *ensurepip*) exit 1 ;; *version_info*) echo "3.11.2 $0" ;; *) exit 70 ;; esac'
    return executable(folder / name, f"#!/bin/sh\n{answers}\n")


CHOSEN = 'choose_python; echo "$python_version $python"'


@pytest.mark.parametrize("script", [*SCRIPTS, "scripts/lib.sh"])
def test_script_parses(script: str) -> None:
    subprocess.run(["/bin/bash", "-n", CHECKOUT / script], check=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_can_be_run(script: str) -> None:
    assert os.access(CHECKOUT / script, os.X_OK)


def test_environment_is_in_a_checkout_of_ones_own(checkout: Path) -> None:
    said = shell(checkout, 'choose_environment; echo "$environment"')
    assert said.stdout == f"{checkout}/.venv\n"


def test_chosen_place_wins_and_is_made_absolute(checkout: Path) -> None:
    said = shell(checkout, 'choose_environment; echo "$environment"', ATLAS_VENV="some where/venv")
    assert said.stdout == "/some where/venv\n"


@as_root
def test_environment_is_in_the_cache_where_the_checkout_is_not_ours(checkout: Path) -> None:
    cache = checkout.parent / "cache"
    cache.mkdir()
    os.chown(cache, NOBODY, NOBODY)
    said = shell(checkout, 'choose_environment; echo "$environment"', uid=NOBODY, XDG_CACHE_HOME=str(cache))
    environment = Path(said.stdout.rstrip("\n"))
    assert environment.parent == cache / "atlas"
    again = shell(checkout, 'choose_environment; echo "$environment"', uid=NOBODY, XDG_CACHE_HOME=str(cache))
    assert again.stdout == said.stdout


@as_root
def test_environment_of_another_user_in_our_checkout_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    os.chown(checkout / ".venv", NOBODY, NOBODY)
    said = shell(checkout, 'choose_environment; echo "$environment"', XDG_CACHE_HOME=str(checkout.parent / "cache"))
    assert Path(said.stdout.rstrip("\n")).parent == checkout.parent / "cache" / "atlas"


@as_root
def test_user_without_a_home_gets_a_closed_place_of_his_own(checkout: Path) -> None:
    temporary = checkout.parent / "tmp"
    temporary.mkdir()
    temporary.chmod(0o777)
    code = 'choose_environment; echo "$environment"'
    said = shell(checkout, code, uid=NOBODY, HOME="/nonexistent", TMPDIR=str(temporary))
    place = Path(said.stdout.rstrip("\n")).parent
    assert place == temporary / f"atlas-{NOBODY}"
    assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (NOBODY, 0o700)


@as_root
def test_place_somebody_else_made_in_tmp_is_refused(checkout: Path) -> None:
    temporary = checkout.parent / "tmp"
    (temporary / f"atlas-{NOBODY}").mkdir(parents=True)
    (temporary / f"atlas-{NOBODY}").chmod(0o777)
    said = shell(checkout, "choose_environment", uid=NOBODY, HOME="/nonexistent", TMPDIR=str(temporary))
    assert said.returncode == 78
    assert "set XDG_CACHE_HOME or ATLAS_VENV" in said.stderr


def test_python_that_can_make_environments_is_preferred(checkout: Path) -> None:
    commands = checkout.parent / "bin"
    bare_python_in(commands, "python3.11")
    python_in(commands, "python3.12")
    said = shell(checkout, CHOSEN, PATH=f"{commands}:/usr/bin:/bin")
    version, _, path = said.stdout.strip().partition(" ")
    assert (version, said.returncode) == (".".join(map(str, sys.version_info[:3])), 0)
    assert Path(path).is_absolute()
    assert not Path(path).is_relative_to(commands)


def test_broken_and_too_old_pythons_are_passed_over(checkout: Path) -> None:
    commands = checkout.parent / "bin"
    commands.mkdir()
    executable(commands / "python3.11", "#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2; exit 127\n")
    executable(commands / "python3.12", "#!/bin/sh\nexit 1\n")
    python_in(commands, "python3")
    said = shell(checkout, CHOSEN, PATH=f"{commands}:/usr/bin:/bin")
    assert said.returncode == 0
    assert said.stderr == ""


def test_without_any_python_the_command_is_named(checkout: Path) -> None:
    said = shell(checkout, CHOSEN, ATLAS_PYTHON="/nonexistent/python")
    assert said.returncode == 78
    assert "ATLAS_PYTHON=/nonexistent/python" in said.stderr
    assert "apt-get install python3 python3-venv" in said.stderr


@as_root
def test_ordinary_user_without_ensurepip_gets_the_command_to_run(checkout: Path) -> None:
    debian = bare_python_in(checkout.parent / "bin", "python3.11")
    said = shell(checkout, CHOSEN, uid=NOBODY, ATLAS_PYTHON=str(debian))
    assert said.returncode == 78
    assert "run 'apt-get install python3.11-venv' as root" in said.stderr


def test_environment_with_its_stamp_is_used_as_it_is(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    code = 'choose_environment; run=$environment/bin/python; stamp >"$environment/.atlas-stamp"; prepare_environment'
    said = shell(checkout, f'{code}; echo "$run"', ATLAS_PYTHON=sys.executable)
    assert (said.stdout, said.stderr) == (f"{checkout}/.venv/bin/python\n", "")


@pytest.mark.parametrize("file", ["requirements.lock", "setup.cfg"])
def test_stamp_follows_what_the_environment_depends_on(checkout: Path, file: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    code = "choose_environment; run=$environment/bin/python; stamp"
    before = shell(checkout, code).stdout
    assert before == shell(checkout, code).stdout
    with (checkout / file).open("a") as changed:
        changed.write("# changed\n")
    assert len(before) == 65
    assert shell(checkout, code).stdout != before


def test_environment_whose_python_is_gone_has_no_stamp_that_fits(checkout: Path) -> None:
    code = "choose_environment; run=$environment/bin/python; stamp"
    assert shell(checkout, code).stdout != shell(checkout, code).stdout


def test_folder_that_is_no_environment_is_not_emptied(checkout: Path) -> None:
    (checkout.parent / "home").mkdir()
    (checkout.parent / "home" / "taxes.txt").write_text("precious")
    said = shell(checkout, "prepare_environment", ATLAS_VENV=str(checkout.parent / "home"))
    assert said.returncode == 78
    assert "is no virtual environment" in said.stderr
    assert (checkout.parent / "home" / "taxes.txt").read_text() == "precious"


def test_failing_install_leaves_no_stamp_and_says_what_to_do(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("no-such-distribution==1.0 --hash=sha256:" + "0" * 64 + "\n")
    said = shell(checkout, "prepare_environment", ATLAS_PYTHON=sys.executable, PIP_NO_INDEX="1")
    assert said.returncode == 69
    assert "is the network there? then run this again" in said.stderr
    assert not (checkout / ".venv" / ".atlas-stamp").exists()


def test_made_environment_runs_the_checkouts_code_from_anywhere(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("")
    (checkout / "atlas").mkdir()
    (checkout / "atlas" / "__init__.py").touch()
    (checkout / "atlas" / "__main__.py").write_text("import sys; print(sys.argv[1:])\n")
    for _ in range(2):
        demo = '"$checkout/scripts/demo" --seconds "6 0"'
        said = shell(checkout, demo, ATLAS_PYTHON=sys.executable, PIP_NO_INDEX="1")
        assert said.stdout == "['demo', '--seconds', '6 0']\n", said.stderr
    assert said.stderr == ""
    link = checkout.parent / "demo"
    link.symlink_to(checkout / "scripts" / "demo")
    linked = subprocess.run([link], capture_output=True, text=True, cwd="/", check=True)
    assert linked.stdout == "['demo']\n"


def test_ci_run_of_missing_chromium_is_a_failure_not_a_skip(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    commands = checkout.parent / "bin"
    commands.mkdir()
    for name in ("bash", "dirname", "readlink", "id", "flock", "cat", "sha256sum", "cut", "mkdir", "nproc"):
        (commands / name).symlink_to(Path(shutil.which(name) or name))
    code = 'choose_environment; run=$environment/bin/python; stamp >"$environment/.atlas-stamp"'
    said = shell(checkout, f'{code}; "$checkout/scripts/test"', ATLAS_REQUIRE_BROWSER="1", PATH=str(commands))
    assert said.returncode == 69, said.stderr
    assert "no chromium" in said.stderr
