"""A threaded run of five products under load, whose line is reset, falls silent and loses frames, played again.

Real process, real websocket and REST, real Postgres. Which thread ran when is nowhere in the recording, and all the
same its inputs give the same events to the byte.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.messages import FeedDown, FeedUp, Gap, Trades, decode
from actors.night_compare import compared
from actors.runtime.recording import RecordedInput, read
from atlas import __version__
from atlas.exchange.local import Fault
from tests.soak.load import busy
from tests.soak.market import NAMES, START, written
from tests.soak.soak import local_exchange
from tests.soak.whole import ACCOUNT, Whole

pytestmark = pytest.mark.timeout(600)
SPEED = 900.0
LENGTH = timedelta(hours=4)
FAULTS = (
    Fault(kind="gap", count=2),
    Fault(kind="reset"),
    Fault(kind="duplicate", count=3),
    Fault(kind="reorder"),
    Fault(kind="close", code=1001),
)


def test_frames_of_a_threaded_run_replayed_give_the_same_events_to_the_byte(database_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, seed=5, length=LENGTH, history=timedelta(days=3))
    began = datetime.now(UTC)
    with (
        local_exchange(files, SPEED) as exchange,
        Whole(tmp_path / "live", database_url, files, SPEED, exchange=exchange) as run,
        busy(2),
    ):
        for number, fault in enumerate(FAULTS, 1):
            run.reached(START + number * LENGTH / (len(FAULTS) + 1))
            exchange.strike(fault)
        run.to_the_end()
        run.stop()
        (described,) = run.place.rglob("decider.json")
        told = [decode(record.message) for record in read(described.parent) if isinstance(record, RecordedInput)]
        found = compared(described.parents[1], began, datetime.now(UTC), database_url, ACCOUNT, __version__)
    inputs = Counter(type(message) for message in told)
    assert {message.symbol for message in told if isinstance(message, Trades)} == set(NAMES)
    assert inputs[FeedDown] >= 2, inputs
    assert inputs[FeedUp] >= 3, inputs
    assert inputs[Gap] >= 10, inputs
    assert found.events > 300
    assert (found.differences, found.first, found.passed_over) == (0, "", [])
