"""`atlas db` as somebody types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from db import migrate

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
def test_server_elsewhere_is_not_ours_to_start_or_stop(tmp_path: Path, command: str) -> None:
    done = atlas_db(command, cwd=tmp_path, ATLAS_DATABASE_URL="postgresql://db.example/atlas")
    assert done.returncode == 2
    assert "where it runs" in done.stderr


def test_reading_commands_start_no_server(cluster_dir: Path, tmp_path: Path) -> None:
    directory = {"ATLAS_DATA_DIR": str(cluster_dir)}
    for command in (("status",), ("backup",), ("psql",)):
        done = atlas_db(*command, cwd=tmp_path, **directory)
        assert done.returncode == 69
        assert "atlas db start" in done.stderr + done.stdout
    assert not cluster_dir.exists()


def test_embedded_server_started_on_purpose_outlives_other_commands(cluster_dir: Path, tmp_path: Path) -> None:
    directory = {"ATLAS_DATA_DIR": str(cluster_dir)}
    assert atlas_db("start", cwd=tmp_path, **directory).returncode == 0
    first = json.loads(atlas_db("status", "--json", cwd=tmp_path, **directory).stdout)
    assert (first["running"], first["embedded"]) == (True, True)
    assert atlas_db("upgrade", cwd=tmp_path, **directory).returncode == 0
    second = json.loads(atlas_db("status", "--json", cwd=tmp_path, **directory).stdout)
    assert (second["verdict"], second["pid"]) == ("usable", first["pid"])
    assert atlas_db("stop", cwd=tmp_path, **directory).returncode == 0
    assert json.loads(atlas_db("status", "--json", cwd=tmp_path, **directory).stdout)["running"] is False
