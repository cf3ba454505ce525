"""What `--json` prints: texts a program can read without knowing how Python writes a Decimal."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D

import msgspec
import pytest

from atlas.cli.output import as_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (D("0E-8"), "0.00000000"),
        (D("0.00000012"), "0.00000012"),
        (D("0E+8"), "0"),
        (D("1.5E+3"), "1500"),
        (D("-35.75"), "-35.75"),
    ],
)
def test_a_decimal_is_a_text_without_exponent(value: D, text: str) -> None:
    assert json.loads(as_json({"a": [value], "b": (value,)})) == {"a": [text], "b": [text]}


def test_a_time_is_told_in_utc() -> None:
    at = datetime(2026, 3, 4, 10, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert json.loads(as_json([at, at.astimezone(UTC), None])) == ["2026-03-04T15:30:00Z", "2026-03-04T15:30:00Z", None]


class Line(msgspec.Struct):
    name: str
    net: D
    exit_price: D | None
    times: tuple[datetime, ...]


def test_many_structs_of_a_kind_are_told_as_each_is_alone() -> None:
    at = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
    lines = [Line("a", D("0E-8"), None, (at,)), Line("b", D("1.50"), D("60012.34"), ()), Line("c", D(-2), D(0), (at,))]
    assert json.loads(as_json(lines)) == [json.loads(as_json({"": line}))[""] for line in lines]
    assert json.loads(as_json(lines[:1])) == [
        {"name": "a", "net": "0.00000000", "exit_price": None, "times": ["2026-03-04T10:30:00Z"]}
    ]
    assert json.loads(as_json([*lines, {"of": "another kind"}]))[-1] == {"of": "another kind"}
