"""Rows are sent in few groups, and nothing that two rows touch is touched in another order."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from db.projections.row import Row, grouped

STATEMENTS = tuple(text(f"SELECT {number}") for number in range(4))
rows = st.lists(
    st.tuples(st.sampled_from(range(4)), st.lists(st.sampled_from("abcde"), max_size=3).map(tuple)), max_size=40
)


def row(statement: int, number: int, *touches: str) -> Row:
    return Row(STATEMENTS[statement], {"number": number}, touches)


@given(rows)
def test_what_two_rows_touch_is_touched_in_their_order(drawn: list[tuple[int, tuple[str, ...]]]) -> None:
    told = [row(statement, number, *touches) for number, (statement, touches) in enumerate(drawn)]
    sent = [parameters["number"] for _, group in grouped(told) for parameters in group]
    assert sorted(sent) == list(range(len(told)))
    for thing in "abcde":
        touching = [number for number, (_, touches) in enumerate(drawn) if thing in touches]
        assert [number for number in sent if number in touching] == touching


@given(rows)
def test_a_group_holds_rows_of_its_own_statement_only(drawn: list[tuple[int, tuple[str, ...]]]) -> None:
    told = [row(statement, number, *touches) for number, (statement, touches) in enumerate(drawn)]
    for statement, group in grouped(told):
        assert all(told[parameters["number"]].statement is statement for parameters in group)


def test_alternating_statements_about_different_things_are_two_groups() -> None:
    told = [row(number % 2, number, str(number // 2)) for number in range(20)]
    assert [len(group) for _, group in grouped(told)] == [10, 10]


def test_alternating_statements_about_one_thing_keep_their_places() -> None:
    told = [row(number % 2, number, "same") for number in range(6)]
    assert [len(group) for _, group in grouped(told)] == [1] * 6
