"""`atlas doctor --dead-letters`: what nobody could handle, as the journal kept it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.messages import DeadLetter
from db.engine import connect
from db.writer import Extras, Writer
from tests.cli.command import Commands
from tests.web.scene import Daemon

TRACEBACK = 'Traceback (most recent call last):\n  File "scanner.py", line 7\nZeroDivisionError: one by nought'


@pytest.fixture
def commands(tmp_path: Path, new_database: Callable[..., str]) -> Commands:
    return Commands(tmp_path, ATLAS_DATABASE_URL=new_database())


def test_each_is_shown_with_its_message_its_reason_and_its_traceback(commands: Commands) -> None:
    url = commands.environ["ATLAS_DATABASE_URL"]
    Daemon(url).close()
    engine = connect(url)
    letters = (
        DeadLetter("scanner:BTC-USD", "feed", "Trades(symbol='BTC-USD')", "failed twice: one by nought", TRACEBACK),
        DeadLetter("nobody", "core", "Quote()", "nobody is called 'nobody'"),
    )
    Writer(engine, "paper", 1).write([], Extras(letters=letters))
    engine.dispose()
    shown = commands("doctor", "--dead-letters")
    assert shown.code == 0, shown.err
    first = shown.out.index("from feed to scanner:BTC-USD: failed twice")
    second = shown.out.index("from core to nobody")
    assert first < shown.out.index("Trades(symbol='BTC-USD')") < shown.out.index("ZeroDivisionError") < second
    assert shown.out.endswith("2 dead letters\n")
    listed = commands("doctor", "--dead-letters", "--json").json
    assert [letter["recipient"] for letter in listed] == ["scanner:BTC-USD", "nobody"]
    assert listed[0]["traceback"] == TRACEBACK
    told = next(line for line in commands("doctor").out.splitlines() if "dead letters:" in line)
    assert "2 messages could not be handled in the last day" in told


def test_without_any_it_says_so_and_of_a_database_out_of_reach_too(commands: Commands) -> None:
    assert commands("doctor", "--dead-letters").out == "0 dead letters\n"
    gone = commands("doctor", "--dead-letters", ATLAS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert gone.code == 69
    assert "cannot be reached" in gone.said()
