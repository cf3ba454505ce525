"""The drawings of docs/strat.md: what the program makes of its own bars, and readable back from the text."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from atlas.strat.drawing import EXAMPLES, drawing, example, filled
from atlas.strat.setups import TABLE

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENT = (CHECKOUT / "docs" / "strat.md").read_text(encoding="utf-8")


def drawn(name: str) -> str:
    closed = example(name)
    return drawing([each.bar for each in closed], closed[-1].setups)


def read_back(text: str, top: int, bars: int) -> list[tuple[int, int, int, int]]:
    """The open, high, low and close of each bar, from the characters alone."""
    rows = text.splitlines()[:-1]
    found = []
    for number in range(bars):
        cells = [row.ljust(5 * bars)[5 * number : 5 * number + 3] for row in rows]
        line = [top - at for at, cell in enumerate(cells) if cell[1] in "│┤├┼"]
        (opened,) = (top - at for at, cell in enumerate(cells) if cell[0] == "─")
        (closed,) = (top - at for at, cell in enumerate(cells) if cell[2] == "─")
        found.append((opened, line[0], line[-1], closed))
    return found


def test_the_document_shows_what_the_program_draws() -> None:
    assert filled(DOCUMENT) == DOCUMENT, "make it afresh: python -m atlas.strat.drawing < docs/strat.md"


def test_the_document_shows_every_example_once() -> None:
    for name in EXAMPLES:
        assert DOCUMENT.count(f"<!-- drawing: {name} -->\n```text\n{drawing_in_document(name)}```\n") == 1, name


def drawing_in_document(name: str) -> str:
    closed = example(name)
    return drawing([each.bar for each in closed], closed[-1].setups if "-?" in name else ())


@pytest.mark.parametrize("name", [name for name in EXAMPLES if "-?" in name])
def test_an_example_is_named_by_the_setup_it_gives(name: str) -> None:
    setups = example(name)[-1].setups
    assert {setup.name for setup in setups} == {name.removesuffix(" measured")}
    assert {setup.measured for setup in setups} == {name.endswith("measured")}


def test_every_row_of_the_table_is_drawn_on_its_long_or_its_short_side() -> None:
    given = {(setup.family, setup.side) for name in EXAMPLES for setup in example(name)[-1].setups}
    assert given >= {(row.family, "long") for row in TABLE}
    assert [each.type for each in example("bar types")] == [None, "1", "2U", "2D", "3"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bars_can_be_read_back_from_the_drawing(name: str) -> None:
    closed = example(name)
    bars = [each.bar for each in closed]
    text = drawing(bars, ())
    top = max(row[1] for row in EXAMPLES[name])
    assert read_back(text, top, len(bars)) == list(EXAMPLES[name])
    assert text.splitlines()[-1].split() == [each.type or "·" for each in closed]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_level_is_written_exactly_and_in_its_row(name: str) -> None:
    closed = example(name)
    lines = drawn(name).splitlines()
    tops = [*(row[1] for row in EXAMPLES[name]), *(round(max(s.target, s.stop)) for s in closed[-1].setups)]
    for setup in closed[-1].setups:
        for price, said in ((setup.trigger, "trigger"), (setup.stop, "stop"), (setup.target, "target")):
            (row,) = (at for at, line in enumerate(lines) if f"{setup.side} {said}" in line)
            assert max(tops) - row == round(price)
            assert f"{price.normalize():f}" in lines[row]


def test_a_level_that_moved_changes_the_drawing() -> None:
    closed = example("2U-2D-?")
    bars, (setup,) = [each.bar for each in closed], closed[-1].setups
    moved = msgspec.structs.replace(setup, stop=setup.stop - Decimal(1))
    assert drawing(bars, [moved]) != drawing(bars, [setup])


def test_a_drawing_of_no_example_is_an_error() -> None:
    with pytest.raises(KeyError, match="4-4"):
        filled("<!-- drawing: 4-4-? -->\n```text\n```\n")


def test_the_module_fills_a_document_from_a_pipe() -> None:
    empty = "<!-- drawing: 3-? -->\n```text\nold\n```\n"
    done = subprocess.run(
        [sys.executable, "-m", "atlas.strat.drawing"],
        input=empty,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        check=True,
    )
    assert done.stdout == f"<!-- drawing: 3-? -->\n```text\n{drawn('3-?')}```\n"
