"""A small version of scripts/equivalence: some crashes in virtual time, one kill -9 of real processes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from db.embedded import EmbeddedServer
from db.engine import connect
from tests.soak.killed_runs import KilledRuns
from tests.soak.one_thread import ALERTER, Crash
from tests.soak.virtual import Equivalence, market

pytestmark = pytest.mark.timeout(600)
SHORT, BEFORE = timedelta(hours=4), timedelta(days=3)
A_QUARTER_PAST = 1.26 / 3
"""Of three hours: however busy the machine, ATLAS is back before the next full hour of the market."""


@pytest.fixture
def equivalence(database_url: str, tmp_path: Path) -> Iterator[Equivalence]:
    """Four hours of the market, undisturbed, on a database of the test's own."""
    engine = connect(database_url)
    yield Equivalence(engine, tmp_path, market(1, SHORT, BEFORE))
    engine.dispose()


def test_a_crash_at_a_random_message_of_a_random_actor_changes_no_row(equivalence: Equivalence) -> None:
    chance = Random("a small version")
    drawn = [equivalence.drawn(chance) for _ in range(2)]
    for crash in [*drawn, Crash("journal", 40, "after"), Crash(ALERTER, 3, "after")]:
        outcome = equivalence.run(crash)
        assert outcome.differences == (), crash
        assert outcome.triggers > 30
        assert outcome.trades > 15


def test_what_a_message_lost_has_changed_is_found(equivalence: Equivalence) -> None:
    """Crashed at twice it is a dead letter, and whatever came of it is missing."""
    scanner = next(name for name in equivalence.actors if name.startswith("scanner:"))
    kinds = equivalence.undisturbed.handled[scanner]
    lost = next(number for number, kind in enumerate(kinds, 1) if kind == "Traded" and number > len(kinds) // 2)
    outcome = equivalence.run(Crash(scanner, lost, "before", times=2))
    assert any(difference.startswith("dead_letters") for difference in outcome.differences)


def test_a_run_killed_in_the_middle_differs_in_what_is_marked_only(
    postgres: EmbeddedServer, migrated_template: str, worker: str, tmp_path: Path
) -> None:
    runs = KilledRuns(
        postgres, migrated_template, tmp_path / f"killed_{worker}", seed=1,
        length=timedelta(hours=3), speed=600.0, history=BEFORE,
    )  # fmt: skip
    try:
        undisturbed = runs.undisturbed()
        killed = runs.killed(0, undisturbed, [A_QUARTER_PAST])
    finally:
        for database in runs.databases:
            postgres.drop_database(database)
    assert killed.kills == 1
    assert len(undisturbed.positions) > 10
    assert killed.compared.unexplained == []
    assert killed.audit == 0
