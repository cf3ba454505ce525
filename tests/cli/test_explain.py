"""`atlas explain`: the story of a trade, or of a trigger that is none, as text, JSON and picture."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.messages import PositionClosed, Rejected
from db.engine import connect
from db.lock import AccountLock
from db.writer import Writer
from tests.cli.command import Commands
from tests.db.audited import events, lively, store
from tests.db.conftest import HOLDER


@pytest.fixture(scope="module")
def happened() -> list[Any]:
    """The events of a few hours, some batches of which are trades."""
    return lively(steps=250)


@pytest.fixture(scope="module")
def explain(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[..., str], happened: list[Any]
) -> Commands:
    """Return what runs commands over an account that saw them."""
    url = new_database()
    engine = connect(url)
    held = AccountLock(url, "paper", HOLDER)
    held.acquire()
    store(Writer(engine, "paper", held.fence), happened)
    held.release()
    engine.dispose()
    return Commands(tmp_path_factory.mktemp("explain"), ATLAS_DATABASE_URL=url)


def test_a_trade_is_told_from_its_setup_to_the_last_cent_and_drawn(explain: Commands, happened: list[Any]) -> None:
    position = next(event for event in events(happened) if isinstance(event, PositionClosed)).position
    picture = explain.place / "trade.png"
    told = explain("explain", position.id.partition(":")[2], "--png", str(picture))
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"{position.id}\n")
    for heading in ("Setup", "Bars", "Continuity at detection", "Continuity at trigger", "Gates", "Size", "Money"):
        assert f"\n{heading}" in told.out
    assert f"Closed by {position.exit_reason} after" in told.out
    assert f"{abs(position.net):,.2f}" in told.out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_rejection_is_told_as_json_with_gate_value_and_threshold(explain: Commands, happened: list[Any]) -> None:
    rejected = next(event for event in events(happened) if isinstance(event, Rejected))
    told = explain("explain", rejected.setup_id, "--json")
    assert told.code == 0
    found = told.json
    assert found["why_not"] == {
        "gate": rejected.gate, "outcome": "failed", "value": rejected.value, "threshold": rejected.threshold
    }  # fmt: skip
    assert found["gates"][-1] == found["why_not"]
    assert (found["trade"], found["outcome"]) == (None, "rejected")


def test_an_unknown_id_is_an_error_that_names_the_nearest(explain: Commands, happened: list[Any]) -> None:
    rejected = next(event for event in events(happened) if isinstance(event, Rejected))
    told = explain("explain", f"{rejected.setup_id}x")
    assert told.code == 65
    assert f"`{rejected.setup_id}`" in told.said()
