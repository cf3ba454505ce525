"""`atlas db` as somebody types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from atlas.cli.database import db
from atlas.errors import DatabaseError, UsageError
from db import migrate
from db.embedded import EmbeddedServer

CHECKOUT = Path(__file__).resolve().parents[2]


def atlas_db(*words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `atlas db …` in another directory with only these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATLAS_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "atlas", "db", *words],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(CHECKOUT), **environ},
        capture_output=True,
        text=True,
    )


def called(*words: str, **environ: str) -> None:
    """Call the command in this process; what it raises comes out."""
    cleared = dict.fromkeys(("ATLAS_DATABASE_URL", "DATABASE_URL", "ATLAS_DATA_DIR"))
    with CliRunner().isolation(env={**cleared, **environ}):
        db.main(list(words), standalone_mode=False)


def test_database_by_url_is_upgraded_shown_backed_up_restored_and_asked(bare_database_url: str, tmp_path: Path) -> None:
    url = {"DATABASE_URL": bare_database_url.replace("postgresql+psycopg", "postgres")}
    pending = atlas_db("status", "--json", cwd=tmp_path, **url)
    assert pending.returncode == 78
    assert "atlas db upgrade" in json.loads(pending.stdout)["verdict"]

    upgraded = atlas_db("upgrade", "--json", cwd=tmp_path, **url)
    assert upgraded.returncode == 0, upgraded.stderr
    assert json.loads(upgraded.stdout)["after"] == migrate.head()

    usable = atlas_db("status", "--json", cwd=tmp_path, **url)
    assert usable.returncode == 0
    found = json.loads(usable.stdout)
    assert (found["verdict"], found["revision"], found["embedded"]) == ("usable", migrate.head(), False)

    saved = atlas_db("backup", "here.dump", "--json", cwd=tmp_path, **url)
    assert json.loads(saved.stdout)["bytes"] == (tmp_path / "here.dump").stat().st_size
    restored = atlas_db("restore", "here.dump", "--json", cwd=tmp_path, **url)
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["revision"] == migrate.head()

    asked = atlas_db("psql", "--", "-Atc", "select current_database()", cwd=tmp_path, **url)
    assert asked.stdout.strip() == make_url(bare_database_url).database


def test_unreachable_database_is_69_and_says_what_to_do(tmp_path: Path) -> None:
    done = atlas_db("upgrade", cwd=tmp_path, ATLAS_DATABASE_URL="postgresql://me:geheim@127.0.0.1:1/nowhere")
    assert done.returncode == 69
    assert "database nowhere on 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["start", "stop"])
def test_server_elsewhere_is_not_ours_to_start_or_stop(command: str) -> None:
    with pytest.raises(UsageError, match="where it runs"):
        called(command, ATLAS_DATABASE_URL="postgresql://db.example/atlas")


@pytest.mark.parametrize("command", ["backup", "psql"])
def test_reading_commands_start_no_server(cluster_dir: Path, command: str) -> None:
    with pytest.raises(DatabaseError, match="atlas db start"):
        called(command, ATLAS_DATA_DIR=str(cluster_dir))
    assert not cluster_dir.exists()


def test_status_starts_no_server_and_says_that_it_is_down(cluster_dir: Path) -> None:
    with pytest.raises(SystemExit) as left:
        called("status", ATLAS_DATA_DIR=str(cluster_dir))
    assert left.value.code == 69
    assert not cluster_dir.exists()


def test_embedded_server_started_on_purpose_outlives_other_commands(cluster_dir: Path, tmp_path: Path) -> None:
    directory = {"ATLAS_DATA_DIR": str(cluster_dir)}
    assert atlas_db("start", cwd=tmp_path, **directory).returncode == 0
    server = EmbeddedServer(cluster_dir)
    pid = server.status().pid
    assert pid is not None
    assert atlas_db("upgrade", cwd=tmp_path, **directory).returncode == 0
    found = json.loads(atlas_db("status", "--json", cwd=tmp_path, **directory).stdout)
    assert (found["verdict"], found["pid"], found["embedded"]) == ("usable", pid, True)
    assert atlas_db("stop", cwd=tmp_path, **directory).returncode == 0
    assert not server.status().running
