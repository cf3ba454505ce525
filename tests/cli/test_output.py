"""What `--json` prints: texts a program can read without knowing how Python writes a Decimal."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D

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
