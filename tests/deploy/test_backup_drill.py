"""The drill: back up with the script that runs every night, destroy, restore, and find the same money."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text

from db.backup import restore
from db.embedded import EmbeddedServer
from db.engine import connect
from db.models import Base
from db.writer import Writer
from tests.db.conftest import HOLDER

SCRIPT = Path(__file__).parents[2] / "deploy" / "backup.sh"


def contents(url: str) -> dict[str, list[tuple[str, ...]]]:
    """Return every row of every table."""
    engine = connect(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(tuple(map(str, row)) for row in connection.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }
    engine.dispose()
    return found


@pytest.fixture
def traded(database_url: str) -> str:
    """Return the URL of a database that holds a trade with its ledger, and nobody connected."""
    from db.batch import batch_of
    from db.lock import AccountLock
    from tests.db.story import Trade

    engine = connect(database_url)
    lock = AccountLock(database_url, "paper", HOLDER)
    lock.acquire()
    writer = Writer(engine, "paper", lock.fence)
    writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in Trade().batches])
    lock.release()
    engine.dispose()
    return database_url


def backed_up(folder: Path, url: str) -> list[str]:
    """Run the script as the timer does; return the dumps there are."""
    command = folder.parent / "atlas"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m atlas "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "ATLAS_COMMAND": str(command), "ATLAS_DATABASE_URL": url,
                   "PYTHONPATH": str(SCRIPT.parents[1])}  # fmt: skip
    said = subprocess.run([SCRIPT, folder], env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return sorted(path.name for path in folder.iterdir())


def test_restored_account_is_the_one_that_was_backed_up(
    traded: str, postgres: EmbeddedServer, tmp_path: Path
) -> None:
    before = contents(traded)
    assert before["ledger"]
    assert before["positions"]
    (dump,) = backed_up(tmp_path / "backups", traded)
    engine = connect(traded)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
    engine.dispose()
    restored = restore(traded, tmp_path / "backups" / dump, stamp="drill")
    try:
        assert contents(traded) == before
    finally:
        assert restored.kept_as
        postgres.drop_database(restored.kept_as)


def test_newest_of_each_day_and_week_is_kept_and_the_rest_removed(traded: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    # Two a day through twenty days, and one a week before that.
    days = [f"202607{day:02}" for day in range(1, 21)]
    for day in days:
        for hour in ("02", "14"):
            (folder / f"atlas-{day}T{hour}1500Z.dump").write_text("")
    for day in ("20260603", "20260527", "20260520", "20260513", "20260506", "20260429"):
        (folder / f"atlas-{day}T021500Z.dump").write_text("")
    (folder / "before-0.1.0.dump").write_text("kept: it is no nightly one")
    left = backed_up(folder, traded)
    assert "before-0.1.0.dump" in left
    nightly = [name for name in left if name.startswith("atlas-")]
    fourteen_days = [f"atlas-{day}T141500Z.dump" for day in days[-13:]]  # and today's
    older_weeks = [f"atlas-{day}.dump" for day in ("20260520T021500Z", "20260527T021500Z", "20260603T021500Z",
                                                   "20260705T141500Z")]  # fmt: skip
    assert nightly[:-1] == older_weeks + fourteen_days  # the other four weeks are among the fourteen days
