"""The log as JSON: one object a line, with what is bound to a record, whatever its text holds."""

import json
import logging
from decimal import Decimal
from typing import Any

import pytest

from actors.journal_log import tell
from actors.messages import HaltChanged, PositionClosed, PositionOpened
from atlas.logs import json_formatter
from tests.db.story import START, Trade


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    line = json_formatter().format(record)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [as_json(record) for record in caplog.records]


def test_a_trade_is_told_with_its_id_bound(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events = [event for batch in Trade().batches for event in batch.events]
    for event in events:
        tell(event)
    opened = next(event.position for event in events if isinstance(event, PositionOpened))
    closed = next(event.position for event in events if isinstance(event, PositionClosed))
    first, last = told(caplog)
    assert (first["trade"], first["setup"], first["symbol"]) == (opened.id, opened.id, opened.symbol)
    assert (first["actor"], first["level"], first["logger"]) == ("paper_broker", "info", "actors.journal_log")
    assert first["event"].startswith(f"opened {opened.symbol} {opened.timeframe} {opened.setup} {opened.side}: ")
    assert last["event"].endswith(f"net {closed.net}")
    assert first["at"].endswith("Z")


def test_a_halt_is_told_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    halts = [
        HaltChanged(START, {"person": "news"}, 1, "person", "news"),
        HaltChanged(START, {"person": "more news"}, 2),
        HaltChanged(START, {}, 3, "person", "more news", lifted=True, base=Decimal(1)),
    ]
    for halt in halts:
        tell(halt)
    assert [line["event"] for line in told(caplog)] == [
        "entries are halted by person: news",
        "entries are no longer halted by person: more news",
    ]


def test_text_of_several_lines_and_a_traceback_are_one_object() -> None:
    try:
        raise ValueError('a "quoted"\nreason')
    except ValueError as error:
        fault = (type(error), error, error.__traceback__)
    record = logging.LogRecord("some.place", logging.ERROR, __file__, 1, "it failed: %s", ("ä\nb",), fault)
    found = as_json(record)
    assert found["event"] == "it failed: ä\nb"
    assert found["exception"].endswith('ValueError: a "quoted"\nreason')
