"""The restore drill: what a backup holds comes back, and nothing is replaced by what cannot be restored."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from atlas.errors import ConfigurationError, DatabaseError, DataError, UsageError
from db import backup as backups
from db.backup import backup, psql, restore
from db.batch import batch_of
from db.embedded import EmbeddedServer
from db.embedded_binaries import Binaries
from db.engine import connect
from db.migrate import head
from db.models import AccountRow, Base
from db.writer import Writer
from tests.db.story import Trade


def contents(url: str) -> dict[str, list[str]]:
    """Return every row of every table as text."""
    engine = connect(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(str(row) for row in connection.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }
    engine.dispose()
    return found


@pytest.fixture
def traded(database_url: str, engine: Engine, writer: Writer) -> str:
    """Return the URL of a database that holds a trade, with nobody connected any more."""
    writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in Trade().batches])
    return database_url


def leave(engine: Engine) -> None:
    """Close every connection of this process and wait until the server has noticed."""
    with engine.connect() as connection:
        others = text(
            """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE pid <> pg_backend_pid() AND datname = current_database()"""
        )
        while connection.execute(others).scalar_one():
            connection.rollback()
    engine.dispose()


def test_restored_database_holds_exactly_what_was_backed_up(traded: str, engine: Engine, tmp_path: Path) -> None:
    before = contents(traded)
    assert backup(traded, tmp_path / "deep" / "atlas.dump") > 1000
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM fills"))
        connection.execute(text("UPDATE accounts SET cash = 0"))
    changed = contents(traded)
    leave(engine)
    restored = restore(traded, tmp_path / "deep" / "atlas.dump", stamp="drill")
    assert restored.revision == head()
    assert contents(traded) == before
    assert restored.kept_as is not None
    kept = engine.url.set(database=restored.kept_as)
    assert contents(kept.render_as_string(hide_password=False)) == changed


def test_restored_database_can_be_written_to(traded: str, engine: Engine, writer: Writer, tmp_path: Path) -> None:
    backup(traded, tmp_path / "atlas.dump")
    leave(engine)
    restore(traded, tmp_path / "atlas.dump", stamp="again")
    trade = Trade(2)
    more = [batch_of(batch.events, input=batch.number, at=batch.at) for batch in trade.batches[2:3]]
    assert writer.write(more).events == 2


def test_a_database_that_is_gone_comes_back_and_nothing_is_kept_of_it(
    traded: str, engine: Engine, postgres: EmbeddedServer, tmp_path: Path
) -> None:
    before = contents(traded)
    backup(traded, tmp_path / "atlas.dump")
    leave(engine)
    postgres.drop_database(str(engine.url.database))
    restored = restore(traded, tmp_path / "atlas.dump", stamp="gone")
    assert (restored.revision, restored.kept_as) == (head(), None)
    assert contents(traded) == before
    assert not postgres.database_exists(f"{engine.url.database}_before_gone")


def test_existing_file_is_not_replaced_unasked(traded: str, tmp_path: Path) -> None:
    (tmp_path / "atlas.dump").write_text("precious")
    with pytest.raises(UsageError, match="there already"):
        backup(traded, tmp_path / "atlas.dump")
    assert (tmp_path / "atlas.dump").read_text() == "precious"
    backup(traded, tmp_path / "atlas.dump", replace=True)
    assert (tmp_path / "atlas.dump").stat().st_size > 1000


def test_failed_backup_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="pg_dump failed") as caught:
        backup("postgresql://me:geheim@127.0.0.1:1/nowhere", tmp_path / "atlas.dump")
    assert "geheim" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_backup_is_refused_and_the_database_stays(traded: str, engine: Engine, tmp_path: Path) -> None:
    before = contents(traded)
    leave(engine)
    backup(traded, tmp_path / "whole")
    cut = tmp_path / "cut"
    cut.write_bytes((tmp_path / "whole").read_bytes()[:-2000])
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DataError, match="no backup"):
        restore(traded, tmp_path / "text", stamp="text")
    with pytest.raises((DatabaseError, DataError)):
        restore(traded, cut, stamp="cut")
    assert contents(traded) == before


def test_restore_while_somebody_is_connected_is_refused_and_changes_nothing(
    traded: str, engine: Engine, tmp_path: Path
) -> None:
    backup(traded, tmp_path / "atlas.dump")
    with engine.connect() as connection:
        cash = connection.execute(select(AccountRow.cash)).scalar_one()
        connection.commit()
        with pytest.raises(DatabaseError, match="is being accessed by other users"):
            restore(traded, tmp_path / "atlas.dump", stamp="busy")
        assert connection.execute(select(AccountRow.cash)).scalar_one() == cash
        left = connection.execute(
            text("SELECT datname FROM pg_database WHERE datname LIKE current_database() || '%busy'")
        ).all()
    assert left == []


def test_a_program_is_taken_from_the_first_installation_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:geheim@127.0.0.1:1/nowhere"
    for version in ("18", "17", "16"):
        (tmp_path / version).mkdir()
    installed = [Binaries(tmp_path / version, version) for version in ("18", "17", "16")]
    monkeypatch.setattr(backups, "installed", lambda: installed)
    with pytest.raises(ConfigurationError, match="psql was not found: install the package postgresql-client"):
        psql(url, [])
    for version in ("17", "16"):
        (tmp_path / version / "psql").touch()
    program, arguments, environment = psql(url, ["--csv"])
    assert (program, arguments) == (str(tmp_path / "17" / "psql"), [program, "--csv"])
    assert environment["PGPASSWORD"] == "geheim"
