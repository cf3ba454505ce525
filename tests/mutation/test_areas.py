"""Which tests a mutant is tried against: those that import the mutated module, its own first."""

import pytest

from tests.mutation.areas import AREAS, Area, turns_of


def turns(source: str) -> tuple[set[str], set[str]]:
    own, others = turns_of(AREAS["strat"], f"atlas/strat/{source}.py")
    assert len({*own, *others}) == len(own) + len(others)
    named = [{test.removeprefix("tests/strat/test_").removesuffix(".py") for test in each} for each in (own, others)]
    return named[0], named[1]


def test_the_files_named_for_a_source_come_first_else_the_one_of_its_name() -> None:
    assert turns("bar_types")[0] == {"bar_types"}
    assert turns("setups")[0] == {"setup_table", "setups", "research_settings"}


def test_what_imports_the_source_only_by_others_comes_after() -> None:
    assert {"setups", "labels", "series_properties", "vectors", "march_2020"} <= turns("bar_types")[1]


def test_what_never_imports_the_source_is_not_run() -> None:
    assert turns("vectors_context") == ({"vectors_limits", "vectors_context"}, set())
    assert "naming" not in turns("continuity")[1]


def test_without_tests_of_its_own_a_source_has_one_turn_of_all_that_import_it() -> None:
    area = Area(("atlas/strat/naming.py",), {}, {}, ("tests/strat/test_continuity.py", "tests/strat/test_setups.py"))
    assert turns_of(area, "atlas/strat/naming.py") == (("tests/strat/test_setups.py",), ())


@pytest.mark.parametrize("area", AREAS)
def test_every_source_is_held_by_a_test(area: str) -> None:
    sources = [source for source in AREAS[area].sources if source not in AREAS[area].left_out]
    assert sources
    assert [source for source in sources if not turns_of(AREAS[area], source)[0]] == []
