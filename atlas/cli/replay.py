"""`atlas replay`: play what a daemon recorded again, in virtual time, and compare the decisions."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import print_json
from atlas.errors import DataError, UsageError


@click.command()
@shared
@click.option(
    "--recording", type=click.Path(path_type=Path), help="The recording's directory; default: that of the account."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write every event to this file, one JSON a line.")
@click.option("--compare", is_flag=True, help="Compare the events with those in the database, byte by byte.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(choice: Choice, recording: Path | None, out: Path | None, compare: bool, as_json: bool) -> None:
    """Play a recording again: the same behaviours, the same inputs, no thread, no clock, no network."""
    from atlas.cli.run import recording_dir

    directory = recording or recording_dir(choice)
    if not directory.is_dir():
        raise UsageError(f"there is no recording in {directory}: give --recording DIR")
    events = list(replayed(directory))
    if out is not None:
        out.write_bytes(b"".join(text + b"\n" for _, text in events))
    summary: dict[str, Any] = {"recording": str(directory), "events": len(events), "kinds": _kinds(events)}
    if compare:
        with choice.opened() as url:
            summary["compared"] = _compare(_first(events), _committed(url, choice.account))
    if as_json:
        print_json(summary)
    else:
        click.echo(f"{len(events)} events from {directory}")
        for kind, count in summary["kinds"].items():
            click.echo(f"  {count:6} {kind}")
        if compare:
            click.echo(f"the same in the database, to the byte: {summary['compared']['same']}")
    if compare and (summary["compared"]["different"] or summary["compared"]["missing"]):
        raise DataError(
            f"the replay differs from the database: {summary['compared']['different'] + summary['compared']['missing']}"
        )


def replayed(directory: Path, from_: datetime | None = None, to: datetime | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield id and JSON text of every event a recording's inputs cause, in order.

    Raises DataError for a damaged recording or one without the settings it was made with.
    """
    import msgspec

    from actors.messages import decode, encode
    from actors.roles import Decider, core_roles
    from actors.route import route
    from actors.runtime.recorder import Codec
    from actors.runtime.recording import read
    from actors.runtime.replay import replay as play

    described = directory / "decider.json"
    if not described.is_file():
        raise DataError(f"{described} is missing: it says under which settings the inputs were recorded")
    decider = msgspec.json.decode(described.read_bytes(), type=Decider)
    for batch in play(read(directory, from_, to), core_roles(decider), route, Codec(encode=encode, decode=decode)):
        for event in batch.events:
            yield event.key, encode(event)


def _committed(url: str, account: str) -> dict[str, bytes]:
    from sqlalchemy import select

    from db.engine import connect, session
    from db.models import EventRow

    engine = connect(url)
    with session(engine) as connection:
        query = select(EventRow.id, EventRow.payload).where(EventRow.account == account, EventRow.input.is_not(None))
        found = {id_: payload.encode() for id_, payload in connection.execute(query.order_by(EventRow.seq))}
    engine.dispose()
    return found


def _first(events: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return id → text, of the first event of each id: the database keeps that one too."""
    found: dict[str, bytes] = {}
    for id_, text in events:
        found.setdefault(id_, text)
    return found


def _compare(replay: dict[str, bytes], committed: dict[str, bytes]) -> dict[str, Any]:
    """Return how many events are the same, and the ids of those that differ or that only one of the two has."""
    return {
        "same": sum(1 for id_, text in committed.items() if replay.get(id_) == text),
        "different": [id_ for id_, text in committed.items() if id_ in replay and replay[id_] != text],
        "missing": [id_ for id_ in committed if id_ not in replay],
        "only_in_replay": [id_ for id_ in replay if id_ not in committed],
    }


def _kinds(events: list[tuple[str, bytes]]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for id_, _ in events:
        kind = id_.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return dict(sorted(kinds.items()))
