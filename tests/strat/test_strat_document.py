"""docs/strat.md says what the program has: its tables, its settings and their values, its gates."""

import re
from pathlib import Path

import msgspec
import pytest

from atlas.risk import GATES
from atlas.rules import CONTINUITY_FRAMES, GateRules, Rules, StratRules
from atlas.rules_check import check
from atlas.strat.naming import unresolved
from atlas.strat.setup import FAMILIES, TRADED_BY_DEFAULT
from atlas.strat.setups import TABLE

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "strat.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables' lines, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_the_continuity_table_is_the_rules() -> None:
    found = {row[0]: (tuple(row[1].split()), int(row[2])) for row in rows(section("Timeframe continuity"))[1:]}
    assert found == CONTINUITY_FRAMES


def test_the_gates_are_listed_in_their_order() -> None:
    listed = section("Gates").split("\n\n")[1]
    assert tuple(re.findall(r"`(\w+)`", listed)) == GATES


def test_the_settings_of_the_gates_are_there() -> None:
    cells = [row[2] for row in rows(section("Gates"))[1:] if len(row) == 3]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {field.name for field in msgspec.structs.fields(GateRules)} - {"off"}


@pytest.mark.parametrize(("setting", "value"), re.findall(r"`(\w+) = \"(\w+)\"`", DOCUMENT))
def test_a_setting_with_a_value_is_one_the_program_takes(setting: str, value: str) -> None:
    if setting == "mode":
        check(Rules(mode=value))
        return
    assert setting in {field.name for field in msgspec.structs.fields(StratRules)}
    check(msgspec.structs.replace(Rules(), strat=msgspec.structs.replace(StratRules(), **{setting: value})))


def test_the_families_traded_by_default_are_those_named() -> None:
    assert f"`families` are the ones traded: `{' '.join(TRADED_BY_DEFAULT)}`" in DOCUMENT


def test_every_row_of_the_table_is_told_and_drawn_under_its_family() -> None:
    told = rows(section("Setups"))[1:]
    assert {row[1] for row in told} - {"as with one 1"} == set(FAMILIES)
    for row in TABLE:
        for before in row.before:
            name = unresolved(before if row.named else None, row.setup_bar, 1)
            assert f"`{name}`" in section("Setups"), name


def test_every_exit_the_spec_names_is_told() -> None:
    names = [row[0] for row in rows(section("Exits"))[1:]]
    assert names == ["`stop`", "`target`", "`invalidated`", "`deadline`", "`liquidated`", "`flatten`"]
