"""The schema: migrated is what the models say, up and down and up, from anywhere, never from the future."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

import migrations
from atlas.errors import ConfigurationError, DatabaseError, MigrationPending
from db import migrate
from db.embedded import EmbeddedServer
from db.engine import connect
from db.models import Base

CHECKOUT = Path(__file__).resolve().parents[2]


VIEWS = "--exclude-table=v_*"
"""The reporting views are the migrations' alone: no model stands for one (tests/db/test_views.py reads them)."""


def schema(postgres: EmbeddedServer, url: str, *besides: str) -> str:
    """Return pg_dump's text of everything but Alembic's own table."""
    database = str(make_url(url).database)
    psql, *options = postgres.psql_argv(database)
    dump = str(Path(psql).with_name("pg_dump"))
    command = [dump, *options, "--schema-only", "--no-owner", "--exclude-table=alembic_version", *besides]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # pg_dump since 2025 writes a random key in \restrict.
    return "\n".join(sorted(line for line in found.splitlines() if not line.startswith("\\")))


def test_models_hold_nothing_that_no_migration_makes(database_url: str) -> None:
    migrate.check(database_url)


def test_check_notices_a_missing_column(database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE fills DROP COLUMN fee CASCADE"))
    engine.dispose()
    with pytest.raises(Exception, match="fee"):
        migrate.check(database_url)


def test_migrated_schema_is_the_created_one(
    postgres: EmbeddedServer, database_url: str, bare_database_url: str
) -> None:
    engine = connect(bare_database_url)
    Base.metadata.create_all(engine)
    engine.dispose()
    created = schema(postgres, bare_database_url)
    assert "CREATE TABLE public.events" in created
    assert schema(postgres, database_url, VIEWS) == created


def test_up_down_up_gives_the_same_schema(postgres: EmbeddedServer, bare_database_url: str) -> None:
    empty = schema(postgres, bare_database_url)
    migrate.upgrade(bare_database_url)
    first = schema(postgres, bare_database_url)
    migrate.downgrade(bare_database_url, "base")
    assert schema(postgres, bare_database_url) == empty
    assert migrate.current(bare_database_url) is None
    migrate.upgrade(bare_database_url)
    assert schema(postgres, bare_database_url) == first


def test_upgrade_twice_is_upgrade_once(bare_database_url: str) -> None:
    migrate.upgrade(bare_database_url)
    migrate.upgrade(bare_database_url)
    assert migrate.current(bare_database_url) == migrate.head()
    migrate.require_current(bare_database_url)


def test_empty_database_is_pending_and_names_the_remedy(bare_database_url: str) -> None:
    with pytest.raises(MigrationPending, match="atlas db upgrade"):
        migrate.require_current(bare_database_url)


def test_an_installation_without_its_migrations_says_to_install_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "versions").mkdir()
    monkeypatch.setattr(migrations, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ConfigurationError, match=f"no migrations in {tmp_path}: install ATLAS again"):
        migrate.head()


def test_newer_schema_than_known_is_refused(database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="9999") as caught:
        migrate.require_current(database_url)
    assert not isinstance(caught.value, MigrationPending)
    with pytest.raises(ConfigurationError, match="install the newer version"):
        migrate.upgrade(database_url)


def test_upgrade_works_from_any_directory(bare_database_url: str, tmp_path: Path) -> None:
    code = (
        f"from db import migrate; migrate.upgrade({bare_database_url!r}); print(migrate.current({bare_database_url!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == migrate.head()


def test_unreachable_database_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseError, match=r"database nowhere on 127\.0\.0\.1:1") as caught:
        migrate.current("postgresql://me:geheim@127.0.0.1:1/nowhere")
    assert "geheim" not in str(caught.value)
    assert caught.value.exit_code == 69
