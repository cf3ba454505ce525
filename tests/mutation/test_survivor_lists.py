"""The lists of survivors are true: each entry speaks of a mutant there is, and says why nothing can notice it."""

from pathlib import Path

import pytest

from tests.mutation.areas import AREAS, CHECKOUT, turns_of
from tests.mutation.mutants import mutants_of
from tests.mutation.survivors import Listed, as_entry, listed, stale

areas = pytest.mark.parametrize("area", AREAS)


@areas
def test_every_entry_speaks_of_a_mutant_there_is(area: str) -> None:
    entries = listed(area)
    files = {entry.file for entry in entries}
    assert files <= set(AREAS[area].sources) - set(AREAS[area].left_out)
    mutants = [mutant for file in files for mutant in mutants_of(file, (CHECKOUT / file).read_text("utf-8"))]
    assert stale(entries, mutants) == []


@areas
def test_every_entry_says_why_nothing_changes(area: str) -> None:
    assert [entry for entry in listed(area) if len(entry.reason.split()) < 5] == []


@areas
def test_no_mutant_is_listed_twice(area: str) -> None:
    identities = [entry.identity for entry in listed(area)]
    assert len(set(identities)) == len(identities)


@areas
def test_every_source_has_tests_that_are_there(area: str) -> None:
    assert set(AREAS[area].left_out) <= set(AREAS[area].sources)
    for source in set(AREAS[area].sources) - set(AREAS[area].left_out):
        own, others = turns_of(AREAS[area], source)
        assert own
        assert [test for test in (*own, *others) if not (CHECKOUT / test).is_file()] == []


def test_an_entry_of_a_source_that_changed_is_stale() -> None:
    (_, mutant) = mutants_of("a.py", "w = high > prior")
    entry = Listed("a.py", mutant.function, mutant.was, mutant.becomes, "why")
    assert stale([entry], [mutant]) == []
    assert stale([entry], mutants_of("a.py", "w = high > prior_high")) == [entry]


def test_a_survivor_is_printed_as_an_entry_of_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutants = mutants_of("a.py", "def f():\n    g('it', \"'\")\n    g('it', \"'\")\n")
    (tmp_path / "strat.survivors.toml").write_text("\n".join(map(as_entry, mutants)), encoding="utf-8")
    monkeypatch.setattr("tests.mutation.survivors.HERE", tmp_path)
    assert [entry.identity for entry in listed("strat")] == [mutant.identity for mutant in mutants]
