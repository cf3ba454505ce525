"""Plain text is read at once, all else with care: nobody can tell by the numbers which of the two it was."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import DataError
from atlas.market.candle_file import COLUMNS, read_candles
from atlas.market.number_columns import names_of, read_numbers, table_of
from atlas.market.plain_columns import read_plain

HEAD = "a,b,c"
NAMES = tuple(HEAD.split(","))


def plain(text: str, header: str = HEAD, needed: tuple[str, ...] = NAMES) -> dict[str, tuple[list[int], int]] | None:
    found = read_plain(f"{header}\n{text}".encode(), names_of(header.encode()), needed)
    return None if found is None else {name: (column.units.tolist(), column.scale) for name, column in found.items()}


def carefully(text: str) -> dict[str, tuple[list[int], int]] | None:
    try:
        table = table_of(Path("a.csv"), f"{HEAD}\n{text}".encode(), NAMES)
        columns = [read_numbers(table, name) for name in NAMES]
    except DataError:
        return None
    return {column.name: (column.units.tolist(), column.scale) for column in columns}


ODD = st.sampled_from(["", ".", "5.", ".5", "1e-05", "-1", "+1", " 1", "1.2.3", "x", "1" * 19, "0." + "1" * 18, "\r"])


@st.composite
def alike(draw: st.DrawFn) -> str:
    """Lines of plain numbers, each column with so many digits behind the dot."""
    kinds = [st.from_regex(rf"[0-9]{{1,6}}{behind}", fullmatch=True) for behind in draw(ENDINGS)]
    return "\n".join(map(",".join, draw(st.lists(st.tuples(*kinds), min_size=1, max_size=8))))


ENDINGS = st.tuples(*[st.sampled_from(["", r"\.[0-9]", r"\.[0-9]{2}", r"\.[05]0{3}"])] * 3)
FIELD = st.from_regex(r"[0-9]{1,3}(\.[0-9]{0,2})?", fullmatch=True)


@given(alike(), st.booleans())
def test_lines_that_are_alike_are_read_at_once_and_as_carefully(text: str, ended: bool) -> None:
    found = plain(text + "\n" * ended)
    assert found is not None
    assert found == carefully(text)


@given(st.lists(st.lists(FIELD | ODD, min_size=2, max_size=4), min_size=1, max_size=6))
def test_whatever_is_read_at_once_is_as_read_carefully(rows: list[list[str]]) -> None:
    text = "\n".join(map(",".join, rows))
    found = plain(text)
    assert found is None or found == carefully(text)


@pytest.mark.parametrize("odd", ["1,2", "1,2,3,4", "1,,3", "1,2.3.4,5", "1,-2,3", "1,2e3,4", "1,.,3", "1,2.5,3"])
def test_a_line_that_is_not_plain_is_left_to_the_careful_reading(odd: str) -> None:
    assert plain(f"1,2,3\n{odd}\n1,2,3\n") is None


def test_numbers_that_64_bits_cannot_hold_are_left_to_the_careful_reading() -> None:
    assert plain(f"{'9' * 18}.5,1,1\n") is None
    assert plain(f"{'9' * 19},1,1\n") is None
    assert plain(f"{'9' * 16}.25,1,1\n") == {"a": ([10**18 - 75], 2), "b": ([1], 0), "c": ([1], 0)}


def test_lines_beyond_the_first_piece_are_read_too() -> None:
    many = 60_000
    found = plain("".join(f"{number},{number}.5,{number % 7}.25\n" for number in range(many)))
    assert found is not None
    assert found["a"] == (list(range(many)), 0)
    assert found["b"] == ([10 * number + 5 for number in range(many)], 1)
    assert found["c"] == ([100 * (number % 7) + 25 for number in range(many)], 2)


def test_the_columns_asked_for_are_found_by_their_names() -> None:
    assert plain("1,2,3\n4,5,6\n", "c,x,a", ("a", "c")) == {"a": ([3, 6], 0), "c": ([1, 4], 0)}


def test_a_header_alone_is_no_plain_text() -> None:
    assert plain("") is None


def test_one_odd_field_changes_no_candle(tmp_path: Path) -> None:
    rows = [f"{60 * n},{n}.50,{n}.75,{n}.25,{n}.5,0.00001" for n in range(1, 400)]
    even, odd = tmp_path / "a.csv", tmp_path / "b.csv"
    even.write_text("\n".join([",".join(COLUMNS), *rows]))
    rows[200] = rows[200].replace("0.00001", "1e-05")
    odd.write_text("\n".join([",".join(COLUMNS), *rows]))
    one, other = read_candles(even), read_candles(odd)
    assert (one.scale, one.tick_units, one.volume_scale) == (other.scale, other.tick_units, other.volume_scale)
    for name in ("times", "open", "high", "low", "close", "volume"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
