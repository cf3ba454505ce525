"""A small version of scripts/equivalence: some crashes in virtual time. Real processes are killed by that command
and by tests/e2e."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from db.engine import connect
from tests.soak.one_thread import ALERTER, Crash
from tests.soak.virtual import Equivalence, market

pytestmark = pytest.mark.timeout(600)
SHORT, BEFORE = timedelta(hours=4), timedelta(days=3)


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

