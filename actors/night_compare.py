"""A recorded day against the database: which events a replay gives otherwise than they were committed.

An event is the same if it has the same id, was caused by the same input, and is the same to the byte. What a run
recorded and had not committed when it was killed is no difference: the next run began before it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import Connection, Engine, select

from actors.messages import decode, encode
from actors.roles import Decider, core_roles, described
from actors.route import route
from actors.runtime.recorder import Codec
from actors.runtime.recording import Checkpoint, Record, read
from actors.runtime.replay import replay
from actors.runtime.retention import recorded_between, recordings
from db.engine import connect, snapshot
from db.models import EventRow

SHOWN = 300
"""Characters of an event that are shown of each side."""
STATEMENT_TIMEOUT = 900.0
"""Seconds: a day's events are read from a table that may hold years."""
AT_ONCE = 1000

Committed = dict[str, tuple[int, bytes]]


class Run(msgspec.Struct):
    """The inputs one process took, by number: the first and the last that were replayed; the events it committed."""

    first: int
    last: int
    events: int = 0


class Again(msgspec.Struct):
    """A recording played again: the runs in it, and the text of every event by id and input."""

    runs: list[Run] = []
    events: dict[str, dict[int, bytes]] = {}

    def take(self, number: int, id_: str, text: bytes) -> None:
        """An event of an input. Told again, it is kept as it was told first."""
        self.events.setdefault(id_, {}).setdefault(number, text)


class Difference(msgspec.Struct, frozen=True, order=True):
    """An event of one input that is not the same in both, in words; `how` they differ."""

    number: int
    text: str
    id: str
    how: Literal["different", "missing", "only_in_replay"]


class Compared(msgspec.Struct):
    """What was found: `first` says in words which event differs first, `passed_over` what could not be replayed."""

    inputs: int = 0
    events: int = 0
    differences: int = 0
    first: str = ""
    passed_over: list[str] = []


def compared(account_dir: Path, begin: datetime, end: datetime, url: str, account: str, version: str) -> Compared:
    """Replay what the account's recordings hold of the time between the two (wall), and compare.

    A replay begins at the last checkpoint before `begin`. Raises DataError for a damaged recording, DatabaseError.
    """
    found = Compared()
    differing: list[Difference] = []
    engine = connect(url, statement_timeout=STATEMENT_TIMEOUT)
    try:
        for directory in recordings(account_dir):
            if not recorded_between(directory, begin, end):
                continue
            decider = described(directory)
            if decider.version != version:
                found.passed_over.append(f"{directory.name} was recorded by version {decider.version}")
                continue
            again = _replayed(directory, decider, begin, end)
            differing += differences(again, engine, account)
            found.inputs += sum(run.last + 1 - run.first for run in again.runs)
            found.events += sum(run.events for run in again.runs)
    finally:
        engine.dispose()
    found.differences = len(differing)
    found.first = min(differing).text if differing else ""
    return found


def _replayed(directory: Path, decider: Decider, begin: datetime, end: datetime) -> Again:
    again = Again()
    records = noted(read(directory, begin, end), again.runs)
    for batch in replay(records, core_roles(decider), route, Codec(encode=encode, decode=decode)):
        for event in batch.events:
            again.take(batch.number, event.key, encode(event))
    return again


def noted(records: Iterable[Record], runs: list[Run]) -> Iterator[Record]:
    """Pass the records on to a replay, and note the runs they are of."""
    for record in records:
        if isinstance(record, Checkpoint):
            if not runs or record.reason == "start":
                runs.append(Run(record.number + 1, record.number))
        elif runs:
            runs[-1].last = record.number
        yield record


def differences(again: Again, engine: Engine, account: str) -> Iterator[Difference]:
    """Yield every difference between what was replayed and what the account has committed; count the latter."""
    with snapshot(engine) as connection:
        for run in again.runs:
            committed = _committed(connection, account, run)
            run.events = len(committed)
            for id_, (number, text) in committed.items():
                other = again.events.get(id_, {}).get(number)
                if other != text:
                    words = f"{id_} at input {number}: decided {_shown(text)}, replayed {_shown(other)}"
                    yield Difference(number, words, id_, "missing" if other is None else "different")
            safe = max((number for number, _ in committed.values()), default=0)
            extra = {
                id_: number
                for id_, texts in again.events.items()
                for number in texts
                if run.first <= number <= safe and id_ not in committed
            }
            for id_ in extra.keys() - _known(connection, account, extra):
                text = again.events[id_][extra[id_]]
                words = f"{id_} at input {extra[id_]}: never decided, replayed {_shown(text)}"
                yield Difference(extra[id_], words, id_, "only_in_replay")


def _committed(connection: Connection, account: str, run: Run) -> Committed:
    """Return the events these inputs caused, by id."""
    query = select(EventRow.id, EventRow.input, EventRow.payload).where(
        EventRow.account == account, EventRow.input.between(run.first, run.last)
    )
    return {id_: (number or 0, payload.encode()) for id_, number, payload in connection.execute(query)}


def _known(connection: Connection, account: str, ids: dict[str, int]) -> set[str]:
    """Return which of the events were committed at all: what is told again is kept as it was told first."""
    wanted, known = list(ids), set()
    for place in range(0, len(wanted), AT_ONCE):
        some = EventRow.id.in_(wanted[place : place + AT_ONCE])
        known |= set(connection.execute(select(EventRow.id).where(EventRow.account == account, some)).scalars())
    return known


def _shown(text: bytes | None) -> str:
    if text is None:
        return "not at all"
    shown = text.decode()
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
