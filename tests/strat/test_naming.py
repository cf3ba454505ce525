"""Names resolve with the break; ids never change."""

from datetime import UTC, datetime

import pytest

from atlas.errors import InternalError
from atlas.strat.naming import resolved, setup_id, stamp, unresolved


@pytest.mark.parametrize(
    ("name", "side", "after"),
    [
        ("2D-1-?", "long", "2D-1-2U"),
        ("2D-1-?", "short", "2D-1-2D"),
        ("3-1-1-1-?", "short", "3-1-1-1-2D"),
        ("2U-2D-?", "long", "2U-2D-2U"),
        ("2D-2U-?", "short", "2D-2U-2D"),
        ("3-2D-?", "long", "3-2D-2U"),
        ("3-?", "long", "3-2U"),
        ("3-?", "short", "3-2D"),
        ("1-2D-?", "long", "1-2D-2U"),
    ],
)
def test_lesson_24_the_name_resolves_with_the_break(name, side, after) -> None:
    assert resolved(name, side) == after


def test_lesson_25_inside_bar_broken_down_keeps_its_1() -> None:
    assert resolved("2U-1-?", "short") == "2U-1-2D"


def test_a_resolved_name_cannot_resolve_again() -> None:
    with pytest.raises(InternalError, match="2U-1-2D"):
        resolved("2U-1-2D", "short")


def test_all_1s_of_a_run_are_written() -> None:
    assert unresolved("2D", "1", 2) == "2D-1-1-?"
    assert unresolved("3", "1", 3) == "3-1-1-1-?"


def test_lesson_02_and_03_the_id_is_made_of_the_setup_and_its_side_only() -> None:
    at = datetime(2026, 5, 8, 4, tzinfo=UTC)
    assert setup_id("BTC-USD", "4h", stamp(at), "2D-1-?", "long") == "BTC-USD:4h:20260508T0400Z:2D-1-?:long"
    assert setup_id("BTC-USD", "4h", stamp(at), "2D-1-?", "short") == "BTC-USD:4h:20260508T0400Z:2D-1-?:short"
